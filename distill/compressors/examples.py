"""What does a task show a model? Texts, or pairs of texts, each with the number of its label.

In: texts, labels. Out: ``Examples``, every text cut to the same first characters, so that no method
reads more of it than another.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from distill.text import normalise

CHARACTERS = 64  # of a text are read


@dataclass(frozen=True)
class Examples:
    """n texts, or pairs of ``texts`` and ``others``; labels int64 (n,)."""

    texts: tuple[str, ...]
    labels: np.ndarray
    others: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, texts: Sequence[str], labels: np.ndarray, others: Sequence[str] = ()) -> "Examples":
        """Normalise and cut."""
        return cls(
            tuple(shortened(text) for text in texts),
            np.asarray(labels, np.int64),
            tuple(shortened(text) for text in others),
        )

    @property
    def pairs(self) -> bool:
        """Say whether an example is a pair of texts."""
        return bool(self.others)

    def __len__(self) -> int:
        return len(self.texts)

    def joined(self, more: "Examples") -> "Examples":
        """Return these examples and then ``more``."""
        labels = np.concatenate([self.labels, more.labels])
        return Examples(self.texts + more.texts, labels, self.others + more.others)


@dataclass(frozen=True)
class Problem:
    """What is learnt from, what selects the best step, and how many labels there are."""

    train: Examples
    dev: Examples
    classes: int


def shortened(text: str) -> str:
    """Return the part of a text that is read, normalised."""
    return normalise(text)[:CHARACTERS].strip()
