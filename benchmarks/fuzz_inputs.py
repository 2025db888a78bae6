"""What would somebody send who means no good, or whose program is broken?

In: nothing. Out: hypothesis strategies: texts, bytes of tables and workbooks, whole and damaged.
"""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import openpyxl
from hypothesis import strategies as st

# What has broken some program before: half characters, what turns text round or is not seen, what
# changes its length when its case does, what another language takes for code.
_PIECES = (
    *("怎么退货", "发票", "花呗", "退货的运费谁承担？", "繁體", "𠮷", "㍿", "ﬁ", "İ", "ß", "Ǆ"),
    *("\u0345", "e\u0301" * 8, "\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u2028"),
    *("👨\u200d👩\u200d👧", "🏳️\u200d🌈", "\U0010ffff", "\ud800", "\udfff", "\x00", "\x1b[31m"),
    *("\r\n", "\t", '"', "'", "##", ",", "，", "|", "\\", "%00", "_x0000_", "_x000D_"),
    *("=1+1", "'=1+1", "＝1", "@SUM(A1)", "'; drop table entries;--", "<script>alert(1)</script>"),
    *("{{7*7}}", "%s%n", "../../etc/passwd", "13812345678", "[[[[", "1e999", "NaN", "-0"),
)
_PARTS = (
    *("xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/styles.xml", "[Content_Types].xml"),
    *("xl/_rels/workbook.xml.rels", "xl/sharedStrings.xml"),
)
_BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d SYSTEM "file:///etc/passwd">]>'
)
_XML = (
    *(_BOMB, b"&c;", b"&d;", b"<row r='99999999999'>", b'<c r="ZZZZ1">', b'ref="A1:XFD1048576"'),
    *(
        b'<row r="1" hidden="1">',
        b"<f>1/0</f>",
        b"\x00",
        b"\xff",
        b"]]>",
        b't="s"',
        b"<v>1e999</v>",
    ),
)

texts = st.lists(st.sampled_from(_PIECES) | st.text(st.characters(), max_size=8), max_size=12).map(
    "".join
)
long_texts = st.builds(lambda text, times: (text * times)[:5000], texts, st.integers(1, 400))
_encodings = st.sampled_from(("utf-8", "utf-8-sig", "gb18030", "big5", "utf-16", "utf-32"))
_delimiters = st.sampled_from((",", "\t", "|", ";", "，"))
_header = st.sampled_from(
    (["问题", "答案"], ["question", "answer"], ["编号", "问题", "相似问", "答案", "生效时间"], [])
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from((2**63, -(2**63) - 1, 10**400, 1e308, float("nan"), float("inf")))
    | st.floats()
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def _table(header: list[str], rows: list[list[str]], delimiter: str, encoding: str) -> bytes:
    lines = [delimiter.join(cells) for cells in [header, *rows] if cells]
    return "\n".join(lines).encode(encoding, "replace")


def _changed(data: bytes, changes: Sequence[tuple[float, bytes, int]]) -> bytes:
    """Put something in place of some bytes, here and there."""
    for place, put, gone in changes:
        at = int(place * len(data))
        data = data[:at] + put + data[at + gone :]
    return data


def damaged(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Return what such bytes may look like after an accident, or none."""
    change = st.tuples(
        st.floats(0, 1), st.binary(max_size=4) | st.sampled_from(_XML), st.integers(0, 40)
    )
    return whole | st.builds(_changed, whole, st.lists(change, max_size=3))


tables = damaged(
    st.builds(
        _table,
        _header,
        st.lists(st.lists(texts, min_size=1, max_size=5), max_size=5),
        _delimiters,
        _encodings,
    )
) | st.binary(max_size=300)

_weights = st.sampled_from(("2", "0.5", "1", "-1", "1e999", "nan", "０", "", "x"))
keyword_tables = st.builds(
    _table,
    st.sampled_from((["关键词", "倍数"], [])),
    st.lists(st.tuples(texts, _weights).map(list), min_size=1, max_size=4),
    _delimiters,
    _encodings,
) | st.builds(lambda word, weight: f"{word},{weight}".encode(), st.text("花呗退货"), _weights)


def _workbook(rows: Sequence[Sequence[str]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        # Where openpyxl would refuse a character, it goes: it is the reader that is examined.
        book.active.append([openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", c) for c in row])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _damaged_within(data: bytes, part: str, changes: Sequence[tuple[float, bytes, int]]) -> bytes:
    """Damage one part of a workbook, so that what unpacks it is content with it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, _changed(content, changes) if name == part else content)
    return stream.getvalue()


_WHOLE = _workbook(
    [["问题", "答案", "相似问"], ["怎么退货", "=1+1", "退货##我要退"], ["另", "", ""]]
)
workbooks = st.builds(
    _damaged_within,
    st.just(_WHOLE),
    st.sampled_from(_PARTS),
    st.lists(
        st.tuples(
            st.floats(0, 1), st.sampled_from(_XML) | st.binary(max_size=6), st.integers(0, 60)
        ),
        min_size=1,
        max_size=2,
    ),
) | damaged(st.just(_WHOLE))
