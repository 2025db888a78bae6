from types import SimpleNamespace

from indexer.confusions import Confusion, category_of, category_table, confusions
from indexer.records import Entry

ENTRIES = {
    key: Entry(key=key, question=key, answer="A", category=category)
    for key, category in (("a", "退货"), ("b", "退货"), ("c", "发票"), ("d", ""))
}


def case(query, expected, shown):
    return SimpleNamespace(query=SimpleNamespace(query=query), expected=expected, shown=shown)


CASES = [
    case("一", "a", "a"),
    case("二", "a", "c"),
    case("三", "c", "d"),
    case("四", "a", "c"),
    case("五", "", "b"),
    case("六", "a", ""),
    case("七", "", ""),
]


def test_pairs_are_counted_most_frequent_first():
    assert confusions(CASES) == [
        Confusion("a", "c", 2, "二"),
        Confusion("c", "d", 1, "三"),
        Confusion("", "b", 1, "五"),
    ]


def test_categories_are_counted_with_what_is_out_of_scope_and_refused():
    assert [category_of(one, ENTRIES) for one in CASES[:3]] == ["退货", "退货", "发票"]
    table = category_table(CASES, ENTRIES, at_most=10)
    assert table.rows == ("退货", "发票", "(未分类)", "(库外)")
    assert table.columns == ("退货", "发票", "(未分类)", "(拒答)")
    assert table.counts == ((1, 2, 0, 1), (0, 0, 1, 0), (0, 0, 0, 0), (1, 0, 0, 1))


def test_rare_categories_are_taken_together():
    table = category_table(CASES, ENTRIES, at_most=1)
    assert table.rows == ("退货", "(其他)", "(库外)")
    assert table.columns == ("退货", "(其他)", "(拒答)")
    assert table.counts == ((1, 2, 1), (0, 1, 0), (1, 0, 1))
    assert sum(map(sum, table.counts)) == len(CASES)
