"""What does a column of somebody's FAQ table mean?

In: the header row of any known tool's template. Out: ``Columns``, which says where each field of an
entry stands and which columns are kept by name. Nothing here reads a file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from distill.text import normalise
from indexer.table_cells import clean_line

# Our own header, as exported. Every name is the first alias of its field, so it always wins.
HEADER = (
    "id", "category", "question", "similar_questions", "negative_questions", "answer", "tags",
    "enabled", "valid_from", "valid_to", "related",
)  # fmt: skip
HEADER_DEPTH = 10  # rows looked at: titles and instructions stand above some headers
FAILURE_COLUMN = "错误原因"

# Field → aliases, best first. Compared after `_bare`, that is: in lower case, simplified Chinese,
# without blanks, `_`, `-`, `*` and everything in brackets.
_ALIASES = {
    "key": "id qnaid qid dataid 编号 知识id faqid seqid 序号",
    "question": "question q 标准问 标准问题 标准问法 标准提问 standardquestion 主问题 问题 提问 "
                "faq标题 知识标题",
    "questions": "questions",  # several in a cell, the first is the standard question
    "similar": "similarquestions 相似问 相似问题 相似问法 扩展问 扩展问法 相似提问 "
               "alternatequestions suggestedquestions",
    "negative": "negativequestions negativeexamples 反例问题 反例 否定问法 否定关键词",
    "answer": "answer a 答案 回答 回复 答案内容 标准答案 解答 response",
    "answers": "answers botanswers 机器人回答",  # several in a cell
    "category": "category 分类 类目 类别 问题类别 目录 topic skillname skill tagname categoryid "
                "dirid",
    "tags": "tags tag 标签 labels metadata keywords 关键词 关键字",
    "enabled": "enabled 是否启用 启用 状态 isenabled",
    "disabled": "disabled 是否停用 停用 disable",
    "valid_from": "validfrom 生效时间 生效开始时间 开始时间 有效期起",
    "valid_to": "validto 失效时间 结束时间 有效期止 expire",
    "related": "related 关联问题 关联问 相关问题 suggestlist prompts",
    "ignored": FAILURE_COLUMN,
}  # fmt: skip
_FIELD_OF = {
    alias: (field, rank)
    for field, aliases in _ALIASES.items()
    for rank, alias in enumerate(aliases.split())
}
# MaxKB: 问题 holds one question a line; the title is used where 问题 is empty.
_MAXKB = {
    "分段内容": "answer", "sectioncontent": "answer", "分段标题": "heading",
    "sectiontitle": "heading", "问题": "questions", "question": "questions",
}  # fmt: skip
# One question a column: QnABot question1…n, FastGPT indexes and index1…n.
_NUMBERED_QUESTION = re.compile(r"question\d+")
_INDEX = re.compile(r"index(?:es|\d+)")
# Fields that may come from several columns; of the others the best alias is taken.
_PLURAL = frozenset(("similar", "wording", "negative", "tags", "related", "ignored"))
_LABELS = {
    "key": "编号", "question": "问题", "questions": "问题(多个)", "heading": "备用问题",
    "similar": "相似问", "wording": "相似问", "negative": "反例", "answer": "答案",
    "answers": "答案(多个)", "category": "分类", "tags": "标签", "enabled": "是否启用",
    "disabled": "是否停用", "valid_from": "生效日", "valid_to": "失效日", "related": "关联问题",
}  # fmt: skip
# Fields that a person can give columns to, by what they are called.
ASSIGNABLE = {
    name: _LABELS[name]
    for name in (
        "question", "similar", "answer", "category", "key", "negative", "tags", "enabled",
        "valid_from", "valid_to",
    )
}  # fmt: skip
_LEADING_BRACKET = re.compile(r"^[(\[【][^)\]】]*[)\]】]")
_BRACKET = re.compile(r"[(\[【].*")
_FILLERS = re.compile(r"[\s_\-*]")


@dataclass(frozen=True)
class Columns:
    """Which column holds which field; ``extra`` are those kept under their own name."""

    fields: Mapping[str, tuple[int, ...]]
    extra: Mapping[int, str]
    header: tuple[str, ...]
    open_ended: bool = False  # more questions may follow to the right of the last header

    @property
    def asks(self) -> bool:
        """Say whether a question column was found."""
        return not self.fields.keys().isdisjoint(("question", "questions"))

    @property
    def answers(self) -> bool:
        """Say whether an answer column was found."""
        return not self.fields.keys().isdisjoint(("answer", "answers"))

    def describe(self) -> str:
        """Say in Chinese which field was read from which column."""
        named = {
            label: [self.header[i] for f, at in self.fields.items() if _LABELS.get(f) == label
                    for i in at if i < len(self.header)]
            for label in dict.fromkeys(_LABELS.values())
        }  # fmt: skip
        parts = [
            f"{label} ← 「{'」「'.join(clean_line(name) or '(无名列)' for name in names)}」"
            for label, names in named.items()
            if names
        ]
        if kept := [name for i, name in self.extra.items() if self.header[i].strip()]:
            parts.append(f"原样保留: {'、'.join(kept)}")
        return "列的含义: " + "; ".join(parts)

    @property
    def serial(self) -> int | None:
        """Return the column of 序号, if that is what was taken for the id; else None."""
        column = self.fields.get("key", (None,))[0]
        return column if column is not None and _bare(self.header[column]) == "序号" else None

    def without_key(self) -> "Columns":
        """Return the same columns, but what was the id is only kept by name."""
        fields = {field: at for field, at in self.fields.items() if field != "key"}
        used = {column for columns in fields.values() for column in columns}
        extra = MappingProxyType(_extra_names(self.header, used))
        return replace(self, fields=MappingProxyType(fields), extra=extra)


def read_header(header: Sequence[str]) -> Columns:
    """Map a header row to fields. Unknown names are kept as extra columns, never dropped."""
    bare = [_bare(name) for name in header]
    found: dict[str, list[tuple[int, int]]] = {}  # field → (rank, column)
    for column, name in enumerate(bare):
        if field := _field(name, column, bare):
            found.setdefault(field, []).append((_FIELD_OF.get(name, ("", 0))[1], column))
    if "question" not in found and "questions" not in found:
        if numbered := [c for c, name in enumerate(bare) if _NUMBERED_QUESTION.fullmatch(name)]:
            # QnABot has no question column: the first numbered one is the standard question.
            found["question"] = [(0, numbered[0])]
            found["wording"].remove((0, numbered[0]))
        elif "title" in bare:
            found["question"] = [(0, bare.index("title"))]
    fields = {
        field: tuple(column for _, column in places) if field in _PLURAL else (min(places)[1],)
        for field, places in found.items()
        if places
    }
    if "question" in fields:
        fields.pop("questions", None)
    if "answer" in fields:
        fields.pop("answers", None)
    used = {column for columns in fields.values() for column in columns}
    return Columns(
        MappingProxyType(fields),
        MappingProxyType(_extra_names(header, used)),
        tuple(header),
        bool(bare) and _is_index(len(bare) - 1, bare),
    )


def assign_columns(header: Sequence[str], fields: Mapping[str, Sequence[int]]) -> Columns:
    """Take a person's word for which field stands in which columns; others are kept by name.

    Raises ValueError for a field or column that there is not, or a column given twice.
    """
    used = [column for columns in fields.values() for column in columns]
    if unknown := [name for name in fields if name not in ASSIGNABLE]:
        raise ValueError(f"no such field: {unknown[0]}")
    if wrong := [column for column in used if not 0 <= column < len(header)]:
        raise ValueError(f"no such column: {wrong[0]}")
    if twice := [column for column in used if used.count(column) > 1]:
        raise ValueError(f"列「{clean_line(header[twice[0]])}」给了两个字段。怎么办: 只选一次")
    taken = {field: tuple(columns) for field, columns in fields.items() if columns}
    extra = MappingProxyType(_extra_names(header, set(used)))
    return Columns(MappingProxyType(taken), extra, tuple(header))


def find_header(rows: Sequence[Sequence[str]]) -> int | None:
    """Return which of the first rows is the header, or None if none of them is one.

    A row with question and answer is; failing that, one with either, so that the message about the
    missing column can show what is there.
    """
    maps = [read_header(row) for row in rows[:HEADER_DEPTH]]
    whole = (i for i, columns in enumerate(maps) if columns.asks and columns.answers)
    partly = (i for i, columns in enumerate(maps) if columns.asks or columns.answers)
    return next(whole, next(partly, None))


def recognised(cells: Sequence[str], *, chinese_only: bool = False) -> int:
    """Count the cells that are known header names; only Chinese ones prove an encoding."""
    names = [name for name in map(_bare, cells) if not (chinese_only and name.isascii())]
    return sum(
        name in _FIELD_OF
        or name in _MAXKB
        or bool(_NUMBERED_QUESTION.fullmatch(name) or _INDEX.fullmatch(name))
        for name in names
    )


def _bare(name: str) -> str:
    if len(name) > 100:
        return ""  # an answer, not a name; normalising it ten times over would be slow
    name = _LEADING_BRACKET.sub("", normalise(name))
    return _FILLERS.sub("", _BRACKET.sub("", name))


def _field(name: str, column: int, bare: Sequence[str]) -> str:
    if name in _MAXKB and ("分段内容" in bare or "sectioncontent" in bare):
        return _MAXKB[name]
    if name in ("标签", "tag") and not {"机器人回答", "botanswers"}.isdisjoint(bare):
        # WeKnora calls the category 标签, unless it has one.
        return "tags" if "分类" in bare else "category"
    if _NUMBERED_QUESTION.fullmatch(name) or _is_index(column, bare):
        return "wording"
    return _FIELD_OF.get(name, ("", 0))[0]


def _is_index(column: int, bare: Sequence[str]) -> bool:
    """FastGPT: ``indexes``, and nameless columns to the right of it."""
    while column and not bare[column]:
        column -= 1
    return bool(_INDEX.fullmatch(bare[column]))


def _extra_names(header: Sequence[str], used: set[int]) -> dict[int, str]:
    names: dict[int, str] = {}
    for column, cell in enumerate(header):
        if column in used:
            continue
        plain = name = clean_line(cell) or f"列{column + 1}"
        copies = 2
        while name in names.values():
            # In brackets, because a bare number would make question into question2.
            name = f"{plain} ({copies})"
            copies += 1
        names[column] = name
    return names
