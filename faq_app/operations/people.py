"""Who may operate the FAQ, and who did what? Users and the audit log, looked after by publishers.

In: accounts, and who acts. Out: users changed, so that somebody who may publish is always left and
nobody locks themself out; pages of the log, and the log as csv.
"""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from faq_app.accounts import AccountError, Accounts, AuditFilter, AuditRow, Role, User, normal_name
from indexer.errors import InputError
from indexer.period import Period
from indexer.table_export import write_rows

_HEADER = ("时间", "谁", "做了什么", "内容", "地址")


def create(
    accounts: Accounts, name: str, password: str, again: str, role: Role, by: str, address: str
) -> User:
    """Make a user. Raises AccountError."""
    _require_same(password, again)
    return accounts.create_user(name, password, role, by, address)


def set_password(
    accounts: Accounts, name: str, password: str, again: str, by: str, address: str
) -> None:
    """Give a user another password. Raises AccountError."""
    _require_same(password, again)
    accounts.set_password(name, password, by, address)


def set_role(accounts: Accounts, name: str, role: Role, by: str, address: str) -> None:
    """Let a user do more or less. Raises AccountError for oneself, and for the last publisher."""
    if accounts.user(name).role == role:
        raise AccountError(f"{normal_name(name)} 已经是这个角色。怎么办: 选另一个角色")
    _require_other(name, by, "改自己的角色")
    accounts.set_role(name, role, by, address, spare_last=True)


def disable(accounts: Accounts, name: str, by: str, address: str) -> None:
    """Let a user in no more. Raises AccountError for oneself, and for the last publisher."""
    _require_other(name, by, "停用自己")
    accounts.disable_user(name, by, address, spare_last=True)


def wanted_rows(by: str, text: str, first: str, last: str) -> AuditFilter:
    """Return the filter that a form describes; days are written 2026-01-31, "" for any.

    Raises InputError for what is no day, or a period that ends before it begins.
    """
    try:
        days = [date.fromisoformat(day.strip()) if day.strip() else None for day in (first, last)]
    except ValueError as error:
        raise InputError("日期要写成 2026-01-31。怎么办: 改好后按回车, 或留空") from error
    if all(days):
        Period(days[0], days[1])
    begins = _moment(Period(days[0], days[0]).begins) if days[0] else ""
    ends = _moment(Period(days[1], days[1]).ends) if days[1] else ""
    return AuditFilter(by, text.strip(), begins, ends)


def write_log(path: Path, rows: Sequence[AuditRow]) -> None:
    """Write rows of the log as csv; a cell that begins like a formula is disarmed."""
    cells = [(_local(row.at), row.by, row.what, row.detail, row.address) for row in rows]
    write_rows(path, _HEADER, cells)


def _require_same(password: str, again: str) -> None:
    if password != again:
        raise AccountError("两次输入的密码不一样。怎么办: 两处都再输入一次")


def _require_other(name: str, by: str, what: str) -> None:
    if normal_name(name) == by:
        raise AccountError(f"不能{what}: 那样可能再也进不来。怎么办: 请另一位发布者来做")


def _moment(at: str) -> str:
    """Return a moment as the audit log writes it: whole seconds."""
    return datetime.fromisoformat(at).isoformat(timespec="seconds")


def _local(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
