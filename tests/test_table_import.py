"""Does any FAQ file that people really have become the right rows, or a message that helps?"""

import contextlib
import csv
import io
import json
import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from indexer.build import plan_import
from indexer.errors import TableError
from indexer.publication import Snapshot
from indexer.records import Entry
from indexer.table_cells import CellError, read_date, read_switch, split_list
from indexer.table_columns import read_header
from indexer.table_file import _split, read_rows
from indexer.table_import import FailedRow, ImportedTable, read_table, write_failures

SIMPLE = "问题,答案\n花呗怎么还款,打开支付宝点还款\n什么是借呗,一种信用贷款\n"
TRADITIONAL = "問題,答案\n花唄怎麼還款,打開支付寶點還款\n什麼是借唄,一種信用貸款服務\n"


def table(tmp_path: Path, text: str | bytes, name: str = "faq.csv", **options) -> ImportedTable:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(path, **options)


def workbook(tmp_path: Path, *rows, change=lambda book, sheet: None) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    change(book, book.active)
    path = tmp_path / "faq.xlsx"
    book.save(path)
    return path


def error(tmp_path: Path, text: str | bytes, name: str = "faq.csv", **options) -> str:
    with pytest.raises(TableError) as caught:
        table(tmp_path, text, name, **options)
    message = str(caught.value)
    assert name in message
    assert "怎么办: " in message
    return message


# --- encodings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "found"),
    [
        pytest.param(SIMPLE.encode(), "utf-8", id="an editor"),
        pytest.param(SIMPLE.encode("utf-8-sig"), "utf-8-sig", id="Excel, CSV UTF-8"),
        pytest.param(SIMPLE.encode("gb18030"), "gb18030", id="Chinese Excel, CSV 逗号分隔"),
        pytest.param(SIMPLE.encode("utf-16"), "utf-16", id="UTF-16 LE with BOM"),
        pytest.param(b"\xfe\xff" + SIMPLE.encode("utf-16-be"), "utf-16", id="UTF-16 BE with BOM"),
    ],
)
def test_the_encoding_is_found_without_being_told(tmp_path, data, found):
    result = table(tmp_path, data)
    assert result.encoding == found
    assert [row.question for row in result.rows] == ["花呗怎么还款", "什么是借呗"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TRADITIONAL, id="Chinese header"),
        pytest.param(TRADITIONAL.replace("問題,答案", "question,answer"), id="English header"),
        pytest.param(TRADITIONAL.split("\n", 1)[1], id="no header"),
    ],
)
def test_big5_is_not_taken_for_gb18030(tmp_path, text):
    data = text.encode("big5")
    data.decode("gb18030")  # the trap: this does not fail
    result = table(tmp_path, data)
    assert result.encoding == "big5"
    assert result.rows[0].question == "花唄怎麼還款"
    assert any("Big5" in note for note in result.notes)


def test_a_gb18030_file_without_a_known_header_is_recognised_by_its_characters(tmp_path):
    result = table(tmp_path, SIMPLE.split("\n", 1)[1].encode("gbk"))
    assert result.encoding == "gb18030"
    assert len(result.rows) == 2


def test_the_encoding_can_be_forced(tmp_path):
    assert table(tmp_path, SIMPLE.encode("utf-16-le"), encoding="UTF-16-LE").rows
    assert "gb18030" in error(tmp_path, SIMPLE, encoding="utf-9")  # offers names that exist


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # A few broken bytes in UTF-8: as GB18030 all of it would be garbage.
        (SIMPLE.encode() + "怎么,答".encode()[:-1], ":4: 第 100 字节起不是 utf-8"),
        ("问题,答案\ncaf".encode("latin-1", "ignore") + b"\xe9,\xff\n", ":2: "),
        (b"question,answer\na\0b,c\n", ":2: 含有 NUL"),
        (SIMPLE.encode("utf-16-le"), "--encoding utf-16-le"),
        (b"\xef\xbb\xbfquestion,answer\n\xff,x\n", ":2: "),
    ],
    ids=["truncated UTF-8", "Latin-1", "NUL", "UTF-16 without BOM", "BOM and broken bytes"],
)
def test_undecodable_bytes_name_the_place_and_the_option(tmp_path, data, expected):
    message = error(tmp_path, data)
    assert expected in message
    assert "--encoding" in message


def test_text_that_was_already_damaged_is_mentioned(tmp_path):
    assert any("已经损坏" in n for n in table(tmp_path, SIMPLE + "坏\ufffd了,答\n").notes)


# --- delimiters, quotes, lines -------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("q\ta\n还款,什么时候\t今天,或者明天\n", id="tab, although named .csv"),
        pytest.param("问题;答案\n还款,什么时候;今天,或者明天\n", id="semicolon"),
        pytest.param("问题|答案\n还款,什么时候|今天,或者明天\n", id="bar"),
        pytest.param("问题，答案\n还款,什么时候，今天,或者明天\n", id="full-width comma"),
        pytest.param('问题,答案\n"还款,什么时候","今天,或者明天"\n', id="quoted"),
        pytest.param("sep=;\n问题;答案\n还款,什么时候;今天,或者明天\n", id="sep= line"),
        pytest.param("问题;答案\r还款,什么时候;今天,或者明天\r", id="old Mac line ends"),
        pytest.param("还款,什么时候\t今天,或者明天\n额度\t三,四,五\n", id="tab without header"),
    ],
)
def test_the_delimiter_is_found(tmp_path, text):
    row = table(tmp_path, text).rows[0]
    assert (row.question, row.answer) == ("还款,什么时候", "今天,或者明天")


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    text = 'sep=,\r\n问题,答案\r\n\r\n一,"第一行\r\n第二行"\r\n二,答\r\n'
    result = table(tmp_path, text)
    assert [(row.line, row.answer) for row in result.rows] == [(4, "第一行\n第二行"), (6, "答")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('问题,答案\n一,"没有结尾\n二,答\n', 2),
        ('问题,答案\n"一\n二","没有结尾\n三,"答"\n', 3),  # not swallowed up to the next quote
        ('问题,答案\n一,"只差最后一个', 2),
    ],
)
def test_an_unclosed_quote_names_the_line_where_it_opened(tmp_path, text, line):
    assert f":{line}: 引号没有配对" in error(tmp_path, text)


def test_quotes_inside_a_cell_stay(tmp_path):
    rows = table(tmp_path, '问题,答案\n"花呗"是什么,5" 屏幕\n"说""好""",答\n').rows
    assert [row.question for row in rows] == ['"花呗"是什么', '说"好"']
    assert rows[0].answer == '5" 屏幕'


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_cell_of_more_than_a_megabyte_names_its_line(tmp_path, quote):
    big = quote + "大" * ((1 << 20) + 1) + quote
    assert ":3: " in error(tmp_path, f"问题,答案\n一,答\n二,{big}\n")


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(CELL, min_size=2, max_size=3), min_size=1, max_size=4),
    st.sampled_from(",\t;"),
)
def test_splitting_agrees_with_the_csv_module_on_what_that_writes(rows, delimiter):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)
    found = [list(r.cells) for r in _split(Path("x"), out.getvalue(), delimiter, 0, 1)]
    assert found == [*rows, [""]]  # what follows the last line end is an empty line


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("faq.csv", b"", "文件是空的"),
        ("faq.csv", b"\r\n ,\r\n", "文件是空的"),
        ("faq.csv", "问题,答案\n", "只有表头"),  # in replace mode this would switch all off
        ("faq.csv", "问题,处理办法\n一,二\n", "没有找到答案列"),
        ("faq.csv", "客户说,答案\n一,二\n", "没有找到问题列"),
        ("faq.csv", "甲,乙,丙\n一,二,三\n", "没有找到表头"),
        ("faq.csv", "怎么还款\n怎么借款\n", "没有找到表头"),
        ("faq.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "另存为 .xlsx"),
        ("faq.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "其实是旧版 .xls"),
        (
            "faq.xlsx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "文件有密码",
        ),
        ("faq.xlsx", b"PK\x03\x04 torn", "文件已损坏"),
        ("faq.csv", b"PK\x03\x04", "扩展名改成 .xlsx"),
        ("faq.pdf", b"%PDF", "不认识的文件类型"),
    ],
)
def test_a_file_that_cannot_be_read_says_what_to_do(tmp_path, name, data, expected):
    assert expected in error(tmp_path, data, name)


def test_a_missing_file_and_a_folder_say_so(tmp_path):
    with pytest.raises(TableError, match="没有这个文件"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(TableError, match="无法读取"):
        read_table(tmp_path)


def test_raw_rows_serve_other_tables_too(tmp_path):
    path = tmp_path / "queries.csv"
    path.write_text("query,entry_id\n还款；怎么还,q1\n借款,\n", encoding="gb18030")
    raw = read_rows(path)
    assert raw.header == ("query", "entry_id")
    assert [(row.line, row.cells) for row in raw.rows] == [
        (2, ("还款；怎么还", "q1")),
        (3, ("借款", "")),
    ]


# --- templates -----------------------------------------------------------------------------------

AZURE = (
    "Question\tAnswer\tSource\tMetadata\tSuggestedQuestions\tIsContextOnly\tPrompts\tQnaId\t"
    "SourceDisplayName\n"
    '问\t答\t手册\tk:v|k2:v2\t[]\tFalse\t"[{""displayOrder"":0,""displayText"":""还有""}]"\t7\t手册\n'
    '另问\t答\t手册\tk:v|k2:v2\t"[{""clusterHead"":""又问"",""alternateQuestionList"":'
    '[{""question"":""再问""}]}]"\tFalse\t[]\t7\t手册\n'
)
WEKNORA = (
    "标签(必填)\t问题(必填)\t相似问题(选填-多个用##分隔)\t反例问题(选填-多个用##分隔)\t"
    "机器人回答(必填-多个用##分隔)\t是否全部回复(选填-默认FALSE)\t是否停用(选填-默认FALSE)\n"
    "账户\t问\t另问##又问\t不是##也不是\t答一##答二\tFALSE\tTRUE\n"
)
TEMPLATES = [
    pytest.param(
        AZURE,
        {
            "key": "7", "variants": ("另问", "又问", "再问"), "tags": ("k:v", "k2:v2"),
            "related": ("还有",),
            "extra": {"Source": "手册", "IsContextOnly": "False", "SourceDisplayName": "手册"},
        },
        id="Azure: rows of one QnaId are alternates",
    ),
    pytest.param(
        "qid,question1,question2,question3,Answer,topic\nk.1,问,另问,又问,答,账户\n",
        {"key": "k.1", "variants": ("另问", "又问"), "category": "账户"},
        id="QnABot: numbered questions, the first is the standard one",
    ),
    pytest.param(
        WEKNORA,
        {
            "category": "账户", "variants": ("另问", "又问"), "negatives": ("不是", "也不是"),
            "answer": "答一\n\n答二", "enabled": False,
            "extra": {"是否全部回复(选填-默认FALSE)": "FALSE"},
        },
        id="WeKnora: tabs in a .csv, 标签 is the category",
    ),
    pytest.param(
        "Tag,Question,Similar Questions,Negative Questions,Bot Answers,Reply All,Disabled\n"
        "账户,问,另问##又问,,答,FALSE,FALSE\n",
        {"category": "账户", "variants": ("另问", "又问"), "extra": {"Reply All": "FALSE"}},
        id="WeKnora in English",
    ),
    pytest.param(
        "分段标题（选填）,分段内容（必填，问题答案）,问题（选填，单元格内一行一个）\n"
        '标题,答,"问\n另问\n又问"\n',
        {"variants": ("另问", "又问"), "extra": {"分段标题（选填）": "标题"}},
        id="MaxKB: a question a line",
    ),
    pytest.param(
        "分段標題（選填）,分段內容（必填，問題答案）,問題（選填，單元格內一行一個）\n问,答,\n",
        {},
        id="MaxKB, traditional: the title is the question where there is none",
    ),
    pytest.param(
        "Section title (optional), Section content (required，question answer), "
        "Question (optional，one per line in the cell)\n,答,问\n",
        {},
        id="MaxKB in English: blanks and full-width commas in the header",
    ),
    pytest.param(
        "q,a,indexes\n问,答,另问,又问\n",
        {"variants": ("另问", "又问")},
        id="FastGPT: indexes go on to the right of the header",
    ),
    pytest.param(
        "dataId,q,a,index1,index2\nd1,问,答,另问;整句,又问\n",
        {"key": "d1", "variants": ("另问;整句", "又问")},
        id="FastGPT, older: an index column is one question",
    ),
    pytest.param(
        "question,question1,question2,answer,category\n问,另问,又问,答,账户\n",
        {"variants": ("另问", "又问"), "category": "账户"},
        id="KooSearch",
    ),
    pytest.param(
        "问题类别,问题(标准问),扩展问,答案\n账户,问,另问|又问,答\n",
        {"category": "账户", "variants": ("另问", "又问")},
        id="Huawei CBS",
    ),
    pytest.param(
        '标准问法,类型,相似问法,答案\n问,常见,"另问\n又问",答\n',
        {"variants": ("另问", "又问"), "extra": {"类型": "常见"}},
        id="企点: a similar question a line",
    ),
    pytest.param(
        "标准问法,相似问法,否定关键词,答案类型,答案内容\n问,另问,不,文本,答\n",
        {"variants": ("另问",), "negatives": ("不",), "extra": {"答案类型": "文本"}},
        id="芝麻小客服",
    ),
    pytest.param(
        "CategoryId,Question,Answer,SimilarQuestions\n12,问,答,\"[\"\"另问\"\",\"\"又问\"\"]\"\n",
        {"category": "12", "variants": ("另问", "又问")},
        id="Tencent: JSON list",
    ),
    pytest.param(
        "question,answer,dirId,tags,suggestList\n问,答,9,\"甲,乙\",[]\n",
        {"category": "9", "tags": ("甲", "乙")},
        id="Baidu",
    ),
    pytest.param(
        "skillname,title,question,answer\n技能,标题,问,答\n",
        {"category": "技能", "extra": {"title": "标题"}},
        id="WeChat: title is not the question where there is one",
    ),
    pytest.param(" * 标准问 【必填】,答案*\n问,答\n", {}, id="marks around the names"),
    pytest.param("常见问题一览,\n\n问题,答案\n问,答\n", {}, id="a title above the header"),
    pytest.param("问\t答\n", {}, id="RAGFlow, Dialogflow: no header"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TEMPLATES)
def test_the_templates_of_other_tools_are_read(tmp_path, text, expected):
    result = table(tmp_path, text)
    assert not result.failures
    (row,) = result.rows
    assert (row.question, row.answer) == ("问", expected.get("answer", "答"))
    for name in ("key", "variants", "negatives", "category", "tags", "enabled", "related", "extra"):
        default = {"enabled": True, "key": "", "category": "", "extra": {}}.get(name, ())
        assert getattr(row, name) == expected.get(name, default), name


def test_what_was_guessed_is_said(tmp_path):
    assert any("问题 ← 「标准问」" in n for n in table(tmp_path, "标准问,答案\n问,答\n").notes)
    assert any("没有找到表头" in n for n in table(tmp_path, "问,答\n另问,答二\n").notes)
    assert any("第 2 行" in n for n in table(tmp_path, "一览,\n问题,答案\n问,答\n").notes)


@pytest.mark.parametrize(
    ("numbers", "keys"),
    [
        (("1", "2"), ["", ""]),  # only a count
        (("A7", "A9"), ["A7", "A9"]),
        (("3", "3"), ["", ""]),  # does not tell apart
    ],
)
def test_a_serial_number_is_an_id_only_if_it_identifies(tmp_path, numbers, keys):
    first, second = numbers
    result = table(tmp_path, f"序号,问题,答案\n{first},甲,一\n{second},乙,二\n")
    assert [row.key for row in result.rows] == keys
    if not keys[0]:
        assert result.rows[0].extra == {"序号": first}


def test_columns_with_equal_names_are_both_kept():
    columns = read_header(("问题", "答案", "备注", "备注", "答案"))
    assert dict(columns.extra) == {2: "备注", 3: "备注 (2)", 4: "答案"}


# --- cells ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        ('["一;二", "三"]', ("一;二", "三")),  # JSON before anything else
        ("[必看]怎么还|怎么借", ("[必看]怎么还", "怎么借")),  # no JSON after all
        ("一##二|三", ("一", "二|三")),  # only the first separator that occurs
        ("一\r\n二;三", ("一", "二;三")),
        ("一_x000D_\n二", ("一", "二")),
        ("一｜二", ("一", "二")),
        ("一；二;三", ("一", "二", "三")),
        ("买一,二、三/四 五", ("买一,二、三/四 五",)),  # commas and blanks belong to a question
        ("1. 一\n2、二\n3) 三", ("一", "二", "三")),  # numbered throughout
        ("1. 一\n二", ("1. 一", "二")),  # not throughout: part of the text
        ("1.5倍积分", ("1.5倍积分",)),  # a number, no numbering
        ("- 一\n- 二", ("一", "二")),
        ("Q：一\n问：二", ("一", "二")),
        (" ;; ", ()),
        ("[]", ()),
        ("[" * 5000 + "]" * 5000, ("[" * 5000 + "]" * 5000,)),  # too deep for the JSON parser
    ],
)
def test_a_cell_of_several_questions_is_split_by_the_first_separator(cell, items):
    assert split_list(cell) == items


@pytest.mark.parametrize(
    ("text", "inverse", "expected"),
    [
        ("是", False, True), ("否", False, False), ("TRUE", False, True), ("0", False, False),
        ("", False, None), ("是", True, False), ("FALSE", True, True),
        ("停用", True, False),  # in a column 停用, too, the word means what it says
        ("启用", True, True), ("已下线", False, False),
    ],
)  # fmt: skip
def test_switches_are_read_in_the_words_people_use(text, inverse, expected):
    assert read_switch(text, inverse=inverse) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-1-5", "2026-01-05"), ("2026/01/05 00:00:00", "2026-01-05"),
        ("2026年1月5日", "2026-01-05"), ("20260105", "2026-01-05"), ("长期", ""), ("", ""),
        ("2026-01-05T10:00:00Z", "2026-01-05"),
    ],
)  # fmt: skip
def test_dates_become_iso_days(text, expected):
    assert read_date(text) == expected


@pytest.mark.parametrize("text", ["明天", "2026-02-30", "45292", "1/2/26"])
def test_an_unreadable_date_is_refused_not_guessed(text):
    with pytest.raises(CellError):
        read_date(text)


def test_a_question_is_cleaned_but_stays_as_people_write_it(tmp_path):
    row = table(
        tmp_path, '问题,答案\n"\u200b花呗&nbsp;怎么\n还款？ \ufeff","  甲 \r\n\u3000乙  "\n'
    ).rows[0]
    assert row.question == "花呗 怎么 还款？"
    assert row.answer == "甲 \n\u3000乙"  # verbatim inside


def test_an_emoji_sequence_survives_the_removal_of_joiners(tmp_path):
    assert table(tmp_path, "问题,答案\n👨‍👩‍👧家庭\u200d卡,答\n").rows[0].question == "👨‍👩‍👧家庭卡"


def test_html_and_formulas_in_answers_are_left_alone(tmp_path):
    row = table(tmp_path, "问题,答案\n问,<b>=1+1</b> &amp;\n").rows[0]
    assert row.answer == "<b>=1+1</b> &amp;"


# --- rows that belong together, rows that fail ---------------------------------------------------


def test_rows_with_one_id_or_below_a_merged_question_join_the_entry_above(tmp_path):
    text = "编号,问题,相似问,答案\nA,问,一,答\nA,,二,\n,,三,答\nB,另,,答二\nA,又问,,答\n"
    result = table(tmp_path, text)
    assert [(r.line, r.variants) for r in result.rows] == [(2, ("一", "二", "三", "又问")), (5, ())]
    assert any("同一条目的几行, 已合并 (3 处): 第 3 行 → 第 2 行" in n for n in result.notes)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("问题,答案\n,答\n", 2, "没有问题"),
        ("问题,答案\n\u200b,答\n", 2, "没有问题"),  # nothing visible
        ("问题,答案\n一、账户类,\n", 2, "没有答案"),
        ("问题,相似问,答案\n,一,\n", 2, "没有问题"),  # nothing above to go on with
        ("问题,相似问,答案\n坏,,\n,一,\n", 3, "没有问题"),  # what is above was refused
        ("问题,相似问,答案\n问,,答\n,一,别的\n", 3, "没有问题"),  # other answer: no continuation
        ("问题,答案\n问,#N/A\n", 2, "#N/A"),
        ("问题,答案,启用\n问,答,也许\n", 2, "也许"),
        ("问题,答案,生效时间\n问,答,明天\n", 2, "明天"),
        ("问题,答案,生效时间,失效时间\n问,答,2026-02-01,2026-01-01\n", 2, "晚于"),
        ("问题,答案\n问,答,还有\n", 2, "3 列"),  # an unquoted comma: never cut an answer silently
        ("问题,答案\n问？,答\n问?,别的\n", 3, "问题与第 2 行相同, 答案却不同"),
        ("编号,问题,答案\nA,问,答\nA,另,别的\n", 3, "编号与第 2 行相同, 答案却不同"),
    ],
)
def test_a_row_that_cannot_be_taken_fails_alone_with_its_reason(tmp_path, text, line, reason):
    result = table(tmp_path, text + "好,好\n" if text.startswith("问题,答案\n") else text)
    failed = result.failures[-1]
    assert failed.line == line
    assert reason in failed.reason
    assert (
        failed.cells[: len(result.header)]
        == tuple(text.split("\n")[line - 1].split(","))[: len(result.header)]
    )


def test_a_wording_belongs_to_one_entry(tmp_path):
    text = (
        "问题,相似问,答案\n"
        "甲,甲？##乙##丙##丙,一\n"  # 乙 is a standard question below, 丙 stands twice
        "乙,丙##丁,二\n"
        "甲,戊,一\n"  # the same entry again
    )
    result = table(tmp_path, text)
    assert [r.variants for r in result.rows] == [("甲？", "丙", "戊"), ("丁",)]
    notes = "\n".join(result.notes)
    assert "第 2 行「乙」(见第 3 行); 第 3 行「丙」(见第 2 行)" in notes
    assert "重复的相似问, 已去掉 (1 处)" in notes
    assert "重复的行, 已合并 (1 处): 第 4 行 → 第 2 行" in notes


def test_many_remarks_of_one_kind_are_one_note(tmp_path):
    rows = "".join(f"问{i},问{i}##问{i},答\n" for i in range(50))
    result = table(tmp_path, "问题,相似问,答案\n" + rows)
    (note,) = (n for n in result.notes if "重复的相似问" in n)
    assert "(100 处)" in note
    assert len(note) < 120


def test_failed_rows_are_written_with_reasons_and_can_be_read_again_once_mended(tmp_path):
    result = table(tmp_path, "问题,答案,备注\n=一,,甲\n,'=二,\n三,答三,乙\n")
    out = tmp_path / "failed.csv"
    refused = result.refuse(4, "与库中的条目重复")
    assert refused == (FailedRow(4, "与库中的条目重复", ("三", "答三", "乙")),)
    write_failures(out, result, refused)
    assert out.read_bytes().startswith('\ufeff"错误原因","问题"'.encode())
    again = read_table(out)
    assert again.header == ("错误原因", "问题", "答案", "备注")
    assert [f.cells[1:] for f in again.failures] == [("=一", "", "甲"), ("", "=二", "")]
    (row,) = again.rows
    assert (row.question, row.extra) == ("三", {"备注": "乙"})  # the reason is no data
    write_failures(tmp_path / "twice.csv", again)
    assert read_table_header(tmp_path / "twice.csv") == ("错误原因", "问题", "答案", "备注")


def read_table_header(path: Path) -> tuple[str, ...]:
    return read_rows(path).header


def test_fewer_cells_than_headers_are_empty_cells(tmp_path):
    assert table(tmp_path, "问题,答案,标签,备注\n问,答\n").rows[0].tags == ()


# --- Excel ---------------------------------------------------------------------------------------


def test_numbers_dates_and_booleans_become_the_text_people_see(tmp_path):
    path = workbook(
        tmp_path,
        ["id", "问题", "答案", "启用", "生效时间", "失效时间", "备注"],
        [1.0, "问", 0.1 + 0.2, False, datetime(2026, 1, 5), date(2026, 2, 5), 10001],
    )
    (row,) = read_table(path).rows
    assert (row.key, row.answer, row.enabled) == ("1", "0.3", False)
    assert (row.valid_from, row.valid_to, row.extra) == (
        "2026-01-05",
        "2026-02-05",
        {"备注": "10001"},
    )


def test_escaped_control_characters_are_decoded(tmp_path):
    path = workbook(tmp_path, ["问题", "答案"], ["问", "甲_x000D_\n乙_x005F_x0041_"])
    assert read_table(path).rows[0].answer == "甲\n乙_x0041_"


def test_formulas_that_were_never_calculated_are_reported(tmp_path):
    path = workbook(tmp_path, ["问题", "答案"], ["问", '="答"&"案"'], ["另", "答"])
    result = read_table(path)
    assert [row.question for row in result.rows] == ["另"]
    assert any("公式没有计算结果" in note and "B2" in note for note in result.notes)


def test_error_cells_refuse_their_row(tmp_path):
    path = workbook(tmp_path, ["问题", "答案"], ["问", "#N/A"], ["另", "答"])
    assert ["#N/A" in f.reason for f in read_table(path).failures] == [True]


def test_formatting_dragged_far_down_and_right_costs_nothing_and_loses_nothing(tmp_path):
    def drag(book, sheet):
        for row in range(3, 400):
            sheet.cell(row, 16).number_format = "@"
        sheet.cell(1, 16000).number_format = "@"
        sheet.cell(1_000_000, 1).number_format = "@"

    result = read_table(workbook(tmp_path, ["问题", "答案"], ["问", "答"], change=drag))
    assert len(result.rows) == 1
    assert result.header == ("问题", "答案")
    assert not any("空行" in note for note in result.notes)


def test_rows_behind_a_hundred_empty_ones_are_not_dropped_in_silence(tmp_path):
    def far(book, sheet):
        sheet.cell(50, 1, "近"), sheet.cell(50, 2, "答")
        sheet.cell(300, 1, "远"), sheet.cell(300, 2, "答")

    result = read_table(workbook(tmp_path, ["问题", "答案"], ["问", "答"], change=far))
    assert [(row.line, row.question) for row in result.rows] == [(2, "问"), (50, "近")]
    assert any("第 300 行" in note for note in result.notes)


def test_merged_cells_hold_for_all_rows_they_cover(tmp_path):
    def merge(book, sheet):
        sheet.merge_cells("A2:A3")
        sheet.merge_cells("B4:B5")

    path = workbook(
        tmp_path,
        ["分类", "问题", "相似问", "答案"],
        ["账户", "甲", "", "一"], [None, "乙", "", "二"],
        ["还款", "丙", "丙一", "三"], ["还款", None, "丙二", "三"],
        change=merge,
    )  # fmt: skip
    result = read_table(path)
    assert [(r.category, r.question, r.variants) for r in result.rows] == [
        ("账户", "甲", ()), ("账户", "乙", ()), ("还款", "丙", ("丙一", "丙二")),
    ]  # fmt: skip
    assert any("合并单元格" in note for note in result.notes)


def test_hidden_rows_and_sheets_are_mentioned_not_imported(tmp_path):
    def hide(book, sheet):
        sheet.row_dimensions[2].hidden = True
        book.create_sheet("旧版").append(["问题", "答案"])
        book["旧版"].sheet_state = "hidden"

    path = workbook(tmp_path, ["问题", "答案"], ["藏", "答"], ["问", "答"], change=hide)
    result = read_table(path)
    assert [row.line for row in result.rows] == [3]
    notes = "\n".join(result.notes)
    assert "第 2 行" in notes
    assert "旧版" in notes


def test_the_sheet_with_a_header_is_read_and_another_can_be_named(tmp_path):
    def add(book, sheet):
        sheet.title = "填写说明"
        for name, question in (("问答", "甲"), ("更多", "乙")):
            for row in (["问题", "答案"], [question, "答"]):
                (book[name] if name in book else book.create_sheet(name)).append(row)

    path = workbook(tmp_path, ["请按模板填写"], change=add)
    result = read_table(path)
    assert result.rows[0].question == "甲"
    assert any("填写说明、更多" in note for note in result.notes)
    assert read_table(path, sheet="更多").rows[0].question == "乙"
    with pytest.raises(TableError, match="填写说明、问答、更多"):
        read_table(path, sheet="没有")


def test_a_wrong_dimension_written_by_another_program_cuts_nothing(tmp_path):
    path = workbook(tmp_path, ["问题", "答案"], ["问", "答"])
    parts = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            parts[name] = archive.read(name).replace(b'ref="A1:B2"', b'ref="A1"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    assert len(read_table(path).rows) == 1


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("indexer.table_xlsx._MAX_UNPACKED", 1 << 20)
    path = tmp_path / "faq.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (2 << 20))
    with pytest.raises(TableError, match="超过上限"):
        read_table(path)


def test_json_lists_in_cells_cannot_smuggle_in_half_a_character(tmp_path):
    cell = json.dumps(["甲\ud800", "乙"]).replace('"', '""')
    row = table(tmp_path, f'问题,相似问,答案\n问,"{cell}",答\n').rows[0]
    assert row.variants == ("甲", "乙")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    data=st.binary(max_size=80) | st.text("问题答案,\t;\"\n'=[]#|", max_size=60).map(str.encode),
    start=st.sampled_from([b"", b"question,answer\n", "问题,答案\n".encode("gbk"), b"\xff\xfe"]),
)
def test_no_bytes_raise_anything_but_a_table_error(tmp_path, data, start):
    with contextlib.suppress(TableError):
        table(tmp_path, start + data)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), cut=st.booleans())
def test_no_damaged_workbook_raises_anything_but_a_table_error(tmp_path, place, byte, cut):
    data = bytearray(workbook(tmp_path, ["问题", "答案"], ["问", "=1"], ["另", 2]).read_bytes())
    position = int(place * len(data))
    data[position:] = b"" if cut else bytes([byte]) + data[position + 1 :]
    with contextlib.suppress(TableError):
        table(tmp_path, bytes(data), "torn.xlsx")


def test_a_person_may_say_what_the_columns_mean(tmp_path):
    path = tmp_path / "faq.csv"
    path.write_text("甲,乙,问题\n怎么退货,点「申请售后」,随便写的\n", encoding="utf-8")
    table = read_table(path, assigned={"question": [0], "answer": [1]})
    (row,) = table.rows
    assert (row.question, row.answer) == ("怎么退货", "点「申请售后」")
    assert row.extra == {"问题": "随便写的"}  # what it was not told is kept by name


def test_a_column_cannot_be_two_things(tmp_path):
    path = tmp_path / "faq.csv"
    path.write_text("甲,乙\n怎么退货,点「申请售后」\n", encoding="utf-8")
    with pytest.raises(ValueError, match="列「甲」给了两个字段"):
        read_table(path, assigned={"question": [0], "answer": [0]})


def test_a_faulty_row_is_not_absent_even_where_a_person_named_the_columns(tmp_path):
    path = tmp_path / "faq.csv"
    path.write_text("甲,乙\n怎么退货,点「申请售后」\n怎么换货,\n", encoding="utf-8")
    assigned = {"question": [0], "answer": [1]}
    stored = {"x": Entry(key="x", question="怎么换货", answer="答")}
    snapshot = Snapshot(1, {}, stored, (), {})
    plan = plan_import(snapshot, read_table(path, assigned=assigned), "replace")
    assert plan.disabled == ()
