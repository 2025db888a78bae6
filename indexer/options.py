"""What the commands of `python -m indexer` have in common: options, and how a message is said."""

from pathlib import Path

import click

DEFAULT_DB = Path("data/faq.db")
DEFAULT_ENCODER = Path("data/encoder")
BY = "命令行"  # who published, where nobody is signed in
PATH = click.Path(path_type=Path)

db_option = click.option(
    "--db", default=DEFAULT_DB, show_default=True, type=PATH, help="The database."
)
encoder_option = click.option(
    "--encoder", default=DEFAULT_ENCODER, show_default=True, type=PATH, help="Encoder bundle."
)


def say(message: str) -> None:
    """Print a message where it does not mix with data: to standard error."""
    click.echo(message, err=True)
