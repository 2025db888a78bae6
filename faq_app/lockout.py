"""How long must one wait before trying another password? Longer after every failure.

In: an open transaction, who tries, the time. Out: seconds to wait. It is stored, so that a restart
forgives nothing.
"""

import ipaddress
import math
from collections.abc import Sequence

from sqlite_utils import Database

FREE_FAILURES = 5  # after so many, there is a wait
FIRST_WAIT, LONGEST_WAIT = 30.0, 15 * 60.0  # seconds; doubled by each failure after that
FORGOTTEN_AFTER = 60 * 60.0  # seconds without a failure


def keys_of(name: str, address: str) -> tuple[str, str]:
    """Return what failures are counted under: the user, existing or not, and the address.

    Who has one IPv6 address has 2⁶⁴ of them, so their network counts.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return f"user:{name}", f"address:{address}"
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False)
    return f"user:{name}", f"address:{ip}"


def charge(db: Database, keys: Sequence[str], now: float) -> int:
    """Count a failure in advance, or return the whole seconds to wait before one may try.

    In advance, because a hundred tries at once would otherwise all be the first. A try while
    waiting counts for nothing: nobody can be kept out for ever by somebody who goes on trying.
    """
    db.execute("delete from login_failures where last < ?", [now - FORGOTTEN_AFTER])
    # The clock was put back: the wait begins again, it neither ends now nor lasts until then.
    db.execute("update login_failures set last = ? where last > ?", [now, now])
    marks = ",".join("?" * len(keys))
    rows = db.query(f"select count, last from login_failures where key in ({marks})", list(keys))
    wait = max((_wait(row["count"]) - (now - row["last"]) for row in rows), default=0.0)
    if wait > 0:
        return math.ceil(wait)
    for key in keys:
        db.execute(
            "insert into login_failures (key, count, last, before) values (?, 1, ?, ?)"
            " on conflict (key) do update set count = count + 1, last = excluded.last,"
            " before = last",
            [key, now, now],
        )
    return 0


def forgive(db: Database, name: str, address: str) -> None:
    """Take the charge back: the password was right.

    The address's earlier failures stay: an account of one's own must not buy tries at another's.
    """
    user, place = keys_of(name, address)
    db.execute("delete from login_failures where key = ?", [user])
    db.execute("update login_failures set count = count - 1, last = before where key = ?", [place])


def _wait(failures: int) -> float:
    if failures < FREE_FAILURES:
        return 0.0
    return min(FIRST_WAIT * 2.0 ** min(failures - FREE_FAILURES, 30), LONGEST_WAIT)
