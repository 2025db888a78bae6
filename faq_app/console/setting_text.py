"""How does one read what a setting holds? As far as it says anything to people.

In: the name of a setting, and its value as stored. Out: text.
"""

import json
from collections.abc import Mapping
from typing import Any

from faq_app.wording import SETTING as WORDING
from indexer.reasons import SIGNALS

_LONGEST = 300  # characters of a value


def value_of(name: str, value: Any) -> str:
    """Say what a setting is; None: it is not set."""
    if name == "calibration" and value:
        chosen, source = value["thresholds"], value.get("source")
        said = f"直接回答 ≥ {chosen['answer']}, 反问 ≥ {chosen['clarify']}"
        return f"{said}; 来自{source}" if source else said
    if name == "calibration":
        return "编码器自带的"
    if name == "signals" and value:
        return ", ".join(f"{SIGNALS.get(n, n)} {weight:g}" for n, weight in value.items())
    if name == "signals":
        return "按问法的多少自动选"
    if name == WORDING and value:
        texts = (
            "、".join(text) if isinstance(text, list) else str(text) for text in value.values()
        )
        return plain("; ".join(text for text in texts if text))
    if name == WORDING:
        return "原来的"
    return plain(value)


def plain(value: Any) -> str:
    """Return any value as text, cut off where it becomes too long to read."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, tuple | list):
        text = "; ".join(map(str, value)) or "–"
    elif isinstance(value, Mapping):
        text = json.dumps(dict(value), ensure_ascii=False)
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
