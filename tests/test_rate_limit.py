import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq_app.rate_limit import Buckets, Rate, bucket_of


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_burst_passes_then_one_waits_and_then_one_passes_again(clock):
    buckets = Buckets(Rate(2, 3), clock)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    clock.now += 0.5
    assert [buckets.take("a") for _ in range(2)] == [0, 0.5]
    clock.now += 3600  # no more than a burst is ever saved up
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_who_is_refused_is_not_charged(clock):
    buckets = Buckets(Rate(1, 1), clock)
    buckets.take("a")
    assert [buckets.take("a") for _ in range(50)] == [1] * 50
    clock.now += 1
    assert buckets.take("a") == 0


def test_everybody_has_a_bucket_of_their_own(clock):
    buckets = Buckets(Rate(1, 1), clock)
    assert [buckets.take(who) for who in ("a", "b", "a")] == [0, 0, 1]


def test_what_costs_more_takes_more_but_can_always_be_paid_at_last(clock):
    buckets = Buckets(Rate(1, 5), clock)
    assert buckets.take("a", 4) == 0
    assert buckets.take("a", 4) == 3
    clock.now += 4
    assert buckets.take("a", 1000) == 0
    assert buckets.take("a") == 1


def test_a_clock_that_goes_back_lets_nobody_in(clock):
    buckets = Buckets(Rate(1, 1), clock)
    buckets.take("a")
    clock.now -= 500
    assert buckets.take("a") > 0


def test_the_number_of_buckets_is_bounded_and_the_longest_unheard_goes(clock):
    buckets = Buckets(Rate(1, 1), clock, most=3)
    for who in ("a", "b", "c", "a", "d"):
        buckets.take(who)
    assert len(buckets) == 3
    assert buckets.take("a") > 0  # asked after b
    assert buckets.take("b") == 0  # forgotten


@given(st.lists(st.floats(0, 2), max_size=60))
def test_in_the_long_run_nobody_gets_more_than_the_rate(waits):
    clock = Clock()
    buckets, passed, begun = Buckets(Rate(3, 4), clock), 0, clock.now
    for wait in waits:
        clock.now += wait
        passed += buckets.take("a") == 0
    assert passed <= 4 + 3 * (clock.now - begun) + 1e-6


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("5/s", Rate(5, 10)),
        ("5", Rate(5, 10)),
        ("0.5/s:20", Rate(0.5, 20)),
        ("0.1/s", Rate(0.1, 1)),
    ],
)
def test_a_rate_is_read(text, rate):
    assert Rate.parse(text) == rate


@pytest.mark.parametrize("text", ["", "x", "0/s", "-1/s", "5/m", "5/s:0", "5/s:", "1e9", "9999999"])
def test_what_is_no_rate_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="5/s:20"):
        Rate.parse(text)


def test_an_ipv6_network_is_one_asker():
    assert bucket_of("2001:db8::1") == bucket_of("2001:db8::ffff") == "2001:db8::/64"
    assert bucket_of("2001:db8:0:1::1") != bucket_of("2001:db8::1")
    assert bucket_of("::ffff:192.0.2.1") == bucket_of("192.0.2.1") == "192.0.2.1"
    assert bucket_of("testclient") == "testclient"
    assert bucket_of("not:an:address") == "not:an:address"
