import pytest

from distill.errors import CorpusError
from distill.text_table import read_texts, require_text

ROWS = "文本,标签\n怎么退货,售后\n开发票,发票\n"


def written(tmp_path, data, name="表.csv"):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_usual_encodings_are_recognised(tmp_path, encoding):
    table = read_texts(written(tmp_path, ROWS.encode(encoding)), labelled=True)
    assert table.texts == ["怎么退货", "开发票"]
    assert table.labels == ["售后", "发票"]
    assert [row.line for row in table.rows] == [2, 3]


def test_big5_is_not_taken_for_rubbish_but_named(tmp_path):
    data = "文本,標籤\n怎麼辦理退貨手續,售後\n我要開立電子發票,發票\n".replace("標籤", "label")
    path = written(tmp_path, data.encode("cp950"))
    with pytest.raises(CorpusError, match="--encoding big5"):
        read_texts(path)
    assert read_texts(path, labelled=True, encoding="big5").texts[0] == "怎麼辦理退貨手續"


@pytest.mark.parametrize(
    "header", ["text,label", "Label;Text;其他", "标签\t文本", "问题,答案,分类"]
)
def test_columns_are_found_by_name_under_any_delimiter(tmp_path, header):
    delimiter = next(d for d in "\t;," if d in header)
    cells = {
        "text": "退货",
        "文本": "退货",
        "问题": "退货",
        "label": "甲",
        "标签": "甲",
        "分类": "甲",
    }
    names = header.split(delimiter)
    row = delimiter.join(cells.get(name.lower(), "x") for name in names)
    table = read_texts(written(tmp_path, f"{header}\n{row}\n"), labelled=True)
    assert (table.texts, table.labels) == (["退货"], ["甲"])


def test_a_txt_is_one_text_a_line(tmp_path):
    table = read_texts(written(tmp_path, "退货,怎么退\n\n发票\n", "句.txt"))
    assert table.texts == ["退货,怎么退", "发票"]
    assert [row.line for row in table.rows] == [1, 3]


def test_the_guard_of_our_own_tables_is_taken_off(tmp_path):
    assert read_texts(written(tmp_path, "文本\n'=1+1\n")).texts == ["=1+1"]


@pytest.mark.parametrize(
    ("data", "labelled", "message"),
    [
        ("退货,售后\n发票,开票\n", True, "没有「文本」列.*「退货」.*第一行写列名 文本,标签"),
        ("文本,备注\n退货,x\n", True, "没有「标签」列"),
        ("文本,标签\n", True, "没有一行文本"),
        ("", False, "没有一行文本"),
        ("文本,标签\n退货,\n发票,甲\n", True, "第 2 行没有标签"),
        ('文本,标签\n"退货,甲\n', True, "引号是否配对"),
        (b"\xff\x00\xfe" + "文本\n退货".encode(), False, "认不出编码"),
    ],
)
def test_what_is_wrong_is_said_with_place_and_remedy(tmp_path, data, labelled, message):
    with pytest.raises(CorpusError, match=message) as caught:
        read_texts(written(tmp_path, data), labelled=labelled)
    assert "怎么办" in str(caught.value)
    assert "表.csv" in str(caught.value)


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="另存为 CSV UTF-8"):
        read_texts(written(tmp_path, "x", "表.xlsx"))
    with pytest.raises(CorpusError, match="检查路径"):
        read_texts(tmp_path / "没有.csv")
    with pytest.raises(CorpusError, match="没有名为「没有这个」的编码"):
        read_texts(written(tmp_path, ROWS), encoding="没有这个")


def test_empty_texts_are_named_by_line(tmp_path):
    table = read_texts(written(tmp_path, "文本,标签\n退货,甲\n,甲\n\u200b,乙\n"), labelled=True)
    with pytest.raises(CorpusError, match="第 3、4 行没有文本"):
        require_text(table)
