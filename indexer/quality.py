"""How healthy is a FAQ? Entries too much alike, questions that belong elsewhere or say too little.

In: a searcher, and labelled queries if there are any. Out: a ``QualityReport``, whose findings all
name entries and questions. Nothing is right or wrong here: whoever knows the business decides.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from distill.text import normalise, speaks
from distill.weights import WeightedText
from indexer.evaluate import DEPTH, Case, LabelledQuery, run_cases
from indexer.leave_one_out import LeaveOneOut, leave_one_out
from indexer.lexical import characters, cosine
from indexer.records import Entry, Question, SearchResult
from indexer.search import Searcher

AT_MOST = 20_000  # similar questions, and standard ones, that are asked without themselves
LONGEST = 60  # characters; a customer's question is rarely longer, a stored one should not be
# From what on two wordings are taken for the same: "如何申请退货" and "怎么申请退货" have 0.95 and
# 0.72, "退货运费谁承担" and "换货运费谁承担" 0.79 and 0.76.
_COSINE, _CHARACTERS = 0.88, 0.55
_NEAREST = 10  # questions of other entries that each question is compared with
_BLOCK = 512  # questions whose cosines with all others are in memory at a time
# A question says nothing specific if each of its words is used by so many of the entries.
_COMMON_SHARE, _COMMON_ENTRIES = 0.2, 5
# Categories overlap if so many questions of one, and such a share of them, land in the other.
_OVERLAP_COUNT, _OVERLAP_SHARE = 3, 0.1
_EXAMPLES = 3

WordingFault = Literal["too_short", "unspecific", "too_long"]


@dataclass(frozen=True)
class Duplicate:
    """Two entries that ask the same and answer otherwise, by the two questions most alike."""

    entries: tuple[str, str]
    questions: tuple[str, str]
    cosine: float
    characters: float


@dataclass(frozen=True)
class Defeat:
    """A question that, asked against the FAQ without itself, finds another entry than its own."""

    entry: str
    question: str
    standard: bool  # is it the entry's standard question?
    score: float | None  # None: the entry is not among those compared at all
    winner: str
    winner_question: str  # the nearest of the other entry's
    winner_score: float

    @property
    def lead(self) -> float:
        """Return by how much the other entry scores higher."""
        return self.winner_score - (self.score or 0.0)


@dataclass(frozen=True)
class Wording:
    """A question that says too little, or too much; ``length`` is in characters."""

    fault: WordingFault
    entry: str
    question: str
    length: int


@dataclass(frozen=True)
class Overlap:
    """``count`` of the ``asked`` questions of one category found an entry of another first."""

    category: str
    other: str
    count: int
    asked: int
    examples: tuple[Defeat, ...]

    @property
    def share(self) -> float:
        """Return the part of the category's questions that land in the other, 0 … 1."""
        return self.count / self.asked


@dataclass(frozen=True)
class QualityReport:
    """All findings of one revision, the worst of each kind first."""

    revision: int
    encoder: str
    entries: int
    questions: int
    duplicates: tuple[Duplicate, ...]
    defeats: tuple[Defeat, ...]
    wordings: tuple[Wording, ...]
    overlaps: tuple[Overlap, ...]
    notes: tuple[str, ...]  # what was not looked at, in words


def inspect_quality(
    searcher: Searcher,
    queries: Sequence[LabelledQuery] = (),
    at_most: int = AT_MOST,
    progress: Callable[[Sequence[LabelledQuery]], Iterable[LabelledQuery]] = iter,
) -> QualityReport:
    """Look for all kinds of weakness among the entries that can be found today.

    ``queries`` add to what categories are judged by; ``progress`` wraps what is asked, like tqdm.
    """
    live = searcher.live_entries()
    questions = [question for question in searcher.questions if question.entry_key in live]
    readings = [searcher.reader.read_stored(question.text) for question in questions]
    held_out = leave_one_out(searcher, at_most)
    standard = _standard_questions(live, held_out)
    own = run_cases(
        searcher, progress([*standard[:at_most], *held_out.queries]), search=held_out.search
    )
    defeats = [_defeat(case, held_out.search, len(live)) for case in own if _lost(case, live)]
    labelled = run_cases(searcher, progress([q for q in queries if q.entry_id in live]))
    misled = [_defeat(case, searcher.search, len(live)) for case in labelled if _lost(case, live)]
    return QualityReport(
        revision=searcher.revision,
        encoder=searcher.encoder.fingerprint,
        entries=len(live),
        questions=len(questions),
        duplicates=tuple(near_duplicates(searcher, questions, readings)),
        defeats=tuple(sorted(defeats, key=lambda defeat: (not defeat.standard, -defeat.lead))),
        wordings=tuple(_short_or_long(searcher, questions, readings)),
        overlaps=tuple(_overlaps([*own, *labelled], [*defeats, *misled], live)),
        notes=tuple(_notes(held_out, len(standard), at_most)),
    )


def near_duplicates(
    searcher: Searcher, questions: Sequence[Question], readings: Sequence[WeightedText]
) -> list[Duplicate]:
    """Return pairs of entries of different answers that ask the same, by their questions.

    They do if their standard questions are alike, or if most wordings (two at least) of the one
    with fewer are each like one of the other. Texts are alike if both their vectors and their
    characters are. Never more than ``_BLOCK`` × n cosines are in memory.
    """
    if not questions:
        return []
    features = [characters(reading) for reading in readings]
    owners = [question.entry_key for question in questions]
    sizes = Counter(owners)
    alike: dict[tuple[str, str], list[_Pair]] = defaultdict(list)
    for first, second, vectors_say in _nearest_of_other_answers(searcher, questions, readings):
        characters_say = cosine(features[first], features[second])
        if characters_say >= _CHARACTERS:
            # One order for both, whoever of the two found the other.
            first, second = sorted((first, second))
            pair = _Pair(first, second, vectors_say, characters_say)
            alike[owners[first], owners[second]].append(pair)
    found = []
    for (one, other), pairs in alike.items():
        standard = [
            pair
            for pair in pairs
            if questions[pair.first].kind == questions[pair.second].kind == "standard"
        ]
        fewer = one if sizes[one] <= sizes[other] else other
        wordings = {i for pair in pairs for i in (pair.first, pair.second) if owners[i] == fewer}
        if standard or len(wordings) >= max(2, sizes[fewer] // 2 + 1):
            best = max(standard or pairs, key=lambda pair: pair.cosine + pair.characters)
            found.append(
                Duplicate(
                    (one, other),
                    (questions[best.first].text, questions[best.second].text),
                    round(best.cosine, 3),
                    round(best.characters, 3),
                )
            )
    return sorted(found, key=lambda pair: -(pair.cosine + pair.characters))


@dataclass(frozen=True)
class _Pair:
    """Two questions, by their numbers, and how much they are alike."""

    first: int
    second: int
    cosine: float
    characters: float


def _nearest_of_other_answers(
    searcher: Searcher, questions: Sequence[Question], readings: Sequence[WeightedText]
) -> Iterator[tuple[int, int, float]]:
    """Yield each question's nearest few that are answered otherwise, with the cosine."""
    vectors = searcher.encoder.encode(list(readings))
    numbers: dict[str, int] = {}
    answers = np.array(
        [
            numbers.setdefault(normalise(searcher.entries[q.entry_key].answer), len(numbers))
            for q in questions
        ]
    )
    for start in range(0, len(questions), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors.T  # float32 (≤ _BLOCK, n)
        cosines[answers[start : start + _BLOCK, None] == answers] = -1.0
        count = min(_NEAREST, len(questions))
        near = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        for row, others in enumerate(near):
            for other in others:
                if (value := float(cosines[row, other])) >= _COSINE:
                    yield start + row, int(other), value


def _standard_questions(
    live: Mapping[str, Entry], held_out: LeaveOneOut
) -> tuple[LabelledQuery, ...]:
    """Return the standard questions of entries that other words are left of."""
    alone = set(held_out.unmeasurable)
    return tuple(
        LabelledQuery(entry.question, key, "", "standard")
        for key, entry in live.items()
        if key not in alone and speaks(normalise(entry.question))
    )


def _lost(case: Case, entries: Mapping[str, Entry]) -> bool:
    """Say whether an entry that is answered otherwise was found first."""
    if not case.result.hits or case.rank == 1:
        return False
    winner = entries[case.result.hits[0].entry_id]
    return normalise(winner.answer) != normalise(entries[case.expected].answer)


def _defeat(case: Case, search: Callable[[str, int], SearchResult], entries: int) -> Defeat:
    """Say who won, and by what score."""
    winner = case.result.hits[0]
    hits = case.result.hits if case.rank else search(case.query.query, entries).hits
    own = next((hit.score for hit in hits if hit.entry_id == case.expected), None)
    return Defeat(
        case.expected,
        case.query.query,
        case.query.kind == "standard",
        None if own is None else round(own, 3),
        winner.entry_id,
        winner.question,
        round(winner.score, 3),
    )


def _short_or_long(
    searcher: Searcher, questions: Sequence[Question], readings: Sequence[WeightedText]
) -> list[Wording]:
    """Return questions that are too short, of everyday words only, or too long, in this order."""
    allowed = min(LONGEST, searcher.encoder.bundle.manifest.max_tokens)
    words = [{w.text for w in reading.words if speaks(w.text)} for reading in readings]
    used_by: dict[str, set[str]] = defaultdict(set)
    for question, own in zip(questions, words, strict=True):
        for word in own:
            used_by[word].add(question.entry_key)
    many = max(_COMMON_ENTRIES, _COMMON_SHARE * len({q.entry_key for q in questions}))
    found: dict[WordingFault, list[Wording]] = {"too_short": [], "unspecific": [], "too_long": []}
    for question, reading, own in zip(questions, readings, words, strict=True):
        fault: WordingFault
        if len(own) == 1 or sum(map(speaks, reading.text)) <= 2:
            fault = "too_short"
        elif all(len(used_by[word]) >= many for word in own):
            fault = "unspecific"
        elif len(reading.text) > allowed:
            fault = "too_long"
        else:
            continue
        found[fault].append(Wording(fault, question.entry_key, question.text, len(reading.text)))
    return [wording for own in found.values() for wording in own]


def _overlaps(
    cases: Sequence[Case], defeats: Sequence[Defeat], entries: Mapping[str, Entry]
) -> list[Overlap]:
    """Return the pairs of categories of which one loses a good part of its questions to the other.

    Entries without a category are in none, and take part in none of this.
    """
    asked = Counter(entries[case.expected].category for case in cases if case.result.hits)
    lost: dict[tuple[str, str], list[Defeat]] = defaultdict(list)
    for defeat in defeats:
        pair = entries[defeat.entry].category, entries[defeat.winner].category
        if all(pair) and pair[0] != pair[1]:
            lost[pair].append(defeat)
    found = [
        Overlap(category, other, len(own), asked[category], tuple(own[:_EXAMPLES]))
        for (category, other), own in lost.items()
        if len(own) >= _OVERLAP_COUNT and len(own) >= _OVERLAP_SHARE * asked[category]
    ]
    return sorted(found, key=lambda overlap: -overlap.share)


def _notes(held_out: LeaveOneOut, standard: int, at_most: int) -> Iterator[str]:
    if held_out.measurable > len(held_out.queries):
        yield (
            f"相似问共 {held_out.measurable} 个, 抽查了 {len(held_out.queries)} 个是否更像别的条目"
        )
    if standard > at_most:
        yield f"标准问共 {standard} 个, 只查了前 {at_most} 个是否输给别的条目"
    if alone := held_out.unmeasurable:
        yield (
            f"{len(alone)} 个条目除标准问外没有别的问法, 无从知道会不会输给别的条目: "
            f"{', '.join(alone[:DEPTH])}{' …' if len(alone) > DEPTH else ''}。怎么办: 补充相似问"
        )
