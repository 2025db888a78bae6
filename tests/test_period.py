from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from indexer.errors import InputError
from indexer.period import Period, moment

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


def test_days_begin_at_midnight_where_the_operator_lives():
    period = Period(date(2026, 1, 31), date(2026, 2, 1), SHANGHAI)
    assert period.begins == "2026-01-30T16:00:00.000+00:00"
    assert period.ends == "2026-02-01T16:00:00.000+00:00"
    assert [day.isoformat() for day in period.days] == ["2026-01-31", "2026-02-01"]
    assert period.zone_name == "Asia/Shanghai"


def test_a_day_on_which_clocks_change_has_23_or_25_hours():
    hours = {}
    for day in (date(2026, 3, 29), date(2026, 6, 1), date(2026, 10, 25)):
        [(_, begins, ends)] = Period(day, day, BERLIN).by_day()
        length = datetime.fromisoformat(ends) - datetime.fromisoformat(begins)
        hours[day.month] = length / timedelta(hours=1)
    assert hours == {3: 23, 6: 24, 10: 25}


def test_without_a_zone_it_is_the_servers_own(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        period = Period(date(2026, 1, 31), date(2026, 1, 31))
        assert period.begins == "2026-01-30T16:00:00.000+00:00"
        assert period.zone_name == "UTC+08:00 (服务器时间)"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_days_follow_one_another_without_a_gap():
    bounds = list(Period(date(2026, 3, 1), date(2026, 4, 30), BERLIN).by_day())
    assert all(a[2] == b[1] for a, b in zip(bounds, bounds[1:], strict=False))


def test_a_period_that_lasts_ends_today():
    period = Period.lasting(7, SHANGHAI)
    assert len(period.days) == 7
    assert period.begins < moment(datetime.now(UTC)) < period.ends


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (date(2026, 2, 1), date(2026, 1, 31), "结束早于开始"),
        (date(1926, 1, 1), date(2026, 1, 1), "超过十年"),
    ],
)
def test_a_period_that_cannot_be_is_refused(first, last, said):
    with pytest.raises(InputError, match=f"{said}.*怎么办"):
        Period(first, last)
