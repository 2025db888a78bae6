"""How does a classifier learn from labelled texts when the encoder stays as it is?

In: vectors and their labels. Out: a ``Head`` (logistic regression, scikit-learn), how strongly it
is held back being chosen on texts held out. What cannot be learnt from is refused here.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.classification_scores import Scores
from distill.classifier import Head
from distill.corpus import dedup_key
from distill.errors import TrainingError
from distill.text_table import TextTable, in_lines, require_text

HELD_OUT = 0.2  # share of each label's texts
# Unit vectors differ little in length, so little regularisation is the rule.
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
_RARE = 50  # times fewer rows than the most frequent label


@dataclass(frozen=True)
class LabelledVectors:
    """Vectors float32 (n, d), and the number of each one's label, int64 (n,)."""

    vectors: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class FittedHead:
    """A head, the inverse strength of its regularisation, and how good it was on the dev texts."""

    head: Head
    strength: float
    dev: Scores


@dataclass(frozen=True)
class Parts:
    """Texts that are learnt from and texts that select, with the numbers of their labels."""

    names: tuple[str, ...]
    texts: list[str]
    labels: np.ndarray
    dev_texts: list[str]
    dev_labels: np.ndarray


def parts_of(learned: TextTable, selecting: TextTable | None, seed: int) -> Parts:
    """Part a table in two, or take ``selecting`` for the second part.

    Raises TrainingError or CorpusError for what nothing learns from.
    """
    names = require_learnable(learned, held_out=selecting is None)
    numbers = label_numbers(learned, names)
    if selecting:
        require_text(selecting)
        dev = selecting.texts, label_numbers(selecting, names)
        return Parts(names, learned.texts, numbers, *dev)
    held = hold_out(learned.texts, numbers, seed)
    texts, dev_texts = (
        [text for text, out in zip(learned.texts, held, strict=True) if out == wanted]
        for wanted in (False, True)
    )
    return Parts(names, texts, numbers[~held], dev_texts, numbers[held])


def require_learnable(table: TextTable, *, held_out: bool) -> tuple[str, ...]:
    """Return the labels, sorted; raises TrainingError or CorpusError for what nothing learns from.

    ``held_out``: each label has to give a text to the dev part and keep one.
    """
    require_text(table)
    counts = Counter(table.labels)
    if len(counts) < 2:
        raise TrainingError(
            f"{table.path}: 所有文本都是同一个标签「{table.labels[0]}」, 没有什么可分。"
            f"怎么办: 至少给两种标签"
        )
    texts: dict[str, set[str]] = {}
    for row in table.rows:
        texts.setdefault(row.label, set()).add(dedup_key(row.text) or row.text)
    single = {label for label, found in texts.items() if len(found) < 2}
    if held_out and single:
        label = sorted(single)[0]
        lines = [row.line for row in table.rows if row.label == label]
        raise TrainingError(
            f"{table.path}: 标签「{label}」只有一种文本 ({in_lines(lines)})"
            f"{f', 这样的标签共 {len(single)} 个' if len(single) > 1 else ''}, "
            f"留不出一条来检验。怎么办: 每种标签至少给两条不同的文本, 或合并、删去这样的标签, "
            f"或用 --dev 另给检验的表格"
        )
    return tuple(sorted(counts))


def remarks(table: TextTable) -> list[str]:
    """Say what makes the result worse than it need be: rare labels, contradictions."""
    counts = Counter(table.labels)
    most = max(counts.values())
    found = []
    if rare := sorted(label for label, count in counts.items() if count * _RARE <= most):
        found.append(
            f"标签「{'」「'.join(rare[:5])}」{'等 ' * (len(rare) > 5)}的文本不到最多的标签的"
            f" 1/{_RARE}: 准确率会好看, 它们却很少被认出。怎么办: 补充文本, 或用 --balanced"
        )
    meant: dict[str, set[str]] = {}
    for row in table.rows:
        meant.setdefault(dedup_key(row.text) or row.text, set()).add(row.label)
    if twofold := sum(len(labels) > 1 for labels in meant.values()):
        found.append(f"有 {twofold} 种文本同时带着不同的标签: 请检查标注")
    return found


def label_numbers(table: TextTable, labels: Sequence[str]) -> np.ndarray:
    """Return the number of each row's label, int64 (n,); CorpusError for a label never seen."""
    number = {label: i for i, label in enumerate(labels)}
    if unseen := sorted(set(table.labels) - set(number)):
        lines = [row.line for row in table.rows if row.label not in number]
        raise TrainingError(
            f"{table.path}: 标签「{'」「'.join(unseen[:5])}」在训练时没有出现过 ({in_lines(lines)})"
            f", 不可能预测对。怎么办: 检查写法, 删去这些行, 或把这种标签的文本加进训练的表格再训练"
        )
    return np.array([number[label] for label in table.labels])


def hold_out(texts: Sequence[str], labels: np.ndarray, seed: int = 7) -> np.ndarray:
    """Draw a fifth of each label's texts, at least one; return bool (n,).

    Texts that differ in punctuation only are drawn together: one in each part would flatter.
    """
    keys = np.unique([dedup_key(text) or text for text in texts], return_inverse=True)[1]
    held = np.zeros(len(texts), bool)
    rng = np.random.default_rng(seed)
    for label in np.unique(labels):
        own = rng.permutation(np.unique(keys[labels == label]))
        fresh = [key for key in own if not held[keys == key].any()]
        for key in fresh[: max(1, round(HELD_OUT * len(own)))] if len(own) > 1 else ():
            held |= keys == key
    return held


def fit_head(
    names: Sequence[str],
    train: LabelledVectors,
    dev: LabelledVectors,
    *,
    balanced: bool = False,
    strengths: Sequence[float] = STRENGTHS,
) -> FittedHead:
    """Fit heads of several strengths, and return the one that is best on the dev texts.

    ``balanced``: each label counts the same in learning, and the best has the highest macro-F1
    instead of the highest accuracy. Of equals the more regularised wins.
    """
    best: FittedHead | None = None
    for strength in strengths:
        head = fit_once(names, train, strength, balanced=balanced)
        scores = Scores.of(names, dev.labels, head.predict(dev.vectors))
        found = FittedHead(head, strength, scores)
        if best is None or selects(scores, balanced) > selects(best.dev, balanced):
            best = found
    assert best
    return best


def selects(scores: Scores, balanced: bool) -> float:
    """Return the one number that says which of several heads or epochs is best."""
    return scores.macro_f1 if balanced else scores.accuracy


def fit_once(
    names: Sequence[str], train: LabelledVectors, strength: float, *, balanced: bool = False
) -> Head:
    """Fit one head; labels without any row in ``train`` are never predicted."""
    from sklearn.linear_model import LogisticRegression

    weighing = "balanced" if balanced else None
    model = LogisticRegression(C=strength, max_iter=2000, class_weight=weighing)
    model.fit(train.vectors, train.labels)
    weights, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # one row, of the second label against the first
        weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    whole = np.zeros((len(names), train.vectors.shape[1]), np.float32)
    offset = np.full(len(names), -1e4, np.float32)
    whole[model.classes_], offset[model.classes_] = weights, bias
    return Head(tuple(names), whole, offset)
