"""python app.py: starts the chat page, the console and the HTTP API (faq_app.server)."""

import errno
import ipaddress
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--db",
    default=Path("data/faq.db"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="The database that `python -m indexer build` made.",
)
@click.option(
    "--encoder",
    type=click.Path(path_type=Path),
    help="Encoder bundle.  [default: data/encoder]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 opens it to others.")
@click.option("--port", default=7860, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--trusted-proxy",
    "trusted_proxies",
    multiple=True,
    metavar="ADDRESS",
    callback=lambda ctx, param, values: [_network(value) for value in values],
    help="Reverse proxy (address or network) to believe when it says who asks, and whether over "
    "TLS. May be repeated.",
)
def main(db: Path, encoder: Path | None, host: str, port: int, trusted_proxies: list[str]) -> None:
    """Serve the chat page, the operators' console at /admin and the HTTP API from one database.

    \b
    Example:
      python app.py --db data/faq.db --port 7860
    """
    # uvicorn raises the signal again once it has shut down: both times the end is a quiet one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    if not db.exists():
        raise click.ClickException(f"{db} 不存在。先建立数据库: {_build_command(db)}")
    listener = _bind(host, port)
    # Imported only now: gradio takes seconds, and neither --help nor a mistake should wait for it.
    from distill.errors import DistillError
    from faq_app import server
    from indexer.errors import IndexerError

    try:
        server.run(db, encoder, listener, trusted_proxies)
    except (IndexerError, DistillError) as error:
        raise click.ClickException(str(error)) from error


def _build_command(db: Path) -> str:
    build = "python -m indexer build data/faq.csv"
    return build if db == Path("data/faq.db") else f"{build} --db {db}"


def _network(written: str) -> str:
    try:
        return str(ipaddress.ip_network(written, strict=False))
    except ValueError:
        raise click.BadParameter(
            f"{written} 不是地址或网段。怎么办: 写反向代理的地址, 如 --trusted-proxy 127.0.0.1"
        ) from None


def _bind(host: str, port: int) -> socket.socket:
    """Return a bound socket that does not listen yet: nobody connects before all is ready."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        if os.name == "posix":  # on Windows this option would share a port that is in use
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            # The one line to read, without click's "Error: " before it.
            other = port + 1 if port < 65535 else port - 1
            click.echo(
                f"端口 {port} 已被占用。换一个: make run PORT={other} "
                f"(或 python app.py --port {other})",
                err=True,
            )
            sys.exit(1)
        raise click.ClickException(f"无法监听 {host}:{port}: {error.strerror or error}") from error
    return listener


if __name__ == "__main__":
    main()
