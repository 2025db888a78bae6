"""How often is a classifier right, with which labels, and what does it take for what?

In: the right label of each text and the predicted one. Out: ``Scores``, as JSON or as a table.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class LabelScores:
    """Measures of one label, from 0 to 1; ``rows`` is how many texts have it."""

    label: str
    rows: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Scores:
    """Accuracy; macro-F1, in which each label counts the same; and all that lies behind them."""

    rows: int
    accuracy: float
    macro_f1: float
    labels: tuple[LabelScores, ...]
    confusion: np.ndarray  # int64 (k, k): right label by row, predicted by column

    @classmethod
    def of(cls, names: Sequence[str], right: np.ndarray, predicted: np.ndarray) -> "Scores":
        """Compare label numbers int64 (n,) of k ``names``; macro-F1 is over labels that occur."""
        k = len(names)
        confusion = np.bincount(right * k + predicted, minlength=k * k).reshape(k, k)
        hits = confusion.diagonal()
        rows, columns = confusion.sum(axis=1), confusion.sum(axis=0)
        precision, recall = hits / np.maximum(columns, 1), hits / np.maximum(rows, 1)
        f1 = 2 * hits / np.maximum(rows + columns, 1)
        each = tuple(
            LabelScores(name, int(rows[i]), float(precision[i]), float(recall[i]), float(f1[i]))
            for i, name in enumerate(names)
        )
        return cls(
            len(right),
            float(hits.sum() / len(right)),
            float(f1[rows > 0].mean()),
            each,
            confusion,
        )

    def as_json(self) -> dict[str, object]:
        """Return everything as values of JSON."""
        values = asdict(self)
        values["labels"] = list(values["labels"])
        values["confusion"] = self.confusion.tolist()
        return values

    def as_text(self) -> str:
        """Return the measures, the labels worst first, and what is most often confused."""
        lines = [
            f"{self.rows} 条文本, 准确率 {100 * self.accuracy:.1f} %, "
            f"宏平均 F1 {100 * self.macro_f1:.1f} %",
            "",
            "  精确率    召回率      F1    条数  标签",
        ]
        lines += [
            f"{100 * each.precision:7.1f} {100 * each.recall:9.1f} {100 * each.f1:7.1f} "
            f"{each.rows:7d}  {each.label}"
            for each in sorted(self.labels, key=lambda each: (each.f1, each.label))
        ]
        if pairs := self._confused():
            lines += ["", "最常混淆 (应有的标签 → 预测的标签):"]
            lines += [f"{count:7d}  {right} → {wrong}" for count, right, wrong in pairs[:10]]
        return "\n".join(lines)

    def _confused(self) -> list[tuple[int, str, str]]:
        names = [each.label for each in self.labels]
        off = self.confusion - np.diag(self.confusion.diagonal())
        found = [(int(off[i, j]), names[i], names[j]) for i, j in np.argwhere(off)]
        return sorted(found, key=lambda pair: (-pair[0], pair[1:]))
