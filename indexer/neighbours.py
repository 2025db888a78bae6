"""Which questions of a FAQ lose their nearest neighbour after distillation?

In: the questions, and the teacher's and the student's vectors of them. Out: how far the two agree
on who is nearest, and the questions on which they agree least. Nothing here loads a model.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from indexer.errors import InputError

TOP = 10
_BLOCK = 512  # rows of similarities in memory at a time


@dataclass(frozen=True, slots=True)
class Wording:
    """A question as it is asked, and the entry that it belongs to."""

    text: str
    entry_key: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A question's nearest other question, and their cosine."""

    text: str
    entry_key: str
    cosine: float


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A question whose nearest neighbour is another for the student than for the teacher.

    ``rank`` is where the student puts the teacher's neighbour, from 1; ``overlap`` the share of
    the ten nearest that both have. ``lost``: the teacher's neighbour is of the question's own
    entry, and the student's is not.
    """

    text: str
    entry_key: str
    teacher: Neighbour
    student: Neighbour
    rank: int
    overlap: float
    lost: bool


@dataclass(frozen=True)
class Agreement:
    """How far student and teacher agree, from 0 to 1, and on what they do not, worst first."""

    questions: int
    same_nearest: float
    overlap: float  # mean share of the ten nearest (of all others, if there are fewer)
    own_entry_teacher: float  # questions whose nearest is of their own entry
    own_entry_student: float
    disagreements: tuple[Disagreement, ...]

    def as_json(self) -> dict[str, object]:
        """Return everything as values of JSON."""
        return asdict(self)


def compare(wordings: Sequence[Wording], teacher: np.ndarray, student: np.ndarray) -> Agreement:
    """Compare vectors, float32 (n, d) of unit length; each system's mean is taken away first.

    A teacher's vectors all point one way, and a nearest neighbour should not be who points that way
    most. Raises InputError for fewer than three questions.
    """
    n = len(wordings)
    if n < 3:
        raise InputError(f"只有 {n} 个问法, 没有什么可比较。怎么办: 先导入问答表")
    teacher, student = _centred(teacher), _centred(student)
    top = min(TOP, n - 1)
    found, overlaps, same = [], np.empty(n), np.empty(n, bool)
    own = np.empty((2, n), bool)
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        theirs, ours = _cosines(teacher, rows), _cosines(student, rows)
        nearest = [np.argsort(-each, axis=1, kind="stable")[:, :top] for each in (theirs, ours)]
        for i, row in enumerate(rows):
            right, mine = nearest[0][i, 0], nearest[1][i, 0]
            overlaps[row] = len(set(nearest[0][i]) & set(nearest[1][i])) / top
            same[row] = right == mine
            key = wordings[row].entry_key
            own[:, row] = [wordings[j].entry_key == key for j in (right, mine)]
            if not same[row]:
                found.append(
                    Disagreement(
                        wordings[row].text,
                        key,
                        _neighbour(wordings[right], theirs[i, right]),
                        _neighbour(wordings[mine], ours[i, mine]),
                        1 + int((ours[i] > ours[i, right]).sum()),
                        float(overlaps[row]),
                        bool(own[0, row] and not own[1, row]),
                    )
                )
    found.sort(key=lambda each: (not each.lost, -each.rank, each.text))
    return Agreement(
        n,
        float(same.mean()),
        float(overlaps.mean()),
        float(own[0].mean()),
        float(own[1].mean()),
        tuple(found),
    )


def _neighbour(wording: Wording, cosine: float) -> Neighbour:
    return Neighbour(wording.text, wording.entry_key, round(float(cosine), 4))


def _cosines(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    cosines = vectors[rows] @ vectors.T
    cosines[np.arange(len(rows)), rows] = -np.inf  # nobody is their own neighbour
    return cosines


def _centred(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors - vectors.mean(axis=0)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
