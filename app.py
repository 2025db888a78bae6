"""python app.py: starts the chat page, the console and the HTTP API (faq_app.server)."""

import errno
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import click

from faq_app import startup
from faq_app.cors import parse_origin
from faq_app.options import Options
from faq_app.rate_limit import Rate


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
@click.option("--require-key", is_flag=True, help="Nobody may ask the API without a key.")
@click.option(
    "--rate-limit",
    metavar="N/s[:BURST]",
    callback=lambda ctx, param, value: value and _read(Rate.parse, value),
    help="Requests of one address.  [default: 30/s:150, but none for this machine]",
)
@click.option(
    "--key-rate-limit",
    metavar="N/s[:BURST]",
    callback=lambda ctx, param, value: value and _read(Rate.parse, value),
    help="Requests with one key.  [default: 300/s:600, but none for this machine]",
)
@click.option(
    "--cors-origin",
    "cors_origins",
    multiple=True,
    metavar="ORIGIN",
    callback=lambda ctx, param, values: tuple(
        value if value == "*" else _read(parse_origin, value) for value in values
    ),
    help="Site whose pages may ask, besides those that keys are bound to; * for any. May be "
    "repeated.",
)
@click.option(
    "--workers",
    default=0,
    show_default=True,
    type=click.IntRange(0, 64),
    help="Processes that help to answer, so that several cores do. Each needs some 300 MB.",
)
@click.option(
    "--log-format", default="text", show_default=True, type=click.Choice(["text", "json"])
)
@click.option(
    "--log-level",
    default="warning",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="info: a line for each request. debug: also what customers wrote, numbers masked.",
)
def main(
    db: Path,
    encoder: Path | None,
    host: str,
    port: int,
    trusted_proxies: list[str],
    log_format: Literal["text", "json"],
    log_level: str,
    require_key: bool,
    rate_limit: Rate | None,
    key_rate_limit: Rate | None,
    cors_origins: tuple[str, ...],
    workers: int,
) -> None:
    """Serve the chat page, the operators' console at /admin and the HTTP API from one database.

    \b
    Example:
      python app.py --db data/faq.db --port 7860
    """
    # uvicorn raises the signal again once it has shut down: both times the end is a quiet one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    if not db.exists():
        raise click.ClickException(f"{db} 不存在。先建立数据库: {_build_command(db)}")
    listener = _bind(host, port)
    # Imported only now: gradio takes seconds, and neither --help nor a mistake should wait for it.
    with startup.uncollected(), startup.without_stubs():
        from distill.errors import DistillError
        from faq_app import request_log, server
        from indexer.errors import IndexerError

    options = Options(require_key, rate_limit, key_rate_limit, cors_origins, workers)
    log = request_log.start(log_level, log_format)
    try:
        server.run(db, encoder, listener, trusted_proxies, options)
    except (IndexerError, DistillError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        log.stop()


def _build_command(db: Path) -> str:
    build = "python -m indexer build data/faq.csv"
    return build if db == Path("data/faq.db") else f"{build} --db {db}"


def _read(parse: Callable[[str], Any], written: str) -> Any:
    try:
        return parse(written)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


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
