"""How do entries leave as a file that people edit and ``read_table`` reads back unchanged?

In: entries. Out: a .csv for Excel (UTF-8 with BOM, CRLF, all quoted, formulas disarmed) or an .xlsx
of text cells, replaced whole or not at all.
"""

import csv
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell

from indexer.errors import TableError
from indexer.records import Entry
from indexer.table_cells import guard, join_list, unguard
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
    write = {".csv": _write_csv, ".xlsx": _write_xlsx}.get(path.suffix.lower())
    if write is None:
        raise TableError(f"{path}: 只能写 .csv 或 .xlsx。怎么办: 换一个文件名")
    _replace(path, lambda draft: write(draft, path, header, rows))


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


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    # Beside the target: a rename is atomic only within one file system.
    draft = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        write(draft)
        os.replace(draft, path)
    except OSError as error:
        raise TableError(
            f"{path}: 无法写入 ({error.strerror})。"
            "怎么办: 检查文件夹是否存在、磁盘是否已满、文件是否正被 Excel 打开"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _write_csv(
    draft: Path, path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    with draft.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        for row in _with_header(header, rows):
            writer.writerow([guard(cell) for cell in row])


def _write_xlsx(
    draft: Path, path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("FAQ")
    # One row of cells serves for all: `append` writes it out at once.
    cells = [WriteOnlyCell(sheet) for _ in header]
    for cell in cells:
        cell.number_format = "@"  # it stays text when somebody edits it
    for row in _with_header(header, rows):
        for cell, text in zip(cells, row, strict=True):
            # A text cell runs no formula; only what reading would take for a guard needs one.
            text = escape(guard(text) if unguard(text) != text else text)
            if len(text) > _EXCEL_LIMIT:
                raise TableError(
                    f"{path}: 有内容超过 {_EXCEL_LIMIT} 字, Excel 放不下: {row[0]} {text[:20]}…。"
                    "怎么办: 导出为 .csv"
                )
            cell.value = text
            cell.data_type = "s"  # also for =1+1
        sheet.append(cells)
    book.save(draft)


def _with_header(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
    yield header
    yield from rows
