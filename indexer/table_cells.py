"""What does one cell of a FAQ table say, and how is a value written into one?

In: the text of a cell. Out: clean text, a list, a switch or a date; and back. Nothing here knows
of columns or files.
"""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Literal

Separators = Literal["questions", "tags", "lines"]

# Zero-width, direction and control characters; a joiner stays only inside an emoji sequence.
_INVISIBLE = re.compile(
    "[\u00ad\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]"
    "|(?<![\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d"
)
# Excel's own escape for CR sometimes survives as text.
_BREAK = re.compile(r"_x000D_\r?\n?|\r\n?")
_NUMBERING = re.compile(
    r"(?:\d{1,3}\s*(?:[、)）]|[.．](?!\d))\s*|[-*•·]\s+|(?:[Qq]|问|问题)\d*\s*[:：]\s*)"
)
# The first that occurs splits. Commas are part of questions; only tags are split by them.
_LINES = (re.compile(r"\n"),)
_QUESTIONS = (re.compile("##"), *_LINES, re.compile(r"[|｜]"), re.compile(r"[;；]"))
_SEPARATORS: dict[str, tuple[re.Pattern[str], ...]] = {
    "lines": _LINES,
    "questions": _QUESTIONS,
    "tags": (*_QUESTIONS, re.compile(r"[,，]"), re.compile("、")),
}
# Azure's SuggestedQuestions and Prompts, FastGPT's indexes: where an object keeps its words.
_JSON_WORDS = ("question", "displayText", "text", "clusterHead", "alternateQuestionList")

# Yes or no answers the column's question; on or off says the same in every column.
_YES = ("1", "true", "t", "yes", "y", "是", "√", "✓", "✔")
_NO = ("0", "false", "f", "no", "n", "否", "×", "x", "✗")
_ON = (
    *("启用", "已启用", "启用中", "开启", "已开启", "开", "正常", "有效", "生效", "已生效"),
    *("生效中", "上线", "已上线", "发布", "已发布", "on", "enabled", "enable", "active"),
)
_OFF = (
    *("停用", "已停用", "禁用", "已禁用", "未启用", "关闭", "已关闭", "关", "失效", "已失效"),
    *("无效", "未生效", "下线", "已下线", "未发布", "草稿"),
    *("off", "disabled", "disable", "inactive"),
)
_NO_DATE = frozenset(("", "-", "/", "无", "永久", "长期", "不限", "永久有效", "长期有效"))
_DATE = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T].*)?|(\d\d)(\d\d))")


class CellError(ValueError):
    """This cell, and so its row, cannot be taken; the message says why, for the person."""


def clean_line(text: str) -> str:
    """Return a question or name as people should see it: one line, nothing invisible."""
    text = _INVISIBLE.sub("", text)
    if "&nbsp;" in text or "_x000D_" in text:
        text = text.replace("&nbsp;", " ").replace("_x000D_", " ")
    return " ".join(text.split())


def clean_text(text: str) -> str:
    r"""Return an answer verbatim, but with ``\n`` for every line break and no outer blank."""
    if "\r" in text or "_x000D_" in text:
        text = _BREAK.sub("\n", text)
    return text.strip()


def split_list(text: str, separators: Separators = "questions") -> tuple[str, ...]:
    """Split a cell of several questions or tags: JSON list, or the first separator that occurs."""
    text = clean_text(text)
    if text.startswith("[") and text.endswith("]"):
        try:
            return tuple(filter(None, map(clean_line, _words(json.loads(text)))))
        except (ValueError, RecursionError):
            pass  # a question may begin with [ too
    pattern = next((p for p in _SEPARATORS[separators] if p.search(text)), None)
    items = [clean_line(item) for item in (pattern.split(text) if pattern else (text,))]
    items = [item for item in items if item]
    if all(_NUMBERING.match(item) for item in items):
        items = [stripped for item in items if (stripped := _NUMBERING.sub("", item, count=1))]
    return tuple(items)


def join_list(items: Sequence[str], separators: Separators = "questions") -> str:
    """Write a list so that ``split_list`` gives it back: one item a line, else as a JSON list."""
    text = "\n".join(items)
    if split_list(text, separators) == tuple(items):
        return text
    return json.dumps(list(items), ensure_ascii=False)


def read_switch(text: str, *, inverse: bool = False) -> bool | None:
    """Read 是/否 and 启用/停用; None for an empty cell, CellError for anything else.

    ``inverse``: the column asks 是否停用. That turns 是 round, but 停用 still means what it says.
    """
    word = clean_line(text).lower()
    if not word:
        return None
    if word in _YES or word in _NO:
        return (word in _YES) != inverse
    if word in _ON or word in _OFF:
        return word in _ON
    raise CellError(f"看不懂是否启用: 「{word[:20]}」(可写 是/否、启用/停用、TRUE/FALSE)")


def read_date(text: str) -> str:
    """Read a day as ``2026-01-31``; "" for an empty cell or 长期, CellError for anything else."""
    word = clean_line(text)
    if word in _NO_DATE:
        return ""
    if match := _DATE.fullmatch(word):
        year, month, day = match[1], match[2] or match[4], match[3] or match[5]
        try:
            return date(int(year), int(month), int(day)).isoformat()
        except ValueError:
            pass  # 2026-02-30
    raise CellError(f"看不懂日期: 「{word[:20]}」(写成 2026-01-31)")


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
    elif isinstance(value, dict):
        for name in _JSON_WORDS:
            yield from _words(value.get(name))
