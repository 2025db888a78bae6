"""What would this file change? A FAQ table, read as its columns say or as an operator corrects.

In: a desk and an uploaded file. Out: a preview of everything an import would do, the rows that
cannot be taken, and then a new revision; and the FAQ as a file that imports without loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faq_app.operations import effects
from faq_app.operations.desk import Desk
from indexer.build import Mode, Plan, Published, plan_import
from indexer.errors import InputError, TableError
from indexer.progress import Progress, silent
from indexer.table_columns import Columns, find_header, read_header
from indexer.table_export import write_table
from indexer.table_file import read_rows
from indexer.table_import import FailedRow, ImportedTable, read_table, write_failures

Assigned = Mapping[str, Sequence[int]]  # field → columns, from 0


@dataclass(frozen=True)
class FileColumns:
    """The header of a file, and which field each column is taken for."""

    header: tuple[str, ...]
    fields: Assigned


@dataclass(frozen=True)
class ImportPreview:
    """What a file would change; nothing is written yet."""

    table: ImportedTable
    plan: Plan
    faulty: tuple[FailedRow, ...]  # by line


def columns_of(path: Path) -> FileColumns:
    """Return a file's header as it is understood, also if question or answer are missing."""
    raw = read_rows(path)
    head = find_header([row.cells for row in raw.lines])
    columns: Columns = read_header(raw.lines[head or 0].cells)
    return FileColumns(columns.header, columns.fields)


def read_import(
    desk: Desk, path: Path, mode: Mode, assigned: Assigned | None = None
) -> ImportPreview:
    """Read a file and compare it with what is published; raises TableError."""
    table = read_table(path, assigned=assigned)
    plan = plan_import(desk.snapshot, table, mode)
    faulty = sorted((*table.failures, *plan.rejected), key=lambda row: row.line)
    return ImportPreview(table, plan, tuple(faulty))


class Imports:
    """Reads files; remembers what the last one would change, and no more than that.

    A file of 100,000 rows takes seconds and 100 MB: its pages are turned, and it is published,
    without reading it again.
    """

    def __init__(self, desk: Desk) -> None:
        """Compare files with what ``desk`` publishes."""
        self._desk = desk
        self._last: tuple[Any, ImportPreview] | None = None

    def read(self, path: Path, mode: Mode, assigned: Assigned | None = None) -> ImportPreview:
        """Do as ``read_import``, once for the same file, columns and published revision."""
        columns = assigned and tuple((field, tuple(some)) for field, some in assigned.items())
        wanted = (path, mode, columns, self._desk.searcher.revision)
        if (kept := self._last) and kept[0] == wanted:
            return kept[1]
        self._last = None  # before the next one takes its memory
        found = read_import(self._desk, path, mode, assigned)
        self._last = (wanted, found)
        return found

    def run(
        self,
        path: Path,
        mode: Mode,
        by: str,
        assigned: Assigned | None = None,
        insist: bool = False,
        progress: Progress = silent,
    ) -> Published:
        """Publish what a file changes, compared with what is published by now.

        Raises TableError, what ``progress`` raises, or PublishError if another operator published
        while it was read.
        """
        found = self.read(path, mode, assigned)
        if not found.plan.changes:
            raise InputError(f"{path.name}: 和现在的条目一样, 没有什么要导入")
        done = publish_import(self._desk, found, path.name, by, insist, progress)
        self._last = None
        return done


def write_faulty(path: Path, preview: ImportPreview) -> None:
    """Write the rows that cannot be taken, each with its reason, to be corrected and imported."""
    write_failures(path, preview.table, preview.plan.rejected)


def publish_import(
    desk: Desk,
    preview: ImportPreview,
    name: str,
    by: str,
    insist: bool = False,
    progress: Progress = silent,
) -> Published:
    """Publish what a file changes as it was read; ``name`` is what people call the file.

    Raises what ``progress`` raises, and PublishError if another operator published meanwhile.
    """
    changes = preview.plan.changes
    return effects.publish(desk, by, f"导入 {name}", changes, insist=insist, progress=progress)


def export(desk: Desk, path: Path) -> int:
    """Write all entries as .csv or .xlsx; return how many. Raises TableError."""
    entries = desk.searcher.entries.values()
    if not entries:
        raise TableError("还没有条目可导出。怎么办: 先导入问答表")
    return write_table(path, entries)
