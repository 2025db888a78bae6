import json
from dataclasses import dataclass

import pytest
from scipy.stats import binomtest

from indexer.comparison import PastCase, PastRun, compare, read_past_run, sign_test
from indexer.errors import TableError
from indexer.evaluate import LabelledQuery

SETUP = {"库的版本": "1", "编码器": "e", "阈值": "直接回答 ≥ 0.5"}


@dataclass
class Now:
    """What the comparison looks at in a case of this run."""

    query: LabelledQuery
    expected: str
    rank: int
    decided: str
    right: bool


def before(query, expected, right):
    return PastCase(query, expected, int(right), "answer", right, expected)


def now(query, expected, right):
    return Now(LabelledQuery(query, expected, "", ""), expected, int(right), "answer", right)


@pytest.mark.parametrize(
    ("fixed", "broken", "p"),
    [
        (8, 2, 2 * (1 + 10 + 45) / 1024),
        (2, 8, 2 * (1 + 10 + 45) / 1024),
        (5, 0, 2 / 32),
        (3, 3, 1.0),
        (0, 0, 1.0),
    ],
)
def test_the_sign_test_gives_the_values_counted_by_hand(fixed, broken, p):
    assert sign_test(fixed, broken) == pytest.approx(p)


@pytest.mark.parametrize("counts", [(37, 20), (1000, 900), (6000, 5000)])
def test_the_sign_test_agrees_with_scipy(counts):
    assert sign_test(*counts) == pytest.approx(binomtest(counts[0], sum(counts)).pvalue)


def test_queries_are_told_apart_by_what_became_of_them():
    past = PastRun(
        "old.json",
        SETUP | {"编码器": "older"},
        (
            before("修好", "a", False),
            before("弄坏", "b", True),
            before("仍对", "c", True),
            before("没了", "d", True),
            before("改了标注", "e", True),
        ),
    )
    cases = [
        now("修好", "a", True),
        now("弄坏", "b", False),
        now("仍对", "c", True),
        now("改了标注", "f", True),
        now("新的", "", True),
    ]
    found = compare(past, SETUP, cases)
    assert [change.after.query.query for change in found.fixed] == ["修好"]
    assert [change.before.query for change in found.broken] == ["弄坏"]
    assert [change.before.query for change in found.unchanged] == ["仍对"]
    assert [case.query for case in found.only_before] == ["没了", "改了标注"]
    assert [case.query.query for case in found.only_after] == ["改了标注", "新的"]
    assert found.p_value == 1
    assert found.setup_changes == ("编码器: older → e",)
    accuracy = next(d for d in found.differences if d.measure.name == "accuracy")
    # Over the three that both runs have, not over the five of each.
    assert (accuracy.before, accuracy.after) == (2 / 3, 2 / 3)


def test_a_query_given_twice_is_matched_in_order():
    past = PastRun("old.json", SETUP, (before("重复", "a", True), before("重复", "a", False)))
    cases = [now("重复", "a", True), now("重复", "a", True), now("重复", "a", True)]
    found = compare(past, SETUP, cases)
    assert (len(found.unchanged), len(found.fixed), len(found.only_after)) == (1, 1, 1)


CASE = {
    **{"query": "退货", "entry_id": "a", "kind": "", "rank": 1, "decision": "answer"},
    **{"right": True, "hits": [["a", 0.9]]},
}
REPORT = {"revision": 1, "encoder": "e", "thresholds": {"answer": 0.5}, "cases": [CASE]}


def test_what_a_run_wrote_is_read(tmp_path):
    path = tmp_path / "old.json"
    path.write_text(json.dumps(REPORT), encoding="utf-8")
    found = read_past_run(path)
    assert found == PastRun(
        "old.json", SETUP, (PastCase("退货", "a", 1, "answer", True, shown="a"),)
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[1, 2]",
        "3",
        "{}",
        json.dumps({"cases": [CASE]}),
        json.dumps(REPORT | {"thresholds": 3}),
        json.dumps(REPORT | {"cases": [3]}),
        json.dumps(REPORT | {"cases": {"a": 1}}),
        json.dumps(REPORT | {"cases": [CASE | {"rank": "1"}]}),
        json.dumps(REPORT | {"cases": [CASE | {"decision": "guess"}]}),
        json.dumps(REPORT | {"cases": [CASE | {"hits": [3]}]}),
        json.dumps(REPORT | {"cases": [CASE | {"query": "\ud800"}]}),
        "[" * 100_000,
        "query,entry_id\n退货,a\n",
    ],
)
def test_a_file_that_is_no_run_is_refused_with_the_remedy(tmp_path, text):
    path = tmp_path / "old.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=r"old\.json.*怎么办.*--json"):
        read_past_run(path)


def test_a_file_that_is_not_there_or_is_not_text_is_refused(tmp_path):
    (tmp_path / "x.json").write_bytes(b"\xff\xfe\x00\x80")
    for name in ("none.json", "x.json", "."):
        with pytest.raises(TableError, match="怎么办"):
            read_past_run(tmp_path / name)
