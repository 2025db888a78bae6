import pytest

from indexer.calibration import Thresholds
from indexer.decision import MARGIN, OPTIONS, band, decide
from indexer.records import Hit, SearchResult


def result(*hits, in_scope=0.5, lead=0.1, covered=0.5):
    """A result of hits given as (score, confidence)."""
    found = tuple(
        Hit(f"e{i}", i, f"问题{i}", score, confidence=sure, exact=score == 1)
        for i, (score, sure) in enumerate(hits)
    )
    return SearchResult("查询", found, 1, in_scope, (lead, lead, 0.7, covered))


@pytest.mark.parametrize(
    ("found", "kind", "shown", "reason"),
    [
        (result((1.0, 1.0), (0.5, 0.0)), "answer", 2, "exact"),
        (result((0.6, 0.8), (0.5, 0.1)), "answer", 2, "score"),  # equal to the threshold counts
        (result((0.6, 0.79), (0.5, 0.1), (0.1, 0.0)), "clarify", 2, "between"),  # 0.1: far behind
        (result(*9 * [(0.6, 0.1)]), "clarify", OPTIONS, "between"),
        (result((0.6, 0.3), in_scope=0.49), "reject", 0, "low_score"),
        (result(), "reject", 0, "no_hits"),
    ],
)
def test_two_thresholds_make_three_decisions(found, kind, shown, reason):
    decision = decide(found, Thresholds(answer=0.8, clarify=0.5))
    assert (decision.kind, len(decision.hits), decision.reason) == (kind, shown, reason)


def test_an_entry_that_hardly_leads_is_not_answered_unasked():
    sure = ((0.7, 0.9), (0.69, 0.05))
    near, clear = (
        decide(result(*sure, lead=lead), Thresholds(0.8, 0.5)) for lead in (MARGIN / 2, MARGIN)
    )
    assert (near.kind, near.reason) == ("clarify", "near_equal")
    assert clear.kind == "answer"
    # Two entries that have the very same question: which one is meant?
    twins = decide(result((1.0, 1.0), (1.0, 1.0), lead=0.0), Thresholds(0.8, 0.5))
    assert (twins.kind, twins.reason) == ("clarify", "near_equal")


@pytest.mark.parametrize("rule", ["objection", "contradiction"])
def test_what_speaks_against_a_sure_match_makes_it_a_question_back(rule):
    hit = Hit("e0", 0, "能退吗", 0.8, confidence=0.99, **{rule: "不能"})
    found = SearchResult("不能退吗", (hit,), 1, 0.99, (0.8, 0.8, 1.4, 0.5))
    decision = decide(found, Thresholds(0.8, 0.5))
    assert (decision.kind, decision.hits) == ("clarify", (hit,))
    assert decision.reason == {"objection": "objection", "contradiction": "negation"}[rule]


def test_a_word_that_an_entry_has_is_asked_back_rather_than_refused():
    word = {"in_scope": 0.3, "covered": 1.0}
    decision = decide(result((0.5, 0.2), (0.45, 0.1), **word), Thresholds(0.8, 0.5))
    assert (decision.kind, decision.reason, len(decision.hits)) == ("clarify", "covered", 2)
    for unlike in ({"covered": 0.98}, {"in_scope": 0.24}):
        refused = decide(result((0.5, 0.2), **word | unlike), Thresholds(0.8, 0.5))
        assert refused.kind == "reject"


def test_0_and_1_are_thresholds_like_any_other():
    unsure = result((0.1, 0.0), in_scope=0.0)
    assert decide(unsure, Thresholds(0.0, 0.0)).kind == "answer"
    assert decide(unsure, Thresholds(1.0, 0.0)).reason == "between"
    assert decide(result((0.9, 0.999), in_scope=0.999), Thresholds(1.0, 1.0)).kind == "reject"
    assert decide(result((1.0, 1.0), in_scope=1.0), Thresholds(1.0, 1.0)).kind == "answer"


@pytest.mark.parametrize(("answer", "clarify"), [(1.1, 0.5), (0.5, -0.1), (float("nan"), 0.5)])
def test_senseless_thresholds_are_refused(answer, clarify):
    with pytest.raises(ValueError):
        Thresholds(answer, clarify)


def test_confidence_is_read_in_three_bands():
    assert [band(x) for x in (1.0, 0.9, 0.89, 0.6, 0.59, 0.0)] == list("高高中中低低")
