import pytest

from indexer.decision import (
    OPTIONS,
    UNKNOWN_ENCODER,
    Judged,
    Thresholds,
    as_setting,
    decide,
    thresholds_of,
    tune,
)
from indexer.records import Hit, SearchResult


def hits(*cosines, prefix="e"):
    return tuple(Hit(f"{prefix}{i}", i, f"问题{i}", c, c, c) for i, c in enumerate(cosines))


def result(*cosines):
    return SearchResult("查询", hits(*cosines), 1)


@pytest.mark.parametrize(
    ("cosines", "kind", "shown", "reason"),
    [
        ((1.0, 0.5), "answer", 2, "exact"),
        ((0.8, 0.5), "answer", 2, "score"),  # equal to the threshold counts
        ((0.79, 0.6, 0.4), "clarify", 2, "between"),  # only those above clarify
        ((0.79,) * 9, "clarify", OPTIONS, "between"),
        ((0.59,), "reject", 0, "low_score"),
        ((), "reject", 0, "no_hits"),
    ],
)
def test_two_thresholds_make_three_decisions(cosines, kind, shown, reason):
    decision = decide(result(*cosines), Thresholds(0.8, 0.6))
    assert (decision.kind, len(decision.hits), decision.reason) == (kind, shown, reason)


def test_an_entry_that_hardly_leads_is_not_answered_unasked():
    thresholds = Thresholds(0.8, 0.6, margin=0.05)
    near, clear = decide(result(0.9, 0.86), thresholds), decide(result(0.9, 0.85), thresholds)
    assert (near.kind, near.reason) == ("clarify", "near_equal")
    assert clear.kind == "answer"
    assert decide(result(1.0, 0.99), thresholds).kind == "answer"  # the same text is no question
    assert decide(result(0.9), thresholds).kind == "answer"  # nobody else is near


def test_0_and_1_are_thresholds_like_any_other():
    assert decide(result(0.0), Thresholds(0.0, 0.0)).kind == "answer"
    assert decide(result(0.999), Thresholds(1.0, 1.0)).kind == "reject"
    assert decide(result(1.0), Thresholds(1.0, 1.0)).kind == "answer"


@pytest.mark.parametrize(("answer", "clarify"), [(0.5, 0.6), (1.1, 0.5), (0.5, -0.1)])
def test_senseless_thresholds_are_refused(answer, clarify):
    with pytest.raises(ValueError):
        Thresholds(answer, clarify)


def test_tuned_thresholds_separate_what_can_be_separated():
    judged = [Judged("e0", hits(0.7 + i / 100)) for i in range(20)]  # right, 0.70 … 0.89
    judged += [Judged("e1", hits(0.6 + i / 100, 0.6)) for i in range(10)]  # second, 0.60 … 0.69
    judged += [Judged("", hits(0.2 + i / 100)) for i in range(20)]  # out of scope, 0.20 … 0.39
    thresholds = tune(judged, "test")
    assert thresholds.answer == pytest.approx(0.7)
    assert thresholds.clarify == pytest.approx(0.6)


def test_a_wrong_answer_is_worse_than_a_question_back():
    # At 0.8 two of three are right: answering is worth 1/3, offering 1/2.
    judged = [Judged("e0", hits(0.8)), Judged("e0", hits(0.8)), Judged("e1", hits(0.8, 0.7))]
    judged += [Judged("", hits(0.3))]
    thresholds = tune(judged, "test")
    assert thresholds.answer > 0.8
    assert 0.3 < thresholds.clarify <= 0.8


def test_tuning_without_a_single_hit_is_refused():
    with pytest.raises(ValueError):
        tune([Judged("e0", ())], "test")


def test_tuning_on_all_wrong_queries_still_gives_legal_thresholds():
    thresholds = tune([Judged("x", hits(0.5)), Judged("y", hits(0.9))], "test")
    assert thresholds.answer == 1


def test_thresholds_of_another_encoder_are_not_used():
    ours = Thresholds(0.9, 0.1, 0.02, "queries.csv")
    settings = as_setting(ours, "aaaa")
    assert thresholds_of(settings, "aaaa") == ours
    assert thresholds_of(settings, "bbbb") == UNKNOWN_ENCODER
    assert thresholds_of({}, "bbbb").calibrated_on == ""
