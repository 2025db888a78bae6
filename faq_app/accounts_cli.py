"""The commands of `python -m faq_app`: who may log in at /admin, and which programs may ask.

The server is `python app.py`.

Data goes to standard output, messages to standard error; an expected error is one line and exit
code 1.
"""

import getpass
import sys
import time
from pathlib import Path

import click

from distill.commands import Commands
from faq_app.accounts import (
    ROLES,
    SHORTEST_PASSWORD,
    AccountError,
    Accounts,
    Role,
    normal_name,
    written,
)
from faq_app.keys import SCOPES, Key, Keys, Scope
from indexer.errors import IndexerError
from indexer.options import BY, db_option, say
from indexer.store import Store

stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of stdin."
)
role_type = click.Choice(ROLES)


class _Commands(Commands):
    expected = (*Commands.expected, IndexerError, AccountError)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Say who may log in to the console at /admin, and which programs may use the HTTP API.

    \b
    Example:
      python -m faq_app create-user 运营甲 --role publisher
    """


@main.command("create-user")
@click.argument("name")
@click.option(
    "--role",
    type=role_type,
    required=True,
    help="viewer: look and try. editor: also change drafts. publisher: also publish.",
)
@stdin_option
@db_option
def create_user(name: str, role: Role, password_stdin: bool, db: Path) -> None:
    """Make a user NAME, who can then log in at /admin.

    \b
    Example:
      python -m faq_app create-user 运营甲 --role publisher
    """
    accounts = _accounts(db)
    accounts.require_new(name)  # before anybody has thought of a password
    user = accounts.create_user(name, _password(password_stdin), role, _operator())
    say(f"{db}: 已新建用户 {user.name} ({role}), 可在网页的 /admin 登录")


@main.command("list-users")
@db_option
def list_users(db: Path) -> None:
    """Print all users, as name⇥role⇥created (UTC)⇥状态."""
    for user in _accounts(db).users():
        status = "停用" if user.disabled else "启用"
        click.echo(f"{user.name}\t{user.role}\t{user.created}\t{status}")


@main.command("set-password")
@click.argument("name")
@stdin_option
@db_option
def set_password(name: str, password_stdin: bool, db: Path) -> None:
    """Give NAME another password; wherever NAME is logged in, that ends."""
    accounts = _accounts(db)
    accounts.user(name)
    accounts.set_password(name, _password(password_stdin), _operator())
    say(f"{db}: 已修改 {normal_name(name)} 的密码, 请重新登录")


@main.command("set-role")
@click.argument("name")
@click.argument("role", type=role_type)
@db_option
def set_role(name: str, role: Role, db: Path) -> None:
    """Let NAME do what ROLE may, at once.

    \b
    Example:
      python -m faq_app set-role 运营甲 editor
    """
    _accounts(db).set_role(name, role, _operator())
    say(f"{db}: {normal_name(name)} 现在是 {role}")


@main.command("disable-user")
@click.argument("name")
@db_option
def disable_user(name: str, db: Path) -> None:
    """Log NAME out everywhere and refuse further logins."""
    _accounts(db).disable_user(name, _operator())
    say(f"{db}: 已停用 {normal_name(name)}; 恢复: python -m faq_app enable-user {name}")


@main.command("enable-user")
@click.argument("name")
@db_option
def enable_user(name: str, db: Path) -> None:
    """Let a disabled NAME log in again."""
    _accounts(db).enable_user(name, _operator())
    say(f"{db}: 已启用 {normal_name(name)}")


@main.command("create-key")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="ask: ask, search, suggest, rate. embed: vectors. read, edit, publish: as viewer, editor "
    "and publisher. metrics: /metrics from another machine. May be repeated.",
)
@click.option("--expires", "days", type=int, metavar="DAYS", help="[default: never]")
@click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="Site whose pages carry this key, visibly: it is worth nothing elsewhere. Scope ask only. "
    "May be repeated.",
)
@db_option
def create_key(
    name: str, scopes: tuple[Scope, ...], days: int | None, origins: tuple[str, ...], db: Path
) -> None:
    """Make a key NAME for a program and print it, once: only its hash is stored.

    \b
    Example:
      python -m faq_app create-key 客服系统 --scope ask
      python -m faq_app create-key 官网 --scope ask --origin https://www.example.com
    """
    secret = _keys(db).create(name, scopes, _operator(), days, origins)
    click.echo(secret)
    say(f"{db}: 已新建密钥 {name} ({', '.join(scopes)})。只显示这一次, 请马上存好")


@main.command("list-keys")
@db_option
def list_keys(db: Path) -> None:
    """Print all keys, as name⇥beginning⇥scopes⇥origins⇥created⇥by⇥expires⇥last used⇥状态."""
    for key in _keys(db).all():
        expires = "" if key.expires is None else written(key.expires)
        cells = (key.name, key.prefix + "…", ",".join(key.scopes), ",".join(key.origins))
        times = (key.created, key.created_by, expires, key.last_used, _status(key))
        click.echo("\t".join(cells + times))


@main.command("revoke-key")
@click.argument("name")
@db_option
def revoke_key(name: str, db: Path) -> None:
    """End the key NAME; a running server knows within a second."""
    _keys(db).revoke(name, _operator())
    say(f"{db}: 已撤销密钥 {name}")


def _keys(db: Path) -> Keys:
    return Keys(Store.open(db))


def _status(key: Key) -> str:
    if key.revoked:
        return "已撤销"
    return "已过期" if key.expires is not None and time.time() >= key.expires else "可用"


def _accounts(db: Path) -> Accounts:
    return Accounts(Store.open(db))


def _operator() -> str:
    """Return who runs this, for the audit log."""
    try:
        return f"{getpass.getuser()} (命令行)"
    except (KeyError, OSError):  # a container may run under a number that has no name
        return BY


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    while True:
        password = click.prompt(
            f"密码 (至少 {SHORTEST_PASSWORD} 个字符)", hide_input=True, err=True
        )
        if len(password) < SHORTEST_PASSWORD:
            say(f"太短: 只有 {len(password)} 个字符")
        elif click.prompt("再输入一次", hide_input=True, err=True) == password:
            return password
        else:
            say("两次输入不一样, 请重来")
