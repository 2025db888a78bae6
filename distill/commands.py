"""How does a command fail? In one line and with exit code 1, if that was to be expected."""

import importlib.util

import click

from distill.errors import DistillError


class Commands(click.Group):
    """A group of commands that turns expected errors into one line.

    A package with errors of its own extends ``expected``.
    """

    expected: tuple[type[Exception], ...] = (DistillError, OSError)

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; what is not expected is a fault of ours and keeps its traceback."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click knows: the reader of our output has seen enough
            raise
        except self.expected as error:
            raise click.ClickException(str(error)) from error


def require_extra(extra: str, *modules: str) -> None:
    """Refuse a command whose libraries are not installed, with the line that installs them."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"this command needs {', '.join(missing)}: pip install -e '.[{extra}]'"
        )
