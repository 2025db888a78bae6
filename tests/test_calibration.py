import json
from dataclasses import replace

import numpy as np
import pytest

from indexer.calibration import (
    EVIDENCE,
    FEWEST,
    Calibration,
    Goal,
    Judged,
    as_json,
    choose,
    default_for,
    evidence_of,
    fit,
    from_json,
    refusing,
    untrained,
)
from indexer.records import Entry, Hit, Signals


def entry(key, answer):
    return Entry(key=key, question=key, answer=answer)


def hits(*scores):
    return tuple(Hit(f"e{i}", i, f"问{i}", score) for i, score in enumerate(scores))


def judged(generator, count=200):
    """Queries whose best entry is right the likelier, the more it leads and the nearer it is."""
    cases = []
    for _ in range(count):
        lead, near = generator.uniform(0, 0.2), generator.uniform(0.2, 0.9)
        inside = generator.random() < 1 / (1 + np.exp(-12 * (near - 0.5)))
        right = inside and generator.random() < 1 / (1 + np.exp(-40 * (lead - 0.08)))
        evidence = (lead, lead, np.log(10), *7 * [near])
        expected = "e0" if right else "e1" if inside else ""
        cases.append(Judged(expected, hits(near, near - lead), evidence))
    return cases


def test_leads_are_over_entries_that_would_be_answered_otherwise():
    entries = {"e0": entry("e0", "A"), "e1": entry("e1", "A"), "e2": entry("e2", "B")}
    found = evidence_of("怎么退货", hits(0.8, 0.79, 0.5), entries, 0.75)
    assert found[EVIDENCE.index("covered")] == 0.75
    assert found[EVIDENCE.index("lead")] == pytest.approx(0.3)
    assert found[EVIDENCE.index("lead_over_third")] == pytest.approx(0.45)  # none: a usual one
    assert found[EVIDENCE.index("log_length")] == pytest.approx(np.log(4))


def test_a_fit_finds_what_makes_a_match_right():
    cases = judged(np.random.default_rng(1), 600)
    found = fit(cases, Goal(), untrained(), "test", "abc")
    sure = [found.judge(case.evidence, case.hits)[1][0] for case in cases]
    right = np.array([case.right for case in cases])
    # Calibrated: of what is called 70 … 90 % sure, about 80 % is right.
    for low, high in ((0.0, 0.2), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9)):
        inside = [low <= value < high for value in sure]
        assert np.mean(right[inside]) == pytest.approx((low + high) / 2, abs=0.15)
    assert found.source == "test" and found.queries == 600 and found.encoder == "abc"


def test_thresholds_reach_the_goal_on_other_queries():
    goal = Goal(precision=0.9, refusal=0.8)
    found = fit(judged(np.random.default_rng(1), 1000), goal, untrained(), "test", "abc")
    others = judged(np.random.default_rng(2), 2000)
    outcomes = [(case, *found.judge(case.evidence, case.hits)) for case in others]
    answered = [case for case, _, sure in outcomes if sure[0] >= found.thresholds.answer]
    outside = [(scope, sure[0]) for case, scope, sure in outcomes if not case.entry_id]
    refused = [
        scope < found.thresholds.clarify and sure < found.thresholds.answer
        for scope, sure in outside
    ]
    assert np.mean([case.right for case in answered]) == pytest.approx(0.9, abs=0.04)
    assert len(answered) > 200
    assert np.mean(refused) == pytest.approx(0.8, abs=0.06)


def test_few_queries_hardly_move_the_coefficients():
    lead = 1 + EVIDENCE.index("lead")
    prior = replace(untrained(), right=(-3.0, 60.0, *(len(EVIDENCE) - 1) * [0.0]))
    few, many = judged(np.random.default_rng(3), FEWEST), judged(np.random.default_rng(3), 3000)
    alone = fit(many, Goal(), untrained(), "many", "abc").right[lead]
    drawn = [fit(cases, Goal(), prior, "test", "abc").right[lead] for cases in (few, many)]
    assert abs(drawn[0] - 60) < abs(drawn[1] - 60) < abs(alone - 60)


def test_too_few_queries_are_refused():
    with pytest.raises(ValueError, match=str(FEWEST)):
        fit(judged(np.random.default_rng(1), FEWEST - 1), Goal(), untrained(), "test", "abc")


@pytest.mark.parametrize("label", ["", "elsewhere"])
def test_all_out_of_scope_or_all_wrong_still_gives_legal_thresholds(label):
    cases = [replace(case, entry_id=label) for case in judged(np.random.default_rng(1), 50)]
    found = fit(cases, Goal(), untrained(), "test", "abc")
    assert found.thresholds.answer == 1.0  # nothing is precise enough
    assert 0 <= found.thresholds.clarify <= 1
    assert np.isfinite([*found.right, *found.in_scope]).all()


def test_thresholds_by_hand():
    sure = np.array([0.9, 0.8, 0.8, 0.7, 0.2, 0.1])
    right = np.array([True, True, False, True, False, False])
    inside = np.array([True, True, True, True, False, False])
    scope = np.array([0.9, 0.9, 0.9, 0.8, 0.4, 0.3])
    # The two at 0.8 stand or fall together: half right, so 2 of 3 at that threshold.
    found, reached = choose(sure, scope, right, inside, Goal(precision=0.75, refusal=0.5))
    assert found.answer == 0.7
    assert found.clarify == pytest.approx(0.3001)
    assert reached == (0.75, 0.5)
    strict, reached = choose(sure, scope, right, inside, Goal(precision=1.0, refusal=1.0))
    assert strict.answer == 0.9
    assert reached == (1.0, 1.0)


def test_refusing_takes_the_lowest_threshold_that_is_enough():
    scope = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
    assert sum(x < refusing(scope, 0.9) for x in scope) == 9
    assert sum(x < refusing(scope, 0.5) for x in scope) == 5
    assert sum(x < refusing(scope, 1.0) for x in scope) == 10
    assert refusing(scope, 0.0) == refusing([], 0.9) == 0.0


def test_an_exact_match_is_sure_and_the_rest_share_what_is_left():
    calibration = default_for("another")
    exact = (Hit("e0", 0, "问", 1.0, Signals(), exact=True), *hits(0.5))
    assert calibration.judge((0.5,) * len(EVIDENCE), exact) == (1.0, (1.0, 0.0))
    scope, sure = calibration.judge((0.05, 0.1, 2.3, 0.8, *6 * [0.6]), hits(0.6, 0.55, 0.5))
    assert list(sure) == sorted(sure, reverse=True)
    assert sum(sure) <= scope + 1e-9


def test_a_calibration_comes_back_as_it_was_stored_and_only_for_its_encoder():
    found = fit(judged(np.random.default_rng(1)), Goal(0.9, 0.7), untrained(), "q.csv", "abc")
    settings = {"calibration": json.loads(json.dumps(as_json(found)))}
    assert Calibration.of(settings, "abc") == from_json(settings["calibration"]) == found
    assert Calibration.of(settings, "xyz").source == ""
    assert Calibration.of({"calibration": None}, "abc") == default_for("abc")
    older = {"calibration": settings["calibration"] | {"evidence": ["lead"]}}
    assert Calibration.of(older, "abc") == default_for("abc")


def test_an_encoder_nobody_has_measured_asks_back_more_than_it_answers(encoder):
    ours, other = default_for(encoder.fingerprint), default_for("another")
    assert other.thresholds.answer > ours.thresholds.answer
    assert other.thresholds.clarify < ours.thresholds.clarify


@pytest.mark.parametrize("wrong", [{"precision": 1.1}, {"refusal": -0.1}])
def test_a_goal_is_two_shares(wrong):
    with pytest.raises(ValueError):
        Goal(**wrong)


def test_coefficients_that_do_not_fit_the_evidence_are_refused():
    with pytest.raises(ValueError):
        replace(untrained(), right=(0.0,))
