"""Does what is exported come back unchanged, and open in Excel without running anything?"""

from dataclasses import fields

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distill.spreadsheet import guard, unguard
from distill.text import normalise
from indexer.errors import TableError
from indexer.records import Entry, FaqRow
from indexer.table_cells import clean_line, clean_text, join_list, split_list
from indexer.table_columns import HEADER
from indexer.table_export import write_table
from indexer.table_import import read_table

# What breaks formats: quotes, line ends, formulas, guards, separators, escapes, emoji, padding.
PIECES = st.sampled_from(
    ['"', "\n", "\r\n", "\t", "'", "=", "+", "-", "@", ",", "，", ";", "；", "##", "|", "｜", "、",
     "[", "]", "\\", "1. ", "Q:", "&nbsp;", "_x0041_", "_x005F_", "\x0b", "😀", "👨‍👩‍👧", "é", "頁",
     "\u200b", "\u3000", "sep=", "#N/A", "是", "花呗"]
)  # fmt: skip
TEXT = st.lists(PIECES | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
                min_size=1, max_size=6).map("".join)  # fmt: skip
# An Excel error value refuses its row, so no entry consists of one.
LINE = TEXT.map(clean_line).filter(lambda text: text not in ("", "#N/A"))
BODY = TEXT.map(clean_text).filter(lambda text: text not in ("", "#N/A"))


@st.composite
def entries(draw) -> list[Entry]:
    """Entries as the importer makes them: clean, and each wording with one owner."""
    wordings = LINE.filter(normalise)
    texts = draw(st.lists(wordings, min_size=1, max_size=8, unique_by=normalise))
    names = draw(
        st.lists(st.sampled_from(["备注", "Url", "=cmd", "'x", "序号", "列 1"]), unique=True)
    )
    made = []
    while texts:
        size = draw(st.integers(1, 3))
        question, *variants = texts[:size]
        del texts[:size]
        made.append(
            Entry(
                key=f"k{len(made)}",
                question=question,
                variants=tuple(variants),
                negatives=tuple(draw(st.lists(wordings, max_size=2, unique_by=normalise))),
                answer=draw(BODY),
                category=draw(st.just("") | wordings),
                tags=tuple(draw(st.lists(LINE, max_size=3, unique=True))),
                enabled=draw(st.booleans()),
                valid_from=draw(st.sampled_from(["", "2026-01-31"])),
                valid_to=draw(st.sampled_from(["", "2026-12-31"])),
                related=tuple(draw(st.lists(LINE, max_size=2, unique=True))),
                extra=draw(st.dictionaries(st.sampled_from(names), BODY)) if names else {},
            )
        )
    return made


def as_entry(row: FaqRow) -> Entry:
    return Entry(**{field.name: getattr(row, field.name) for field in fields(Entry)})


def simple(**changes) -> Entry:
    return Entry(**{"key": "k", "question": "问", "answer": "答"} | changes)


@pytest.mark.parametrize("kind", [".csv", ".xlsx"])
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=entries())
def test_a_round_trip_changes_nothing(tmp_path, kind, made):
    path = tmp_path / f"faq{kind}"
    assert write_table(path, made) == len(made)
    back = read_table(path)
    assert back.failures == ()
    assert [as_entry(row) for row in back.rows] == made


@settings(deadline=None)
@given(st.lists(LINE, max_size=4), st.sampled_from(["questions", "tags"]))
def test_every_list_is_read_back_as_it_was_written(items, separators):
    assert split_list(join_list(items, separators), separators) == tuple(items)


@given(TEXT)
def test_the_formula_guard_comes_off_exactly_once(text):
    assert unguard(guard(text)) == text
    assert not guard(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_lists_are_written_for_people_unless_that_is_ambiguous():
    assert join_list(["一", "二"]) == "一\n二"
    assert join_list(["一；二"]) == '["一；二"]'


def test_a_csv_is_what_excel_on_windows_opens_rightly(tmp_path):
    path = tmp_path / "faq.csv"
    write_table(path, [simple(answer="=1+1\n行")])
    data = path.read_bytes()
    assert data.startswith(b'\xef\xbb\xbf"id","category"')
    assert data.endswith(b"\r\n")
    assert '"\'=1+1\n行"'.encode() in data


def test_an_xlsx_holds_text_cells_only(tmp_path):
    path = tmp_path / "faq.xlsx"
    write_table(path, [simple(key="00123", answer="=1+1", extra={"备注": "@x"})])
    header, row = openpyxl.load_workbook(path).active.iter_rows()
    assert [cell.value for cell in header] == [*HEADER, "备注"]
    assert {cell.data_type for cell in row if cell.value is not None} == {"s"}
    assert {cell.number_format for cell in row if cell.value is not None} == {"@"}
    assert (row[0].value, row[5].value) == ("00123", "=1+1")


def test_extra_columns_follow_in_the_order_they_first_occur(tmp_path):
    path = tmp_path / "faq.csv"
    write_table(
        path, [simple(extra={"乙": "1"}), simple(key="l", question="另", extra={"甲": "2"})]
    )
    back = read_table(path)
    assert back.header == (*HEADER, "乙", "甲")
    assert [dict(row.extra) for row in back.rows] == [{"乙": "1"}, {"甲": "2"}]


def test_a_failed_export_leaves_the_old_file_and_no_draft(tmp_path):
    path = tmp_path / "faq.xlsx"
    write_table(path, [simple()])
    before = path.read_bytes()
    with pytest.raises(TableError, match=r"怎么办: 导出为 \.csv"):
        write_table(path, [simple(answer="长" * 32_768)])  # openpyxl would cut it without a word
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["faq.xlsx"]


@pytest.mark.parametrize("name", ["faq.txt", "none/faq.csv"])
def test_an_impossible_target_says_what_to_do(tmp_path, name):
    with pytest.raises(TableError, match="怎么办"):
        write_table(tmp_path / name, [simple()])
