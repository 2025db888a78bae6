"""What text stands in the rows of an Excel workbook?

In: the bytes of an .xlsx. Out: ``Sheet``: the visible rows of one sheet as text, with remarks on
what was left out. It knows headers only well enough to choose the sheet.
"""

import io
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import partial
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.cell import get_column_letter, range_boundaries

from indexer.errors import TableError
from indexer.table_columns import HEADER_DEPTH, find_header

MAX_COLUMNS = 1000  # Excel has 16,384: a few thousand rows with a cell in the last fill the memory
_MAX_UNPACKED = 512 << 20
_EMPTY_ROWS = 100  # after so many, what follows is formatting that somebody dragged down
_LOOK_AHEAD = 10_000  # rows searched behind them, to warn if there was something after all
_CHUNK = 1 << 20
# What openpyxl's read-only mode does not tell. Tags of any prefix; `<` never stands in a value.
_TAG = re.compile(rb"<(?:\w+:)?(row|f|mergeCell)\b([^>]*)>")
_ROW_NUMBER = re.compile(rb'\sr="(\d+)"')
_HIDDEN = re.compile(rb'\shidden="(?:1|true)"')
_REFERENCE = re.compile(rb'\sref="([A-Z]+\d+:[A-Z]+\d+)"')
# OOXML writes control characters as _x000B_, and a literal _x000B_ as _x005F_x000B_. What cannot
# be text (NUL, half a surrogate pair) stays escaped.
_ESCAPED = re.compile(r"_x((?!0000|[dD][89a-fA-F])[0-9A-Fa-f]{4})_")


@dataclass(frozen=True)
class Sheet:
    """Rows with their number in Excel, blank rows left out; ``notes`` for the person."""

    rows: tuple[tuple[int, tuple[str, ...]], ...]
    notes: tuple[str, ...]


def read_workbook(path: Path, data: bytes, sheet: str | None = None) -> Sheet:
    """Read the sheet named, else the first visible one with a header, else the first with text."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
            if unpacked > _MAX_UNPACKED:
                raise TableError(
                    f"{path}: 解压后有 {unpacked >> 20} MB, 超过上限 {_MAX_UNPACKED >> 20} MB。"
                    "怎么办: 只保留问答所在的工作表, 或另存为 CSV UTF-8"
                )
            if any(map(partial(_has_doctype, archive), archive.namelist())):
                raise TableError(
                    f"{path}: 里面的 XML 有 DOCTYPE, 表格软件不会这样写。"
                    "怎么办: 用 Excel 或 WPS 打开并另存为 .xlsx"
                )
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            return _read(path, data, sheet)
    except TableError:
        raise
    except Exception as error:  # a damaged file makes zipfile, expat and openpyxl raise anything
        raise TableError(
            f"{path}: 文件已损坏, 不是完整的 xlsx ({type(error).__name__})。"
            "怎么办: 用 Excel 或 WPS 打开并另存为 .xlsx 或 CSV UTF-8"
        ) from error


def _has_doctype(archive: zipfile.ZipFile, name: str) -> bool:
    """Say whether a part defines entities: a few lines of these grow to gigabytes."""
    with archive.open(name) as part:
        return b"<!DOCTYPE" in part.read(_CHUNK).replace(b"\0", b"")  # in UTF-16, too


def escape(text: str) -> str:
    """Write what XML cannot hold the way Excel does; reading undoes it."""
    text = _ESCAPED.sub(r"_x005F\g<0>", text)
    return re.sub(r"[\x00-\x08\x0b-\x1f]", lambda match: f"_x{ord(match[0]):04X}_", text)


def too_wide(path: Path, line: int) -> TableError:
    """Return the refusal of a row with too many cells."""
    return TableError(
        f"{path}:{line}: 这一行超过 {MAX_COLUMNS} 列。怎么办: 只保留问答所在的列, "
        "多个相似问写在同一格, 一行一个"
    )


def _read(path: Path, data: bytes, wanted: str | None) -> Sheet:
    values = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    names = [sheet.title for sheet in values.worksheets]
    visible = [s.title for s in values.worksheets if s.sheet_state == "visible"] or names
    if wanted is not None and wanted not in names:
        raise TableError(
            f"{path}: 没有工作表「{wanted}」。怎么办: 用 --sheet 指定其中之一: {'、'.join(names)}"
        )
    chosen, rows, notes = "", (), ()
    for name in [wanted] if wanted is not None else visible:
        found = _Layout.scan(data, values[name])
        found_rows = tuple(_rows(path, found, data, values[name]))
        head = find_header([cells for _, cells in found_rows[:HEADER_DEPTH]])
        if head is not None or not rows:
            chosen, rows, notes = name, found_rows, tuple(found.notes())
        if head is not None:
            break
    if wanted is None:
        others = [name for name in visible if name != chosen]
        hidden = [name for name in names if name not in visible]
        if others:
            notes += (f"只读了工作表「{chosen}」, 其余未导入 (--sheet 指定): {'、'.join(others)}",)
        if hidden:
            notes += (f"隐藏的工作表未导入 (--sheet 指定): {'、'.join(hidden)}",)
    return Sheet(rows, notes)


@dataclass
class _Layout:
    """What stands around the values of a sheet, and what was seen while reading them."""

    formulas: bool = False
    hidden: set[int] = field(default_factory=set)
    merges: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # top → column, bottom
    hidden_seen: list[int] = field(default_factory=list)
    uncalculated: list[str] = field(default_factory=list)
    merged_below: int = 0
    cut: str = ""

    @classmethod
    def scan(cls, data: bytes, sheet: Any) -> "_Layout":
        layout = cls()
        # The one private name: openpyxl resolves the sheet's part, but does not tell.
        part = sheet._worksheet_path
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(part) as stream:
            rest = b""
            while chunk := stream.read(_CHUNK):
                text = rest + chunk
                # A tag cut in two waits for its other half; one of a megabyte is no tag of ours.
                rest = text[text.rfind(b"<") :] if text.rfind(b"<") > text.rfind(b">") else b""
                rest = rest if len(rest) < _CHUNK else b""
                for match in _TAG.finditer(text):
                    layout._note_tag(match[1], match[2])
        return layout

    def notes(self) -> Iterator[str]:
        if self.hidden_seen:
            yield (f"隐藏或被筛选掉的行未导入 (取消隐藏后重新导入): "
                   f"{_some(self.hidden_seen, '第 {} 行')}")  # fmt: skip
        if self.uncalculated:
            yield (f"公式没有计算结果, 按空白处理 (用 Excel 打开并保存一次即可): "
                   f"{_some(self.uncalculated, '{}')}")  # fmt: skip
        if self.merged_below:
            yield f"合并单元格: 已把内容填到下面的 {self.merged_below} 格"
        if self.cut:
            yield self.cut

    def _note_tag(self, name: bytes, attributes: bytes) -> None:
        if name == b"f":
            self.formulas = True
        elif name == b"row":
            number = _ROW_NUMBER.search(attributes)
            if number and _HIDDEN.search(attributes):
                self.hidden.add(int(number[1]))
        elif reference := _REFERENCE.search(attributes):
            left, top, _, bottom = range_boundaries(reference[1].decode())
            # Only downwards: what is merged to the right is a title.
            if bottom > top:
                self.merges.setdefault(top, []).append((left - 1, bottom))


def _rows(
    path: Path, layout: _Layout, data: bytes, sheet: Any
) -> Iterator[tuple[int, tuple[str, ...]]]:
    last, merged = 0, {}  # merged: column → (bottom, text)
    for number, values in enumerate(_values(layout, data, sheet), start=1):
        if number - last > _EMPTY_ROWS + _LOOK_AHEAD:
            return
        cells = [_text(value) for value in values]
        while cells and not cells[-1]:
            cells.pop()
        if len(cells) > MAX_COLUMNS:
            raise too_wide(path, number)
        if number - last > _EMPTY_ROWS:
            if cells:
                layout.cut = (
                    f"第 {last + 1} 行起有 {_EMPTY_ROWS} 多个空行, 之后的内容没有导入 "
                    f"(第 {number} 行起)。如需要, 删除空行后重新导入"
                )
                return
            continue
        if cells:
            last = number
            for column, (bottom, text) in merged.items():
                if number <= bottom and (column >= len(cells) or not cells[column]):
                    cells += [""] * (column + 1 - len(cells))
                    cells[column] = text
                    layout.merged_below += 1
        for column, bottom in layout.merges.get(number, ()):
            if column < len(cells) and cells[column]:
                merged[column] = (bottom, cells[column])
        if not cells:
            continue
        if number in layout.hidden:
            layout.hidden_seen.append(number)
        else:
            yield number, tuple(cells)


def _values(layout: _Layout, data: bytes, sheet: Any) -> Iterator[Sequence[Any]]:
    sheet.reset_dimensions()  # other programs write wrong ones
    if not layout.formulas:
        yield from sheet.iter_rows(values_only=True)
        return
    # The same cells once more, as formulas: one that was never calculated has no value.
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True)
    twin = book[sheet.title]
    twin.reset_dimensions()
    both = zip(
        sheet.iter_rows(values_only=True), twin.iter_rows(values_only=True), strict=True
    )  # fmt: skip
    for number, (values, formulas) in enumerate(both, start=1):
        for column, (value, formula) in enumerate(zip(values, formulas, strict=True), start=1):
            if value is None and formula is not None:
                layout.uncalculated.append(f"{get_column_letter(column)}{number}")
        yield values


def _text(value: Any) -> str:
    if isinstance(value, str):
        if "_x" in value:
            value = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), value)
        return "" if value.isspace() else value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return format(value, ".15g")  # as many digits as Excel shows; 1.0 is 1
    if isinstance(value, datetime):
        return str(value.date() if value.time() == time() else value)
    return str(value)


def _some(places: Sequence[object], form: str) -> str:
    shown = "、".join(form.format(place) for place in places[:3])
    return shown if len(places) <= 3 else f"{shown} 等 {len(places)} 处"
