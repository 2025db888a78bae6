"""Which rows of text are in this file? Encoding, delimiter, quotes, Excel.

In: a path. Out: ``RawTable``, its rows with their line in the file. What a column means is decided
elsewhere; its names are only looked at to tell a right guess from a wrong one.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from distill.spreadsheet import unguard
from indexer.errors import TableError
from indexer.table_columns import HEADER_DEPTH, recognised
from indexer.table_xlsx import MAX_COLUMNS, read_workbook, too_wide

_MAX_CELL = 1 << 20  # characters
_SAMPLE = 1 << 16  # characters that vote on encoding and delimiter
_DELIMITERS = {"\t": "制表符", ",": "逗号", "|": "竖线", ";": "分号", "，": "全角逗号"}
_TEXT_TYPES = (".csv", ".tsv", ".txt")
_EXCEL_TYPES = (".xlsx", ".xlsm")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # .xls, and .xlsx with a password
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ \t]*(?:\r\n|\r|\n|\Z)', re.IGNORECASE)
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_PIECES = re.compile(r'[,\t;，|"\r\n]+')


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it stands in the file; ``line`` is where it starts, from 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class RawTable:
    """All rows that are not blank; the first is the header if there is one."""

    path: Path
    encoding: str
    lines: tuple[RawRow, ...]
    notes: tuple[str, ...]

    @property
    def header(self) -> tuple[str, ...]:
        """Return the cells of the first row."""
        return self.lines[0].cells

    @property
    def rows(self) -> tuple[RawRow, ...]:
        """Return what stands below the first row."""
        return self.lines[1:]


def read_rows(path: Path, *, encoding: str | None = None, sheet: str | None = None) -> RawTable:
    """Read a csv, tsv, txt (``encoding`` overrides the guess) or xlsx (``sheet``) as text.

    Cells are as written, but the formula guard of our own exports is taken off. Raises TableError
    if the file cannot be read whole and without doubt.
    """
    data = _load(path)
    if path.suffix.lower() in _EXCEL_TYPES:
        book = read_workbook(path, data, sheet)
        found, notes = "xlsx", book.notes
        lines = [RawRow(line, cells) for line, cells in book.rows]
    else:
        text, found, notes = _decode(path, data, encoding)
        delimiter, start, first_line = _delimiter(path, text)
        rows = _split(path, text, delimiter, start, first_line)
        lines = [row for row in rows if any(map(str.strip, row.cells))]
        notes = (f"编码 {found}, 分隔符: {_DELIMITERS.get(delimiter, delimiter)}", *notes)
    for row in lines:
        if max(map(len, row.cells)) > _MAX_CELL:
            raise _too_long(path, row.line)
    if not lines:
        raise TableError(f"{path}: 文件是空的。怎么办: 第一行写 question,answer, 下面每行一问一答")
    return RawTable(
        path,
        found,
        tuple(RawRow(row.line, tuple(map(unguard, row.cells))) for row in lines),
        notes,
    )


def read_text(path: Path) -> str:
    """Read a text file whole, its encoding recognised; raises TableError like ``read_rows``."""
    return _decode(path, _load(path), None)[0]


def _load(path: Path) -> bytes:
    kind = path.suffix.lower()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise TableError(f"{path}: 没有这个文件。怎么办: 检查路径和文件名") from None
    except OSError as error:
        raise TableError(
            f"{path}: 无法读取 ({error.strerror})。怎么办: 检查它是不是文件、有没有读取权限"
        ) from error
    if kind == ".xls":
        raise TableError(f"{path}: 旧版 Excel 格式 .xls。怎么办: 用 Excel 或 WPS 另存为 .xlsx")
    if kind not in _TEXT_TYPES + _EXCEL_TYPES:
        raise TableError(
            f"{path}: 不认识的文件类型「{kind}」。怎么办: 另存为 .xlsx 或 .csv (CSV UTF-8)"
        )
    if data.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise TableError(f"{path}: 文件有密码。怎么办: 在 Excel 里取消密码后另存为 .xlsx")
        raise TableError(f"{path}: 其实是旧版 .xls。怎么办: 用 Excel 或 WPS 另存为 .xlsx")
    if kind in _TEXT_TYPES and data.startswith(b"PK\x03\x04"):
        raise TableError(f"{path}: 其实是 Excel 工作簿。怎么办: 把扩展名改成 .xlsx")
    return data


def _decode(path: Path, data: bytes, wanted: str | None) -> tuple[str, str, tuple[str, ...]]:
    """Return text, encoding and notes: BOM, then strict UTF-8, then the likelier of the legacy."""
    notes: tuple[str, ...] = ()
    if wanted:
        found, text = wanted.lower(), _strict(path, data, wanted)
    elif data.startswith(b"\xef\xbb\xbf"):
        found, text = "utf-8-sig", _strict(path, data, "utf-8")
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")):
        found, text = "utf-16", _strict(path, data, "utf-16")
    else:
        try:
            found, text = "utf-8", data.decode("utf-8")
        except UnicodeDecodeError:
            if (end := data.find(b"\0")) >= 0:
                raise _binary(path, data.count(b"\n", 0, end) + 1) from None
            found, text = _legacy(path, data)
        if found == "big5":
            notes = ("按 Big5 (繁体) 解码; 若文字不对, 用 --encoding gb18030 重新导入",)
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        raise _binary(path, len(_LINE_BREAK.findall(text, 0, text.index("\0"))) + 1)
    if damaged := text.count("\ufffd"):
        notes += (f"文件里有 {damaged} 个「\ufffd」: 存这个文件时文字已经损坏, 请检查原文",)
    return text, found, notes


def _legacy(path: Path, data: bytes) -> tuple[str, str]:
    """GB18030 or Big5? Both often decode the other's bytes, into characters nobody uses."""
    best, best_score = None, (False, 0.6)  # less than this is no Chinese text
    broken = data.decode("utf-8", "replace")
    # Chinese in UTF-8 with a few broken bytes is damaged UTF-8; as GB18030 it would be garbage.
    if broken.count("\ufffd") * 5 > sum(char > "\x7f" for char in broken):
        for name in ("gb18030", "big5"):
            try:
                text = _strict(path, data, name)
            except TableError:
                continue
            if (score := _plausibility(text, name)) > best_score:
                best, best_score = (name, text), score
    if best is None:
        _strict(path, data, "utf-8")  # raises, and says where
    return best


def _strict(path: Path, data: bytes, encoding: str) -> str:
    # Windows means its own superset by Big5.
    codec = {"big5": "cp950"}.get(encoding.lower(), encoding)
    try:
        return data.decode(codec)
    except LookupError:
        raise TableError(
            f"{path}: 没有名为「{encoding}」的编码。怎么办: 用 utf-8、gb18030、big5 或 utf-16"
        ) from None
    except UnicodeError as error:
        offset = getattr(error, "start", 0)
        line = data.count(b"\n", 0, offset) + 1
        other = "utf-8" if codec.lower().startswith("gb") else "gb18030"
        raise TableError(
            f"{path}:{line}: 第 {offset} 字节起不是 {encoding}。"
            f"怎么办: 用 --encoding {other} 重试, 或在 Excel 里另存为 CSV UTF-8"
        ) from error


def _plausibility(text: str, encoding: str) -> tuple[bool, float]:
    """Return whether a Chinese header name stands on top, and the share of common characters."""
    pieces = [p for line in text[:4096].splitlines()[:HEADER_DEPTH] for p in _PIECES.split(line)]
    chars = [char for char in text[:_SAMPLE] if char > "\x7f"]
    common = _common(encoding)
    share = sum(char in common for char in chars) / max(len(chars), 1)
    return recognised(pieces, chinese_only=True) > 0, share


@cache
def _common(encoding: str) -> frozenset[str]:
    """Return the first level of the standard (characters by use), with its punctuation."""
    codec, high = ("gb2312", 0xD7) if encoding == "gb18030" else ("big5", 0xC6)
    leads = (*range(0xA1, 0xA4), *range(0xB0 if codec == "gb2312" else 0xA4, high + 1))
    trails = (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    return frozenset(
        bytes((lead, trail)).decode(codec, "ignore") for lead in leads for trail in trails
    )


def _delimiter(path: Path, text: str) -> tuple[str, int, int]:
    """Return the delimiter, where the table starts, and on which line.

    The one under which most header names are known wins, then the most even one.
    """
    if match := _SEPARATOR_LINE.match(text):
        return match[1], match.end(), 2
    best, best_score = ",", (0, 0.0)
    for delimiter in _DELIMITERS:
        rows = []
        try:
            for row in _split(path, text[:_SAMPLE], delimiter, 0, 1):
                rows.append(row.cells)
        except TableError:
            pass  # the sample ends inside quotes, or this is not the delimiter
        score = _evenness([row for row in rows if any(map(str.strip, row))])
        if score > best_score:
            best, best_score = delimiter, score
    return best, 0, 1


def _evenness(rows: Sequence[Sequence[str]]) -> tuple[int, float]:
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return 0, 0.0
    known = max(recognised(row) for row in rows[:HEADER_DEPTH])
    return known if known > 1 else 0, widths.most_common(1)[0][1] / len(rows)


def _split(path: Path, text: str, delimiter: str, start: int, first_line: int) -> Iterator[RawRow]:
    """Cut text into rows, quotes as in RFC 4180.

    Not the csv module: that swallows the rest of the file behind an unclosed quote without saying
    where it opened, and drops the quotes of a cell that only begins with a quoted word.
    """
    ends = re.escape(delimiter) + r"\r\n"
    cell = re.compile(rf' *"([^"]*+(?:""[^"]*+)*+)" *(?=[{ends}]|\Z)|([^{ends}]*+)')
    position, line, cells = start, first_line, []
    opened = line
    while True:
        match = cell.match(text, position)
        quoted, plain = match.groups()
        if quoted is None:
            if plain.lstrip(" ").startswith('"') and plain.count('"') % 2:
                raise TableError(
                    f"{path}:{line}: 引号没有配对: {plain.strip()[:20]}。"
                    '怎么办: 在单元格末尾补上引号; 单元格里的引号写成两个 ""'
                )
            cells.append(plain)
        else:
            if len(quoted) > _MAX_CELL:
                raise _too_long(path, line)
            cells.append(quoted.replace('""', '"'))
            line += len(_LINE_BREAK.findall(quoted))
        position = match.end()
        end = text[position : position + 1]
        position += 1
        if end == delimiter:
            if len(cells) >= MAX_COLUMNS:
                raise too_wide(path, line)
            continue
        yield RawRow(opened, tuple(cells))
        if not end:
            return
        if end == "\r" and text.startswith("\n", position):
            position += 1
        cells = []
        line += 1
        opened = line


def _binary(path: Path, line: int) -> TableError:
    return TableError(
        f"{path}:{line}: 含有 NUL 字节, 不是文本表格, 或是没有 BOM 的 UTF-16。"
        "怎么办: 另存为 CSV UTF-8, 或用 --encoding utf-16-le"
    )


def _too_long(path: Path, line: int) -> TableError:
    return TableError(
        f"{path}:{line}: 这一行有单元格超过 {_MAX_CELL} 字。怎么办: 检查引号是否配对, 或把答案拆短"
    )
