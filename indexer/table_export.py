"""How do entries leave as a file that people edit and ``read_table`` reads back unchanged?

In: entries. Out: a .csv for Excel (UTF-8 with BOM, CRLF, all quoted, formulas disarmed) or an .xlsx
of text cells, replaced whole or not at all.
"""

import io
import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from distill.spreadsheet import csv_bytes, guard, unguard
from indexer.errors import TableError
from indexer.records import Entry
from indexer.table_cells import join_list
from indexer.table_columns import HEADER
from indexer.table_xlsx import escape

_EXCEL_LIMIT = 32_767  # characters in a cell; Excel and openpyxl cut the rest off without a word


def write_table(path: Path, entries: Iterable[Entry]) -> int:
    """Write entries to a .csv or .xlsx under our own header; return how many.

    Extra columns follow the header in the order they first occur.
    """
    entries = list(entries)
    names = list(dict.fromkeys(name for entry in entries for name in entry.extra))
    header = [*HEADER, *names]
    write_rows(path, header, (_cells(entry, names) for entry in entries))
    return len(entries)


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write any table; the old file stays until the new one is complete."""
    pack = {".csv": _csv, ".xlsx": _xlsx}.get(path.suffix.lower())
    if pack is None:
        raise TableError(f"{path}: 只能写 .csv 或 .xlsx。怎么办: 换一个文件名")
    data = pack(path, [header, *rows])
    # Beside the target: a rename is atomic only within one file system.
    draft = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        draft.write_bytes(data)
        os.replace(draft, path)
    except OSError as error:
        raise TableError(
            f"{path}: 无法写入 ({error.strerror})。"
            "怎么办: 检查文件夹是否存在、磁盘是否已满、文件是否正被 Excel 打开"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _cells(entry: Entry, names: Sequence[str]) -> tuple[str, ...]:
    return (
        entry.key,
        entry.category,
        entry.question,
        join_list(entry.variants),
        join_list(entry.negatives),
        entry.answer,
        join_list(entry.tags, "tags"),
        "是" if entry.enabled else "否",
        entry.valid_from,
        entry.valid_to,
        join_list(entry.related),
        *(entry.extra.get(name, "") for name in names),
    )


def _csv(path: Path, rows: Sequence[Sequence[str]]) -> bytes:
    return csv_bytes(rows)


def _xlsx(path: Path, rows: Sequence[Sequence[str]]) -> bytes:
    # A text cell runs no formula; only what reading would take for a guard needs one.
    rows = [[escape(guard(t) if unguard(t) != t else t) for t in row] for row in rows]
    for row in rows:
        for text in row:
            if len(text) > _EXCEL_LIMIT:
                raise TableError(
                    f"{path}: 有内容超过 {_EXCEL_LIMIT} 字, Excel 放不下: {row[0]} {text[:20]}…。"
                    "怎么办: 导出为 .csv"
                )
    book = Workbook(write_only=True)
    sheet = book.create_sheet("FAQ")
    # One row of cells serves for all: `append` writes it out at once.
    cells = [WriteOnlyCell(sheet) for _ in rows[0]]
    for cell in cells:
        cell.number_format = "@"  # it stays text when somebody edits it
    for row in rows:
        for cell, text in zip(cells, row, strict=True):
            cell.value = text
            cell.data_type = "s"  # also for =1+1
        sheet.append(cells)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()
