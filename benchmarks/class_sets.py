"""Which texts may a classifier learn from, select by, and be reported on?

In: the corpus's folder of labelled sets. Out: ``ClassSet``s: no text of a test part, of these sets
or of any other, is left in what is learnt from or selected by. Large parts are drawn from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distill.corpus import HeldOut, read_rows
from distill.text import normalise

NAMES = {
    "smp2017_ecdt": "SMP2017 意图",
    "tnews_fewclue": "TNEWS 新闻",
    "thucnews10_titles": "THUCNews 标题",
    "online_shopping_cat": "购物评论品类",
    "chnsenticorp_hotel": "酒店评论情感",
    "waimai_10k": "外卖评论情感",
}
MOST_TRAIN, MOST_DEV, MOST_TEST = 10_000, 1_000, 2_048
TRAIN_SHARE = 0.8  # of the dev part, where a set has no other


@dataclass(frozen=True)
class Part:
    """Texts, and the number of each one's label, int64 (n,)."""

    texts: tuple[str, ...]
    labels: np.ndarray

    def draw(self, rows: int, seed: int) -> "Part":
        """Return some rows at random, or all if there are not more."""
        if rows >= len(self.texts):
            return self
        drawn = np.random.default_rng(seed).permutation(len(self.texts))[:rows]
        return Part(tuple(self.texts[i] for i in drawn), self.labels[drawn])


@dataclass(frozen=True)
class ClassSet:
    """One labelled set; ``dropped`` rows of train and dev stood in somebody's test part."""

    name: str
    labels: tuple[str, ...]
    train: Part
    dev: Part
    test: Part
    dropped: int


def reported_texts(corpus: Path) -> HeldOut:
    """Read every text that is there for reporting only.

    A FAQ made of a dev part is none: without its texts, only one label would be left of that part.
    """
    faqs = [file for file in corpus.glob("faq/*/queries.csv") if "_dev" not in file.parent.name]
    files = [
        *corpus.glob("class/*/test.tsv"),
        *corpus.glob("pairs/*/test*"),
        *faqs,
        *corpus.glob("pairs/afqmc/dev*"),
    ]
    return HeldOut.read(file for file in files if file.is_file())


def read_class_set(corpus: Path, name: str, held_out: HeldOut) -> ClassSet:
    """Read a set's three parts."""
    folder = corpus / "class" / name
    dev, test = _rows(folder / "dev.tsv"), _rows(folder / "test.tsv")
    if (folder / "train.tsv").exists():
        train = _rows(folder / "train.tsv")
    else:
        order = np.random.default_rng(0).permutation(len(dev))
        cut = round(TRAIN_SHARE * len(dev))
        train, dev = [dev[i] for i in order[:cut]], [dev[i] for i in order[cut:]]
    whole = len(train) + len(dev)
    train, dev = ([row for row in part if not held_out.holds(row[0])] for part in (train, dev))
    labels = tuple(sorted({label for _, label in (*train, *dev, *test)}))
    parts = [
        _part(rows, labels).draw(most, 0)
        for rows, most in ((train, MOST_TRAIN), (dev, MOST_DEV), (test, MOST_TEST))
    ]
    return ClassSet(name, labels, *parts, whole - len(train) - len(dev))


def _rows(file: Path) -> list[tuple[str, str]]:
    return [(row[0], row[-1]) for row in read_rows(file) if normalise(row[0])]


def _part(rows: Sequence[tuple[str, str]], labels: Sequence[str]) -> Part:
    number = {label: i for i, label in enumerate(labels)}
    return Part(tuple(text for text, _ in rows), np.array([number[label] for _, label in rows]))
