"""Which texts, and which label of each, stand in a file?

In: a csv or tsv with a header (文本,标签 or text,label), or a txt of one text a line, in any usual
encoding. Out: ``TextTable``. Whether a label or a text will do is decided where it is used.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distill.corpus import csv_rows
from distill.errors import CorpusError
from distill.spreadsheet import unguard
from distill.text import normalise

TEXT_NAMES = ("文本", "text", "提问", "问题", "query", "question", "sentence", "句子", "内容")
LABEL_NAMES = ("标签", "label", "分类", "category", "类别", "意图", "intent")
_DELIMITERS = ",\t;，"
_TYPES = (".csv", ".tsv", ".txt")
_LEAST_COMMON = 0.6  # share of everyday characters below which a guessed encoding is wrong


@dataclass(frozen=True, slots=True)
class TextRow:
    """One row; ``line`` is where it starts, from 1; ``label`` is "" where the file has none."""

    line: int
    text: str
    label: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class TextTable:
    """The rows below the header, blank ones left out; ``header`` is empty for a txt."""

    path: Path
    header: tuple[str, ...]
    rows: tuple[TextRow, ...]

    @property
    def texts(self) -> list[str]:
        """Return the text of each row."""
        return [row.text for row in self.rows]

    @property
    def labels(self) -> list[str]:
        """Return the label of each row."""
        return [row.label for row in self.rows]


def read_texts(path: Path, *, labelled: bool = False, encoding: str | None = None) -> TextTable:
    """Read a file whole; raises CorpusError naming file, line and remedy.

    ``labelled``: a label column has to be there, and a label in each row.
    """
    text = _decode(path, encoding)
    if path.suffix.lower() == ".txt" and not labelled:
        lines = enumerate(text.splitlines(), 1)
        rows = [TextRow(number, line.strip(), "", (line.strip(),)) for number, line in lines]
        header: tuple[str, ...] = ()
        kept = tuple(row for row in rows if row.text)
    else:
        header, kept = _table(path, text, labelled=labelled)
    if not kept:
        raise CorpusError(f"{path}: 没有一行文本。怎么办: 表头下面每行写一条文本")
    return TextTable(path, header, kept)


def require_text(table: TextTable) -> None:
    """Raise CorpusError where a row's text is empty or holds nothing that can be encoded."""
    empty = [row.line for row in table.rows if not normalise(row.text)]
    if empty:
        raise CorpusError(
            f"{table.path}: {in_lines(empty)}没有文本。怎么办: 填上文本, 或删去{_these(empty)}"
        )


def in_lines(lines: Sequence[int]) -> str:
    """Say in which lines, the first few by number."""
    shown = "、".join(map(str, lines[:5]))
    return f"第 {shown} 行" + (f"等 {len(lines)} 行" if len(lines) > 5 else "")


def _these(lines: Sequence[int]) -> str:
    return "这一行" if len(lines) == 1 else "这些行"


def _table(path: Path, text: str, *, labelled: bool) -> tuple[tuple[str, ...], tuple[TextRow, ...]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    named = (first.split(delimiter) for delimiter in _DELIMITERS)
    known = [sum(_is(name, TEXT_NAMES + LABEL_NAMES) for name in names) for names in named]
    delimiter = _DELIMITERS[known.index(max(known))]
    rows: list[tuple[int, tuple[str, ...]]] = []
    for number, read in csv_rows(path, io.StringIO(text, newline=""), delimiter):
        cells = tuple(unguard(cell.strip()) for cell in read)
        if any(cells):
            rows.append((number, cells))
    if not rows:
        return (), ()
    header = rows[0][1]
    at = _column(path, header, TEXT_NAMES, "文本")
    label_at = _column(path, header, LABEL_NAMES, "标签") if labelled else None
    found = tuple(
        TextRow(number, _cell(cells, at), "" if label_at is None else _cell(cells, label_at), cells)
        for number, cells in rows[1:]
    )
    if labelled and (missing := [row.line for row in found if not row.label]):
        raise CorpusError(
            f"{path}: {in_lines(missing)}没有标签。怎么办: 填上标签, 或删去{_these(missing)}"
        )
    return header, found


def _column(path: Path, header: Sequence[str], names: Sequence[str], what: str) -> int:
    # The best name wins, not the first column: a FAQ has both 问题 and 分类.
    for name in names:
        for column, cell in enumerate(header):
            if _is(cell, (name,)):
                return column
    shown = "、".join(f"「{cell[:20]}」" for cell in header[:6])
    raise CorpusError(
        f"{path}: 没有「{what}」列, 第一行是 {shown}。"
        f"怎么办: 第一行写列名 文本,标签 ({what}列也可以叫 {'、'.join(names[1:5])})"
    )


def _is(cell: str, names: Sequence[str]) -> bool:
    return cell.strip(' "').lower() in names


def _cell(cells: Sequence[str], column: int) -> str:
    return cells[column] if column < len(cells) else ""


def _decode(path: Path, wanted: str | None) -> str:
    if path.suffix.lower() not in _TYPES:
        raise CorpusError(f"{path}: 只读 .csv、.tsv 和 .txt。怎么办: 在 Excel 里另存为 CSV UTF-8")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: 无法读取 ({error.strerror})。怎么办: 检查路径") from error
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    tried = (wanted,) if wanted else ("utf-16",) if marked else ("utf-8-sig", "gb18030")
    for encoding in tried:
        try:
            text = data.decode(encoding)
        except LookupError:
            raise CorpusError(
                f"{path}: 没有名为「{encoding}」的编码。怎么办: 用 utf-8、gb18030、big5 或 utf-16"
            ) from None
        except UnicodeError:
            continue
        # Bytes of Big5 also decode as GB18030, into characters that nobody uses.
        if "\0" not in text and (wanted or encoding != "gb18030" or _everyday(text)):
            return text
    raise CorpusError(
        f"{path}: 认不出编码, 试过 {'、'.join(tried)}。"
        "怎么办: 用 --encoding big5 等写明编码, 或在 Excel 里另存为 CSV UTF-8"
    )


def _everyday(text: str) -> bool:
    """Say whether most characters are of the standard's first level, those in everyday use."""
    beyond = [char for char in text[: 1 << 16] if char > "\x7f"]
    leads = [char.encode("gb2312", "ignore")[:1] for char in beyond]
    common = sum(b"\xa1" <= lead <= b"\xd7" for lead in leads)
    return common >= _LEAST_COMMON * len(beyond)
