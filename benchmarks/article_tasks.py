"""Which tasks are compressors compared on? Labelled sets, and pairs that mean the same or not.

In: the corpus. Out: ``Task``s. No text of any test part is learnt from or selected by; large parts
are drawn from, and of every text the same first characters are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from cells import digest
from class_sets import MOST_DEV, MOST_TEST, MOST_TRAIN, NAMES, read_class_set
from distill.compressors.examples import Examples, Problem, shortened
from distill.compressors.methods import LABELS, PAIRS
from distill.corpus import NOTHING, HeldOut, read_pairs

CLASS_SETS = tuple(name for name in NAMES if name != "waimai_10k")  # of two sets of sentiment, one
PAIR_SETS = {"bq": "BQ", "atec": "ATEC"}
TRANSFER = {"bq": "lcqmc"}  # has no training split: the model that learnt from the other reads it
TITLES = {**NAMES, **PAIR_SETS, "lcqmc": "LCQMC"}


@dataclass(frozen=True)
class Most:
    """How many rows of each part are used."""

    train: int = MOST_TRAIN
    dev: int = MOST_DEV
    test: int = MOST_TEST


@dataclass(frozen=True)
class Task:
    """One set; ``tests`` are its own test part and others' that are read without learning.

    ``dropped`` rows of train and dev held a text of some test part.
    """

    name: str
    kind: str  # LABELS or PAIRS
    classes: int
    train: Examples
    dev: Examples
    tests: Mapping[str, Examples]
    dropped: int

    def problem(self, rows: int, seed: int) -> Problem:
        """Return what a method learns from: some rows at random, or all."""
        return Problem(drawn(self.train, rows, seed), self.dev, self.classes)

    @cached_property
    def digest(self) -> str:
        """A name that changes with any text or label."""
        parts = (self.train, self.dev, *self.tests.values())
        return digest(*[(part.texts, part.others, part.labels.tolist()) for part in parts])


def read_task(corpus: Path, name: str, held_out: HeldOut, most: Most) -> Task:
    """Read a task's parts; ``held_out`` are the texts of all test parts."""
    if name in PAIR_SETS:
        folder = corpus / "pairs" / name
        train, lost = _pairs(folder / "train_partial.tsv", held_out)
        dev, lost_too = _pairs(folder / "dev.tsv", held_out)
        tests = {
            each: drawn(_pairs(corpus / "pairs" / each / "test.tsv")[0], most.test, 0)
            for each in (name, TRANSFER.get(name))
            if each
        }
        train, dev = drawn(train, most.train, 0), drawn(dev, most.dev, 0)
        return Task(name, PAIRS, 2, train, dev, tests, lost + lost_too)
    given = read_class_set(corpus, name, held_out)
    train, dev, test = (
        drawn(Examples.of(part.texts, part.labels), rows, 0)
        for part, rows in (
            (given.train, most.train),
            (given.dev, most.dev),
            (given.test, most.test),
        )
    )
    return Task(name, LABELS, len(given.labels), train, dev, {name: test}, given.dropped)


def drawn(examples: Examples, rows: int, seed: int) -> Examples:
    """Return some examples at random, or all if there are not more."""
    if rows >= len(examples):
        return examples
    order = np.random.default_rng(seed).permutation(len(examples))[:rows]
    texts, others = (
        tuple(side[i] for i in order) if side else () for side in (examples.texts, examples.others)
    )
    return Examples(texts, examples.labels[order], others)


def _pairs(file: Path, held_out: HeldOut = NOTHING) -> tuple[Examples, int]:
    pairs = [p for p in read_pairs([file]) if shortened(p.first) and shortened(p.second)]
    kept = [pair for pair in pairs if not held_out.holds(pair.first, pair.second)]
    labels = np.array([pair.label > 0 for pair in kept])
    if len(set(labels.tolist())) < 2:
        raise SystemExit(f"{file}: {len(kept)} of {len(pairs)} pairs are left, of one label only")
    firsts, seconds = ([getattr(p, side) for p in kept] for side in ("first", "second"))
    return Examples.of(firsts, labels, seconds), len(pairs) - len(kept)
