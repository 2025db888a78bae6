"""Which days? From midnight to midnight, where the operator lives; the log keeps UTC.

In: days and a time zone. Out: the moments in between, as the log writes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from indexer.errors import InputError

MOST_DAYS = 3660  # ten years: more is a mistake in typing


@dataclass(frozen=True)
class Period:
    """Whole days, the first and the last included; ``zone`` None is the server's own time."""

    first: date
    last: date
    zone: ZoneInfo | None = None

    def __post_init__(self) -> None:
        """Raise InputError for a period that ends before it begins, or is too long."""
        if self.last < self.first:
            raise InputError(
                f"时段从 {self.first} 到 {self.last}: 结束早于开始。怎么办: 交换两个日期"
            )
        if (self.last - self.first).days >= MOST_DAYS:
            raise InputError(
                f"时段从 {self.first} 到 {self.last} 超过十年。怎么办: 检查年份, 选短一些的时段"
            )

    @classmethod
    def lasting(cls, days: int, zone: ZoneInfo | None = None) -> "Period":
        """Return the period of so many days that ends today."""
        today = datetime.now(zone).date()
        return cls(today - timedelta(days=days - 1), today, zone)

    @property
    def days(self) -> tuple[date, ...]:
        """Return its days in order."""
        count = (self.last - self.first).days + 1
        return tuple(self.first + timedelta(days=number) for number in range(count))

    @property
    def begins(self) -> str:
        """Return the moment it begins, as the log writes it."""
        return _midnight(self.first, self.zone)

    @property
    def ends(self) -> str:
        """Return the first moment that is no longer in it, as the log writes it."""
        return _midnight(self.last + timedelta(days=1), self.zone)

    @property
    def zone_name(self) -> str:
        """Return in which time zone its days are, for people: Asia/Shanghai, or UTC+08:00."""
        if self.zone:
            return self.zone.key
        offset = datetime.combine(self.first, time(12)).astimezone().strftime("%z")
        return f"UTC{offset[:3]}:{offset[3:5]} (服务器时间)"

    def by_day(self) -> Iterator[tuple[date, str, str]]:
        """Yield each day, the moment it begins, and the one at which the next does.

        A day on which clocks are put on or back has 23 or 25 hours.
        """
        for day in self.days:
            yield day, _midnight(day, self.zone), _midnight(day + timedelta(days=1), self.zone)


def moment(at: datetime) -> str:
    """Return a moment as the log writes it, so that texts compare as moments do.

    ``at`` without a time zone is in the server's.
    """
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _midnight(day: date, zone: ZoneInfo | None) -> str:
    return moment(datetime.combine(day, time.min, zone))
