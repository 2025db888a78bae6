"""Which goals does the default encoder reach? One table for the model card, read by tables.py.

In: quality.json and speed.json. Out: Markdown.
"""

from collections.abc import Mapping

from markdown_table import table

SPEARMAN = {"atec": 39, "bq": 52, "lcqmc": 72, "stsb": 74}
NAMES = {"atec": "ATEC", "bq": "BQ", "lcqmc": "LCQMC", "stsb": "STS-B"}
TIMES_FASTER = (
    ("bert_base_pytorch", "BERT-base in PyTorch", 1, 250),
    ("bert_base_onnxruntime_int8", "BERT-base int8 in onnxruntime", 1, 80),
    ("bert_base_pytorch", "BERT-base in PyTorch", 64, 100),
)


def goals(quality: Mapping, speed: Mapping) -> str:
    """Return each goal, what was measured, and whether it is reached."""
    ours, exact = (quality["spearman"][name] for name in ("ours", "ours_float32"))
    rows = [
        _at_most("weights in float32, MB", speed["student_float32_bytes"] / 1e6, 22),
        _at_most("bundle, MB", speed["bundle_bytes"] / 1e6, 8),
        *(
            _at_least(f"{NAMES[name]}, Spearman", ours[name], goal, 1)
            for name, goal in SPEARMAN.items()
        ),
        _at_most(
            "int8 against float32, largest loss on a set, points",
            max(exact[name] - ours[name] for name in ours),
            0.3,
        ),
        *(
            _at_least(
                f"times faster than {label}, {batch} of 16 characters, 2 threads",
                speed["times_faster"][f"than {name}, {batch} a call, 2 threads"],
                goal,
            )
            for name, label, batch, goal in TIMES_FASTER
        ),
        _at_most("peak memory of encoding alone, MB", speed["peak_memory_mb"]["encode_only"], 160),
    ]
    return table(("", "goal", "measured", "reached"), rows)


def _at_most(what: str, measured: float, goal: float) -> tuple[str, ...]:
    return what, f"≤ {goal:g}", f"{measured:.3g}", _reached(measured <= goal)


def _at_least(what: str, measured: float, goal: float, digits: int = 0) -> tuple[str, ...]:
    return what, f"≥ {goal:g}", f"{measured:.{digits}f}", _reached(measured >= goal)


def _reached(holds: bool) -> str:
    return "yes" if holds else "**no**"
