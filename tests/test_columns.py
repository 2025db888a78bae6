import pytest

from indexer.columns import one_line, table, width


def test_columns_line_up_where_characters_are_two_wide():
    lines = list(table(("词", "IDF"), [("优惠券", "8.98"), ("plus", "10")], numbers=(1,)))
    assert lines == ["词       IDF", "优惠券  8.98", "plus      10"]
    assert {width(line) for line in lines} == {12}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("怎么退货", "怎么退货"),
        ("怎么退货呢", "怎么退…"),
        ("abcdefghi", "abcdefg…"),
        ("甲\n乙\x1b[31m", "甲 乙 […"),
        ("", ""),
    ],
)
def test_a_text_is_cut_by_columns_and_steers_no_terminal(text, wanted):
    cut = one_line(text, 8)
    assert cut == wanted
    assert width(cut) <= 8
