"""May this one ask again already? Token buckets, one for each key and each address.

In: who asks. Out: seconds to wait, 0 if it may. In memory, and bounded: of very many askers those
not heard of for longest are forgotten, and may begin anew.
"""

import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST = 10_000  # buckets, some 3 MB
_WRITTEN = re.compile(r"(\d+(?:\.\d+)?)(?:/s)?(?::(\d+))?")


@dataclass(frozen=True)
class Rate:
    """So many a second in the long run, and at most ``burst`` at once."""

    per_second: float
    burst: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Read 5/s or 5/s:20; without a burst it is two seconds' worth. Raises ValueError."""
        found = _WRITTEN.fullmatch(text.strip())
        if not found or not 0 < float(found[1]) <= 1e6 or found[2] == "0":
            raise ValueError(f"{text!r} 不是速率。怎么办: 写成 每秒次数/s:一次最多, 如 5/s:20")
        per_second = float(found[1])
        return cls(per_second, int(found[2]) if found[2] else max(1, round(2 * per_second)))


class Buckets:
    """One bucket of tokens for each asker; for one thread, the event loop's."""

    def __init__(
        self, rate: Rate, clock: Callable[[], float] = time.monotonic, most: int = MOST
    ) -> None:
        self.rate = rate
        self._clock = clock
        self._most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, as of when

    def __len__(self) -> int:
        return len(self._left)

    def take(self, who: str, cost: float = 1.0) -> float:
        """Take tokens, or return after how many seconds there will be enough."""
        now, rate = self._clock(), self.rate
        left, then = self._left.get(who, (rate.burst, now))
        left = min(rate.burst, left + rate.per_second * max(0.0, now - then))
        cost = min(cost, rate.burst)  # what costs more than a full bucket would never be let in
        wait = max(0.0, (cost - left) / rate.per_second)
        self._left[who] = (left if wait else left - cost, now)
        self._left.move_to_end(who)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return wait


def bucket_of(address: str) -> str:
    """Return what an address is counted as: who has one IPv6 address has its whole /64."""
    if ":" not in address:
        return address
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))
