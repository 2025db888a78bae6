"""A FAQ file as people really have it → ``FaqRow``.

In: the path of a csv, tsv, txt or xlsx of any known tool. Out: ``ImportedTable``: the entries, the
rows that cannot be taken with their reason, and remarks for the person. Nothing is stored here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from distill.text import normalise
from indexer.errors import TableError
from indexer.records import FaqRow
from indexer.table_cells import (
    CellError,
    Separators,
    clean_line,
    clean_text,
    read_date,
    read_switch,
    split_list,
)  # fmt: skip
from indexer.table_columns import (
    FAILURE_COLUMN,
    HEADER_DEPTH,
    Columns,
    assign_columns,
    find_header,
    read_header,
)
from indexer.table_export import write_rows
from indexer.table_file import RawRow, RawTable, read_rows

_POSITIONAL = ("question", "answer")  # what two columns without a header are
_EXCEL_ERRORS = frozenset(
    ("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!")
)
_SHOWN = 3  # places named in a note; the rest is only counted


@dataclass(frozen=True)
class FailedRow:
    """A row that cannot be taken, and why; ``cells`` stand as in the file, under its header."""

    line: int
    reason: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class ImportedTable:
    """What a file holds.

    ``sources``: the file's rows behind each entry, by the entry's line; ``fields``: the columns
    that each field was read from.
    """

    path: Path
    encoding: str
    header: tuple[str, ...]
    rows: tuple[FaqRow, ...]
    failures: tuple[FailedRow, ...]
    notes: tuple[str, ...]
    sources: Mapping[int, tuple[RawRow, ...]] = field(default_factory=dict, repr=False)
    fields: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def refuse(self, line: int, reason: str) -> tuple[FailedRow, ...]:
        """Return the rows of the entry at ``line`` as failed, for ``write_failures``."""
        return tuple(FailedRow(raw.line, reason, raw.cells) for raw in self.sources[line])


def read_table(
    path: Path,
    *,
    encoding: str | None = None,
    sheet: str | None = None,
    assigned: Mapping[str, Sequence[int]] | None = None,
) -> ImportedTable:
    """Read a FAQ table; ``assigned`` says which field stands in which columns, from 0.

    A row that cannot be taken becomes a ``FailedRow``; TableError is raised if the file as a whole
    cannot be read, or has no column for questions or answers.
    """
    raw = read_rows(path, encoding=encoding, sheet=sheet)
    columns, rows, notes = _columns(raw, assigned)
    notes = [*raw.notes, *notes, columns.describe()]
    if not assigned and columns.serial is not None and not _identifies(columns.serial, rows):
        columns = columns.without_key()
        notes[-1] = columns.describe()
    collector = _Collector(columns)
    for row in rows:
        collector.add(row)
    collector.drop_repeated_wordings()
    return ImportedTable(
        path,
        raw.encoding,
        columns.header,
        tuple(draft.freeze() for draft in collector.drafts),
        tuple(collector.failures),
        (*notes, *collector.notes()),
        {draft.line: tuple(draft.sources) for draft in collector.drafts},
        columns.fields,
    )


def write_failures(path: Path, table: ImportedTable, extra: Sequence[FailedRow] = ()) -> None:
    """Write the failed rows as they were, each behind its reason; ``read_table`` reads it back."""
    failures = sorted((*table.failures, *extra), key=lambda failed: failed.line)
    width = max((len(failed.cells) for failed in failures), default=0)
    # A file that failed before has its old reasons in the file; they are not repeated.
    kept = [i for i, name in enumerate(table.header) if clean_line(name) != FAILURE_COLUMN]
    kept += range(len(table.header), width)
    header = (FAILURE_COLUMN, *(_at(table.header, i) for i in kept))
    lines = (
        (f"第 {failed.line} 行: {failed.reason}", *(_at(failed.cells, i) for i in kept))
        for failed in failures
    )
    write_rows(path, header, lines)


def _columns(
    raw: RawTable, assigned: Mapping[str, Sequence[int]] | None
) -> tuple[Columns, Sequence[RawRow], list[str]]:
    """Return the columns, the rows below the header, and remarks."""
    head = find_header([row.cells for row in raw.lines[:HEADER_DEPTH]])
    if assigned and head is None:
        head = 0
    if head is None:
        widths = [sum(map(bool, map(str.strip, row.cells))) for row in raw.lines[:100]]
        if widths.count(2) * 2 > len(widths):
            return (
                read_header(_POSITIONAL),
                raw.lines,
                [
                    "没有找到表头: 第一列当作问题, 第二列当作答案, 第一行也是数据"
                    f"「{clean_line(raw.header[0])[:20]}」"
                ],
            )
        raise _no_column(raw, raw.lines[0], "表头 (问题列和答案列)")
    header = raw.lines[head].cells
    columns = assign_columns(header, assigned) if assigned else read_header(header)
    if not columns.asks:
        raise _no_column(raw, raw.lines[head], "问题列")
    if not columns.answers:
        raise _no_column(raw, raw.lines[head], "答案列")
    if head + 1 == len(raw.lines):
        raise TableError(
            f"{raw.path}:{raw.lines[head].line}: 只有表头, 没有数据。怎么办: 表头下每行写一条问答"
        )
    above = [f"表头在第 {raw.lines[head].line} 行, 它上面的 {head} 行已跳过"] if head else []
    return columns, raw.lines[head + 1 :], above


def _no_column(raw: RawTable, row: RawRow, what: str) -> TableError:
    names = "、".join(f"「{clean_line(cell)[:20]}」" for cell in row.cells[:12])
    return TableError(
        f"{raw.path}:{row.line}: 没有找到{what}, 这一行是 {names}。"
        "怎么办: 把表头写成 question,answer (或 问题,答案); 若文字不对, 用 --encoding 指定编码"
    )


def _identifies(column: int, rows: Sequence[RawRow]) -> bool:
    """Say whether 序号 tells entries apart for good: unique, and more than a count from 1."""
    values = [text for row in rows if (text := clean_line(_at(row.cells, column)))]
    counted = [str(number) for number in range(1, len(values) + 1)]
    return len(set(values)) == len(values) and values != counted


@dataclass
class _Draft:
    """An entry while rows are still being added to it."""

    line: int
    key: str
    question: str
    form: str  # the question, normalised
    answer: str
    category: str
    variants: list[str]
    negatives: list[str]
    tags: list[str]
    enabled: bool | None
    valid_from: str
    valid_to: str
    related: list[str]
    extra: dict[str, str]
    sources: list[RawRow]

    def lists_only(self, above: "_Draft") -> bool:
        """Say whether a row without question merely goes on with the entry above it."""
        return (
            bool(self.variants or self.negatives or self.tags or self.related)
            and self.key in ("", above.key)
            and self.answer in ("", above.answer)
        )

    def absorb(self, other: "_Draft") -> None:
        """Take over what another row adds; where both say something, the first row counts."""
        self.key = self.key or other.key
        self.category = self.category or other.category
        self.enabled = other.enabled if self.enabled is None else self.enabled
        self.valid_from = self.valid_from or other.valid_from
        self.valid_to = self.valid_to or other.valid_to
        self.variants += other.variants
        self.negatives += other.negatives
        self.tags += other.tags
        self.related += other.related
        self.extra = other.extra | self.extra
        self.sources += other.sources

    def freeze(self) -> FaqRow:
        return FaqRow(
            line=self.line,
            key=self.key,
            question=self.question,
            variants=tuple(self.variants),
            negatives=_distinct(self.negatives),
            answer=self.answer,
            category=self.category,
            tags=tuple(dict.fromkeys(self.tags)),
            enabled=self.enabled is not False,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            related=tuple(dict.fromkeys(self.related)),
            extra=self.extra,
        )


class _Collector:
    """Turns rows into drafts, one row at a time, and remembers what it did about each."""

    def __init__(self, columns: Columns) -> None:
        self.drafts: list[_Draft] = []
        self.failures: list[FailedRow] = []
        self._columns = columns
        self._by_key: dict[str, _Draft] = {}
        self._by_question: dict[str, _Draft] = {}
        self._above: _Draft | None = None
        self._remarks: dict[str, list[str]] = {}

    def add(self, row: RawRow) -> None:
        try:
            self._above = self._place(self._parse(row))
        except CellError as error:
            self.failures.append(FailedRow(row.line, str(error), row.cells))
            self._above = None

    def drop_repeated_wordings(self) -> None:
        """Keep each wording once: a standard question before any similar one, then the first."""
        owners = dict(self._by_question)
        for draft in self.drafts:
            kept, own = [], {draft.form}
            for text in draft.variants:
                form = normalise(text)
                owner = owners.setdefault(form, draft)
                if owner is not draft:
                    self._remark(
                        "相似问与其他条目的问题相同, 已去掉",
                        f"第 {draft.line} 行「{text}」(见第 {owner.line} 行)",
                    )
                elif form in own or not form:
                    self._remark("重复的相似问, 已去掉", f"第 {draft.line} 行「{text}」")
                else:
                    own.add(form)
                    kept.append(text)
            draft.variants = kept

    def notes(self) -> list[str]:
        notes = []
        for remark, places in self._remarks.items():
            more = " 等" if len(places) > _SHOWN else ""
            shown = "; ".join(places[:_SHOWN])
            notes.append(f"{remark} ({len(places)} 处): {shown}{more}")
        return notes

    def _remark(self, what: str, where: str) -> None:
        self._remarks.setdefault(what, []).append(where)

    def _place(self, new: _Draft) -> _Draft:
        """Add a draft, or merge it into the one it belongs to; return that."""
        known, why = self._by_key.get(new.key) if new.key else None, "编号"
        if known is None and not new.form:
            if self._above is None or not new.lists_only(self._above):
                raise CellError("没有问题")
            known, why = self._above, "上面的问题"
        if known is None and new.form in self._by_question:
            known, why = self._by_question[new.form], "问题"
        if known is None:
            if not new.answer:
                raise CellError("没有答案")
            self.drafts.append(new)
            known = new
        else:
            if new.answer not in ("", known.answer):
                raise CellError(f"{why}与第 {known.line} 行相同, 答案却不同")
            if new.form not in ("", known.form):
                known.variants.append(new.question)
            known.absorb(new)
            what = "重复的行, 已合并" if why == "问题" else "同一条目的几行, 已合并"
            self._remark(what, f"第 {new.line} 行 → 第 {known.line} 行")
        if known.key:
            self._by_key[known.key] = known
        self._by_question.setdefault(known.form, known)
        return known

    def _parse(self, row: RawRow) -> _Draft:
        cells, width = row.cells, len(self._columns.header)
        beyond = [text for text in cells[width:] if text.strip()]
        if beyond and not self._columns.open_ended:
            raise CellError(
                f"这一行有 {len(cells)} 列, 表头只有 {width} 列: 单元格里的分隔符要用引号括起"
            )
        for text in cells:
            if text[:1] == "#" and text.strip() in _EXCEL_ERRORS:
                raise CellError(f"单元格是 Excel 错误值 {text.strip()}")
        extra = {
            name: text
            for column, name in self._columns.extra.items()
            if (text := clean_text(_at(cells, column)))
        }
        question, variants = self._question(cells, extra)
        variants += chain(
            self._list(cells, "similar"), map(clean_line, self._all(cells, "wording"))
        )
        if self._columns.open_ended:
            variants += map(clean_line, beyond)
        enabled = self._enabled(cells)
        valid_from, valid_to = (
            read_date(self._one(cells, name)) for name in ("valid_from", "valid_to")
        )
        if valid_from and valid_to and valid_from > valid_to:
            raise CellError(f"生效日 {valid_from} 晚于失效日 {valid_to}")
        return _Draft(
            line=row.line,
            key=clean_line(self._one(cells, "key")),
            question=question,
            form=normalise(question),
            answer=self._answer(cells, row.line),
            category=clean_line(self._one(cells, "category")),
            variants=[text for text in variants if text],
            negatives=self._list(cells, "negative"),
            tags=self._list(cells, "tags", "tags"),
            enabled=enabled,
            valid_from=valid_from,
            valid_to=valid_to,
            related=self._list(cells, "related"),
            extra=extra,
            sources=[row],
        )

    def _question(self, cells: Sequence[str], extra: dict[str, str]) -> tuple[str, list[str]]:
        """Return the standard question, and further ones from the same cell."""
        question, *others = (
            (clean_line(self._one(cells, "question")),)
            if "question" in self._columns.fields
            else split_list(self._one(cells, "questions"), "lines") or ("",)
        )
        if heading := clean_text(self._one(cells, "heading")):
            if question:
                extra[clean_line(self._columns.header[self._columns.fields["heading"][0]])] = (
                    heading
                )
            else:
                question = clean_line(heading)
        return question, others

    def _answer(self, cells: Sequence[str], line: int) -> str:
        if "answer" in self._columns.fields:
            return clean_text(self._one(cells, "answer"))
        text = clean_text(self._one(cells, "answers"))
        parts = [part for piece in text.split("##") if (part := piece.strip())]
        if len(parts) > 1:
            self._remark("几个答案用 ## 隔开, 已连成一个 (空一行)", f"第 {line} 行")
        return "\n\n".join(parts)

    def _enabled(self, cells: Sequence[str]) -> bool | None:
        """Return None if the row says nothing; of two columns, a no counts."""
        said = (
            read_switch(self._one(cells, "enabled")),
            read_switch(self._one(cells, "disabled"), inverse=True),
        )
        return False if False in said else True if True in said else None

    def _one(self, cells: Sequence[str], name: str) -> str:
        columns = self._columns.fields.get(name)
        return _at(cells, columns[0]) if columns else ""

    def _all(self, cells: Sequence[str], name: str) -> list[str]:
        columns = self._columns.fields.get(name, ())
        return [text for column in columns if (text := _at(cells, column))]

    def _list(
        self, cells: Sequence[str], name: str, separators: Separators = "questions"
    ) -> list[str]:
        return [item for text in self._all(cells, name) for item in split_list(text, separators)]


def _distinct(texts: Sequence[str]) -> tuple[str, ...]:
    """Return each wording once, the first of those that normalise to the same."""
    first: dict[str, str] = {}
    for text in texts:
        first.setdefault(normalise(text), text)
    return tuple(text for form, text in first.items() if form)


def _at(cells: Sequence[str], column: int) -> str:
    return cells[column] if column < len(cells) else ""
