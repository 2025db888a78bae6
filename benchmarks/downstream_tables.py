"""What do downstream.json and evaluators.json say of the vectors? Tables and another tool's words.

In: the result files, read by tables.py. Out: Markdown.
"""

from collections.abc import Mapping
from typing import Any

from markdown_table import table

SYSTEMS = {
    "ours": "**本项目**",
    "character_tfidf": "字符 TF-IDF",
    "static": "静态词向量",
    "teacher": "教师",
}


def linear(downstream: Mapping) -> str:
    """Return accuracy of a linear layer on frozen vectors, by set: few rows / a thousand / all."""
    rows = [
        (label, *(_accuracies(found["accuracy"][part]) for part in downstream["sets"]))
        for label, found in _systems(downstream)
    ]
    note = (
        "向量不动,只拟合线性层:标注 100 行 / 1000 行 / 全部(最多 "
        f"{downstream['drawn']['train']} 行)时的准确率,{downstream['seeds']} 个种子的平均,"
        "强度在 dev 上选,test 只读一次:"
    )
    return f"{note}\n\n{table(('准确率 %', *_titles(downstream)), rows)}"


def clustering(downstream: Mapping) -> str:
    """Return V-measure of k-means, and of the groups whose number is found."""
    rows = [
        (label, *(_measures(found["clustering"][part]) for part in downstream["sets"]))
        for label, found in _systems(downstream)
    ]
    note = (
        "test 部分分组,与标签比:给定组数(标签数,k 均值)/ 自动找组数(`distill cluster` 的做法,"
        "组比标签多得多)的 V-measure:"
    )
    return f"{note}\n\n{table(('V-measure × 100', *_titles(downstream)), rows)}"


def printed(evaluators: Mapping) -> str:
    """Return what sentence-transformers' evaluators printed of the encoder."""
    return "\n".join(["```text", *evaluators["printed"], "```"])


def _systems(downstream: Mapping) -> list[tuple[str, Mapping[str, Any]]]:
    found = downstream["systems"]
    return [(label, found[name]) for name, label in SYSTEMS.items() if name in found]


def _titles(downstream: Mapping) -> list[str]:
    return [each["title"] for each in downstream["sets"].values()]


def _accuracies(by_rows: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    most = max(by_rows, key=int)
    shown = dict.fromkeys(("100", "1000", most))  # a small set may have no 1,000
    return " / ".join(
        f"{100 * by_rows[rows]['accuracy']['mean']:.1f}" if rows in by_rows else "–"
        for rows in shown
    )


def _measures(figures: Mapping[str, Mapping[str, float]]) -> str:
    keys = ("v_measure", "v_measure_found")
    return " / ".join(
        f"{100 * figures[key]['mean']:.1f}" if key in figures else "–" for key in keys
    )
