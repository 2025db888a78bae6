import pytest

from indexer.comparison import PastCase
from indexer.measures import MEASURES, Evaluation, group, intervals, measure


def outcome(expected, decided, rank, right):
    return PastCase("q", expected, rank, decided, right, "")


# In scope: answered right, answered wrong, offered, offered in vain, refused; out of scope: three.
OUTCOMES = [
    outcome("a", "answer", 1, True),
    outcome("a", "answer", 2, False),
    outcome("b", "clarify", 4, True),
    outcome("b", "clarify", 0, False),
    outcome("c", "reject", 5, False),
    outcome("", "reject", 0, True),
    outcome("", "answer", 0, False),
    outcome("", "clarify", 0, False),
]


def test_measures_are_those_counted_by_hand():
    assert measure(OUTCOMES) == Evaluation(
        queries=8,
        in_scope=5,
        recall_at_1=1 / 5,
        recall_at_3=2 / 5,
        recall_at_5=4 / 5,
        mrr_at_10=pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 5) / 5),
        decision_accuracy=3 / 8,
        answered=3 / 8,
        clarified=3 / 8,
        rejected=2 / 8,
        answer_precision=1 / 3,  # an out-of-scope query that is answered is answered wrongly
        coverage=2 / 5,
        clarify_right=1 / 3,
        in_scope_served=2 / 5,
        out_of_scope_rejected=1 / 3,
        out_of_scope_answered=1 / 3,
    )


def test_what_cannot_be_measured_is_none_and_not_nought():
    outside = measure([one for one in OUTCOMES if not one.expected])
    assert (outside.recall_at_1, outside.mrr_at_10, outside.coverage) == (None, None, None)
    assert outside.out_of_scope_rejected == 1 / 3
    assert measure([OUTCOMES[4]]).answer_precision is None
    assert set(intervals([]).values()) == {None}
    assert intervals([OUTCOMES[4]])["answer_precision"] is None


def test_intervals_hold_the_value_come_again_and_narrow_with_more_queries():
    few, many = group("", OUTCOMES * 5), group("", OUTCOMES * 500)
    assert intervals(OUTCOMES * 5) == few.intervals
    assert intervals(OUTCOMES * 5, seed=1) != few.intervals
    for each in MEASURES:
        narrow, wide = many.intervals[each.field], few.intervals[each.field]
        assert narrow.low < getattr(many.measures, each.field) < narrow.high
        assert narrow.high - narrow.low < (wide.high - wide.low) / 5


def test_the_interval_of_a_share_is_the_binomials():
    share = [outcome("a", "answer", 1, i < 80) for i in range(100)]
    found = intervals(share)["decision_accuracy"]
    # 0.8 ± 1.96 · √(0.8 · 0.2 / 100)
    assert (found.low, found.high) == pytest.approx((0.7216, 0.8784), abs=0.02)


def test_each_measure_is_a_field_and_has_a_name_of_its_own():
    fields = set(Evaluation.__dataclass_fields__) - {"queries", "in_scope"}
    assert fields == {each.field for each in MEASURES}
    assert len({each.name for each in MEASURES}) == len(MEASURES)
