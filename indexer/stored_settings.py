"""Can a revision's settings be used as they are stored? Whoever writes to the database may err.

In: the settings of a snapshot. Out: nothing, or StoreError that names the setting, what is wrong
with it, and the command that repairs it. Whoever serves an older revision then goes on with that.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from indexer.calibration import EVIDENCE, from_json
from indexer.errors import StoreError
from indexer.lexicon import clean_factor, clean_keyword
from indexer.records import Signals
from indexer.revisions import setting_name


def require_sound(settings: Mapping[str, Any], path: Path) -> None:
    """Raise StoreError for the first setting that decides replies and cannot be used."""
    for name, (check, command) in _CHECKS.items():
        value = settings.get(name)
        if value is None:
            continue
        try:
            check(value)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(
                f"{path}: 设置「{setting_name(name)}」({name}) 不能用: {error}。"
                f"怎么办: {command} --db {path}"
            ) from error


def _signals(stored: Any) -> None:
    names = {field.name for field in fields(Signals)}
    if not isinstance(stored, Mapping):
        raise ValueError("不是各信号的权重")
    if unknown := set(stored) - names:  # one that is not named weighs nothing
        raise ValueError(f"没有信号 {', '.join(sorted(unknown))}, 只有 {', '.join(sorted(names))}")
    for name, weight in stored.items():
        if not _is_number(weight) or not 0 <= weight < math.inf:  # nor is NaN
            raise ValueError(f"{name} 的权重 {weight} 不是 ≥ 0 的数")
    if not any(stored.values()):
        raise ValueError("所有信号的权重都是 0, 什么也找不到")


def _negation_guard(stored: Any) -> None:
    if not isinstance(stored, bool):
        raise ValueError(f"{stored!r} 不是 true 或 false")


def _keywords(stored: Any) -> None:
    for word, factor in stored.items():
        if not _is_number(factor):
            raise ValueError(f"「{word}」的权重 {factor!r} 不是数")
        try:
            clean_keyword(word), clean_factor(factor)
        except ValueError as error:
            raise ValueError(f"关键词「{word}」: {error}") from error


def _synonyms(stored: Any) -> None:
    for group in stored:
        if not isinstance(group, list | tuple) or len(group) < 2:
            raise ValueError(f"{group!r} 不是一组两个以上的词")
        if not all(isinstance(word, str) and word for word in group):
            raise ValueError(f"{group!r} 里有不是词的")


def _calibration(stored: Any) -> None:
    if not isinstance(stored, Mapping) or not isinstance(stored["encoder"], str):
        raise TypeError("不是一份校准")
    # One of an earlier version is not read: see Calibration.of.
    if stored.get("evidence") == [*EVIDENCE]:
        from_json(stored)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_CHECKS: Mapping[str, tuple[Callable[[Any], None], str]] = {
    "signals": (_signals, "python -m indexer signals --reset"),
    "negation_guard": (_negation_guard, "python -m indexer signals --negation-guard"),
    "keywords": (_keywords, "python -m indexer keywords import 关键词表"),
    "synonyms": (_synonyms, "python -m indexer synonyms clear"),
    "calibration": (_calibration, "python -m indexer thresholds --reset"),
}
