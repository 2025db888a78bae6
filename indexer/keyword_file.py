"""How do keyword weights leave as a file, and come back? A table of two columns, 关键词 and 倍数.

In: a csv, tsv, txt or xlsx. Out: factors by word, normalised; one faulty line, and nothing is
taken.
"""

from collections.abc import Mapping
from pathlib import Path

from indexer.errors import TableError
from indexer.lexicon import clean_keyword, with_keyword
from indexer.table_export import write_rows
from indexer.table_file import read_rows

_HEADER = ("关键词", "倍数")
_HEADERS = (_HEADER, ("word", "factor"))
_SHOWN = 5  # faulty lines that are named


def read_keywords(path: Path) -> dict[str, float]:
    """Return what a file says. Raises TableError with every faulty line and column, up to a few."""
    factors: dict[str, float] = {}
    lines: dict[str, int] = {}
    faults = []
    for row in read_rows(path).lines:
        word, number, *_ = (*(cell.strip() for cell in row.cells), "", "")
        if (word.lower(), number.lower()) in _HEADERS or not (word or number):
            continue
        column = _HEADER[0]
        try:
            word = clean_keyword(word)
            if first := lines.get(word):
                raise ValueError(f"「{word}」在第 {first} 行已经有了")
            lines[word] = row.line
            column = _HEADER[1]
            # 1 changes nothing: the word is simply not among the changed ones.
            factors = with_keyword(factors, word, _factor(number))
        except ValueError as error:
            faults.append(f"第 {row.line} 行「{column}」列: {error}")
    if faults:
        more = f" (共 {len(faults)} 行)" if len(faults) > _SHOWN else ""
        raise TableError(
            f"{path.name}: {'; '.join(faults[:_SHOWN])}{more}, 什么也没有导入。"
            "怎么办: 每行写 关键词,倍数, 如 花呗,2"
        )
    return factors


def write_keywords(path: Path, factors: Mapping[str, float]) -> None:
    """Write the changed words as .csv or .xlsx; ``read_keywords`` reads it back."""
    write_rows(
        path, _HEADER, ((word, repr(factor).removesuffix(".0")) for word, factor in factors.items())
    )


def _factor(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"倍数「{text[:20]}」不是数字") from None
