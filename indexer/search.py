"""Which entries fit a question? One immutable ``Searcher`` a revision.

In: a customer's words. Out: a ``SearchResult``, at most one hit per entry, and how sure it is.
Whether that is good enough to answer is decision.py's matter.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from distill.encoder import Encoder
from distill.text import normalise, speaks
from distill.weights import WeightedText
from indexer.build import answer_beginning, counter_examples
from indexer.calibration import Calibration, Thresholds, evidence_of
from indexer.entry_vectors import EntryVectors
from indexer.errors import StoreError
from indexer.lexical import (
    Features,
    LexicalIndex,
    NewRows,
    characters,
    cosine,
    coverage,
    pairs,
    profile,
    sounds,
)
from indexer.lexicon import Lexicon, Reader
from indexer.negation import opposite
from indexer.records import Entry, Hit, Question, SearchResult, Signals
from indexer.store import Snapshot, Store
from indexer.stored_settings import require_sound
from indexer.typeahead import Typeahead
from indexer.vector_index import VectorIndex

# What each signal weighs in the score, in a FAQ whose entries have several wordings. Round figures
# near the best on split dev of data/queries.csv; benchmarks/results/faq.json has each signal alone,
# and all but each.
WEIGHTS = Signals(wording=1.0, whole=1.0, characters=1.0, coverage=0.7, sound=1.0, answer=0.7)
# Characters, pairs and sounds of a single wording say half as much as those of several (measured on
# the dev splits of BQ and OPPO, whose questions stand alone).
_SINGLE = 0.5
# Questions that the vectors propose, and entries that characters and sounds propose; the score is
# computed for all of them.
_NEAR, _ALIKE = 75, 20
_ALIKE_FROM = 0.5  # sum of both cosines from which on an entry is worth suggesting
_DEEP = 5  # hits that evidence and confidence look at, whatever is asked for

# What two texts may differ in and still be the same question.
_UNSAID = re.compile(r"^[\s,.。!?;:~、…]+|[\s,。!?;:~、…]+|[.]+$")


# Texts whose features are kept for evaluations, which pass questions over one after another: those
# of all texts would take ten times as much memory as their vectors.
_REMEMBERED = 512


@dataclass(frozen=True)
class _Features:
    """What one text says."""

    characters: Features
    sounds: Features

    @classmethod
    def of(cls, text: WeightedText) -> "_Features":
        return cls(characters(text), sounds(text))


@dataclass(frozen=True)
class Searcher:
    """Encoder, indexes, texts and calibration of one revision; safe to share between threads."""

    revision: int
    reader: Reader
    entries: Mapping[str, Entry]
    weights: Signals
    negation_guard: bool
    calibration: Calibration
    lexicon: Lexicon
    _keys: tuple[str, ...]  # of the entries that are switched on, by their number
    _start: np.ndarray  # int64 (entries + 1,): entry e has questions start[e]:start[e + 1]
    _questions: tuple[Question, ...]
    _vectors: VectorIndex
    _wholes: EntryVectors
    _answer_vectors: np.ndarray  # float32 (entries, d), zero where there is nothing to read
    _characters: LexicalIndex
    _sounds: LexicalIndex
    _objections: Mapping[int, tuple[tuple[str, ...], np.ndarray]]  # an entry's 反例, their vectors
    # What the next revision need not make again: the vector key of each question, and of each entry
    # those of its questions and its answer.
    _asked: Sequence[str]
    _sayings: Sequence[tuple[tuple[str, ...], str]]

    @classmethod
    def load(cls, store: Store, encoder: Encoder, previous: "Searcher | None" = None) -> "Searcher":
        """Load the published revision, faster with the ``previous`` one at hand.

        Raises StoreError if its vectors are another encoder's, or a setting cannot be used.
        """
        snapshot = store.snapshot()
        _require_vectors_of(encoder, snapshot, store)
        require_sound(snapshot.settings, store.path)
        lexicon = Lexicon.of(snapshot.settings)
        reader = lexicon.reader(encoder)
        keys = snapshot.text_keys()

        def key_of(text: str) -> str:
            return keys.get(text) or encoder.vector_key(reader.read_stored(text))

        # Switched-off entries are not searched at all.
        of_entry: dict[str, list[Question]] = {
            key: [] for key, entry in snapshot.entries.items() if entry.enabled
        }
        for question in snapshot.questions:
            if question.entry_key in of_entry:
                of_entry[question.entry_key].append(question)
        entries = {key: snapshot.entries[key] for key in of_entry if of_entry[key]}
        questions = [question for key in entries for question in of_entry[key]]
        start = np.cumsum([0, *(len(of_entry[key]) for key in entries)])
        asked = [key_of(q.text) for q in questions]
        answers = [
            key_of(text) if (text := answer_beginning(entry)) else "" for entry in entries.values()
        ]
        counters = {
            number: {text: key_of(text) for text in texts}
            for number, entry in enumerate(entries.values())
            if (texts := counter_examples(entry))
        }
        held = previous._held() if previous else {}
        wanted = {*asked, *answers, *(key for own in counters.values() for key in own.values())}
        vectors = held | _stored_vectors(store, wanted - held.keys() - {""}, encoder)
        nothing = np.zeros(encoder.dimension, dtype=np.float32)
        matrix = np.array([vectors[key] for key in asked] or [nothing][:0]).reshape(
            len(asked), encoder.dimension
        )
        parts = [slice(a, b) for a, b in pairwise(start.tolist())]
        # What an entry says, by its vector keys: where they are the same, so are its postings.
        sayings = tuple(zip((tuple(asked[part]) for part in parts), answers, strict=True))
        places, fresh = _moved(previous._sayings if previous else (), sayings)
        same_rows = previous is not None and previous._asked == asked
        numbered = list(entries.values())
        alike, sounding = NewRows(), NewRows()
        for row in fresh:
            said = [_Features.of(reader.read_stored(q.text)) for q in questions[parts[row]]]
            answer = answer_beginning(numbered[row])
            answered = characters(reader.read_stored(answer)) if answer else None
            alike.add(row, profile((text.characters for text in said), answered))
            sounding.add(row, profile(text.sounds for text in said))
        return cls(
            revision=snapshot.revision,
            reader=reader,
            entries=snapshot.entries,
            weights=signals_of(snapshot),
            negation_guard=snapshot.settings.get("negation_guard", True),
            calibration=Calibration.of(snapshot.settings, encoder.fingerprint),
            lexicon=lexicon,
            _keys=tuple(entries),
            _start=start,
            _questions=tuple(questions),
            _vectors=previous._vectors if same_rows else VectorIndex(matrix),
            _wholes=previous._wholes
            if same_rows and np.array_equal(previous._start, start)
            else EntryVectors(matrix, start),
            _answer_vectors=np.array([vectors[key] if key else nothing for key in answers]).reshape(
                len(answers), encoder.dimension
            ),
            _characters=(previous._characters if previous else LexicalIndex(())).moved(
                places, alike, len(sayings)
            ),
            _sounds=(previous._sounds if previous else LexicalIndex(())).moved(
                places, sounding, len(sayings)
            ),
            _objections={
                number: (tuple(keys), np.array([vectors[key] for key in keys.values()]))
                for number, keys in counters.items()
            },
            _asked=asked,
            _sayings=sayings,
        )

    @property
    def encoder(self) -> Encoder:
        """Return the encoder, with the keyword weights of this revision."""
        return self.reader.encoder

    @property
    def thresholds(self) -> Thresholds:
        """Return the probabilities from which on it answers, or asks back."""
        return self.calibration.thresholds

    @cached_property
    def conditions(self) -> str:
        """Return what a calibration holds for: keywords, synonyms, signals, and the questions."""
        content = [self.lexicon.fingerprint, repr(self.weights)]
        content += sorted(f"{q.entry_key} {q.text}" for q in self._questions)
        return hashlib.sha256("\n".join(content).encode()).hexdigest()[:16]

    @property
    def questions(self) -> tuple[Question, ...]:
        """Return the questions that are searched: all of the entries that are switched on."""
        return self._questions

    @cached_property
    def typeahead(self) -> Typeahead:
        """Return what suggests questions while somebody types."""
        return Typeahead(self._questions)

    def alike(self, text: str, k: int) -> list[str]:
        """Return the keys of the k entries most like an unfinished text, best first.

        By characters and sounds alone: what is half typed has no meaning yet to encode.
        """
        asked = self.reader.read(text)
        if not asked.weights.any():
            return []
        scores = self._characters.cosines(characters(asked)) + self._sounds.cosines(sounds(asked))
        found = _largest(np.where(scores >= _ALIKE_FROM, scores, 0), k)
        return [self._keys[place] for place in sorted(found, key=lambda place: -scores[place])]

    @cached_property
    def _shares(self) -> np.ndarray:
        """Return the weights of the signals, float64 (5,), so that they add up to 1."""
        weights = np.array(astuple(self.weights))
        return weights / weights.sum()

    @cached_property
    def _resting_on(self) -> Callable[[str], frozenset[int]]:
        """Return what tells the entries, by number, that may not be shown on a day."""
        entries = [self.entries[key] for key in self._keys]
        limited = [(n, e) for n, e in enumerate(entries) if e.valid_from or e.valid_to]
        return lru_cache(2)(
            lambda today: frozenset(n for n, entry in limited if not applies(entry, today))
        )

    @cached_property
    def _exact(self) -> Mapping[str, tuple[int, ...]]:
        rows: dict[str, tuple[int, ...]] = {}
        for row, question in enumerate(self._questions):
            said = _said(question.text)
            rows[said] = (*rows.get(said, ()), row)
        return rows

    def _held(self) -> dict[str, np.ndarray]:
        """Return the vectors of questions and answers by their key."""
        answers = (answer for _, answer in self._sayings)
        held = dict(zip(answers, self._answer_vectors, strict=True))
        held.pop("", None)
        return held | dict(zip(self._asked, self._vectors.vectors, strict=True))

    def live_entries(self) -> dict[str, Entry]:
        """Return the entries that may be shown today, in file order."""
        today = date.today().isoformat()
        return {key: entry for key, entry in self.entries.items() if applies(entry, today)}

    def search(self, query: str, k: int = 5, without: Collection[int] = ()) -> SearchResult:
        """Return the k best entries, and how likely the FAQ answers the query.

        A query without a single letter, digit or Chinese character has no hits. The questions
        whose ids are in ``without`` are passed over, as though they had never been imported
        (but for the whitening of EntryVectors, which was learnt with them).
        """
        asked = self.reader.read(query)
        # Nothing but punctuation, or an operator's weight 0 on all that was said.
        heard = asked.text
        if not asked.weights.all():
            spoken = zip(heard, asked.weights.tolist(), strict=True)
            heard = "".join(char for char, weight in spoken if weight > 0)
        if not speaks(heard):
            return SearchResult(query, (), self.revision)
        vector = self.encoder.encode([asked])[0]
        hits = self.rank(asked, vector, max(k, _DEEP), without)
        if not hits:
            return SearchResult(query, (), self.revision)
        covered = self._covered(asked, hits[0], without)
        evidence = evidence_of(asked.text, hits, self.entries, covered)
        in_scope, confidences = self.calibration.judge(evidence, hits)
        judged = [
            replace(hit, confidence=value) for hit, value in zip(hits, confidences, strict=True)
        ]
        if self.negation_guard:
            judged[0] = replace(judged[0], contradiction=self._contradiction(asked.text, hits[0]))
        return SearchResult(query, tuple(judged[:k]), self.revision, in_scope, evidence)

    def rank(
        self, asked: WeightedText, vector: np.ndarray, k: int, without: Collection[int] = ()
    ) -> list[Hit]:
        """Return the k best entries, best first, for a query as read and encoded."""
        left_out = self._left_out(without)
        spoken = _Features.of(asked)
        alike = self._characters.cosines(spoken.characters)
        sounding = self._sounds.cosines(spoken.sounds)
        covering = self._characters.coverages(pairs(spoken.characters))
        whitened = self._wholes.whiten(vector)
        exact = {
            self._entry_of(row)
            for row in self._exact.get(_bare(asked.text), ())
            if self._questions[row].id not in without
        }
        depth = max(_ALIKE, 4 * k)
        lexical = {*_largest(alike, depth), *_largest(sounding, depth), *exact}
        found = self._proposed(vector, lexical, k, len(without))
        if not len(found):
            return []
        counts = self._start[found + 1] - self._start[found]
        first = np.cumsum(counts) - counts
        rows = np.repeat(self._start[found] - first, counts) + np.arange(counts.sum())
        cosines = self._vectors.cosines(vector, rows)
        if left_out:
            cosines[np.isin(rows, [row for part in left_out.values() for row in part])] = -2.0
        values = np.empty((len(found), 6))  # of which 5 decimals are kept
        values[:, 0] = np.maximum.reduceat(cosines, first)
        values[:, 1] = self._wholes.cosines(whitened, found)
        values[:, 2] = alike[found]
        values[:, 3] = covering[found]
        values[:, 4] = sounding[found]
        values[:, 5] = self._answer_vectors.take(found, axis=0) @ vector
        for place, entry in enumerate(found.tolist() if left_out else ()):
            if entry in left_out:
                values[place, 1:5] = self._without(entry, left_out[entry], whitened, spoken)
        there = values[:, 0] > -2  # an entry all of whose questions are passed over is not
        scores = values @ self._shares
        objections = {}
        for place, entry in enumerate(found.tolist() if self._objections else ()):
            if entry in self._objections:
                text, excess = self._objection(entry, asked, vector, values[place, 0])
                if text:
                    objections[place] = text
                    scores[place] -= excess
        numbers = found.tolist()
        for entry in exact.intersection(numbers):
            scores[numbers.index(entry)] = 1.0
        # Rounded to what float32 can tell.
        scores = scores.round(5)
        best = np.argsort(-scores, kind="stable")
        best = best[there[best]][:k]
        hits: list[Hit] = []
        for place, score, signals, begin, count in zip(
            best.tolist(),
            scores[best].tolist(),
            values[best].round(5).tolist(),
            first[best].tolist(),
            counts[best].tolist(),
            strict=True,
        ):
            question = self._questions[rows[begin + cosines[begin : begin + count].argmax()]]
            hits.append(
                Hit(
                    question.entry_key,
                    question.id,
                    question.text,
                    score,
                    Signals(*signals),
                    numbers[place] in exact,
                    objections.get(place, ""),
                )
            )
        return hits

    def _proposed(
        self, vector: np.ndarray, lexical: Collection[int], k: int, left_out: int
    ) -> np.ndarray:
        """Return the entries to score, int64, ascending: those nearest by vector, and ``lexical``.

        At least k that may be shown today, if there are so many.
        """
        resting = self._resting_on(date.today().isoformat())
        near = _NEAR + left_out
        while True:
            by_vector = self._entry_of_row[self._vectors.near(vector, near)]
            # Of a hundred numbers Python's sets are done before numpy has begun.
            found = np.array(sorted({*by_vector.tolist(), *lexical} - resting), dtype=np.int64)
            if len(found) >= k or near >= len(self._questions):
                return found
            # A few entries' many similar questions filled the list: look further down.
            near *= 4

    def _covered(self, asked: WeightedText, hit: Hit, without: Collection[int]) -> float:
        """Return the share of the query's weight in characters that the entry has somewhere."""
        entry = self._entry_of(self._row_of[hit.question_id])
        if rows := self._left_out(without).get(entry):
            kept, answer = self._said_by(entry, rows)
            said = [*(text.characters for text in kept), answer]
            heard = {char for char in asked.text if any(char in features for features in said)}
        else:
            heard = {char for char in asked.text if self._characters.has(char, entry)}
        return round(
            sum(
                weight
                for char, weight in zip(asked.text, asked.weights.tolist(), strict=True)
                if char in heard
            ),
            5,
        )

    def _contradiction(self, asked: str, hit: Hit) -> str:
        """Return what query and entry contradict each other in; "" if the entry speaks both ways.

        An entry is opposed where its nearest wording is, and its standard question is too.
        """
        word = opposite(asked, normalise(hit.question))
        return word and opposite(asked, normalise(self.entries[hit.entry_id].question))

    def _objection(
        self, entry: int, asked: WeightedText, vector: np.ndarray, wording: float
    ) -> tuple[str, float]:
        """Return the 反例 that fits the query better than any wording does, and by how much."""
        texts, vectors = self._objections[entry]
        cosines = vectors @ vector
        best = int(np.argmax(cosines))
        if _said(texts[best]) == _bare(asked.text):
            return texts[best], 2.0  # below all that there is
        excess = float(cosines[best]) - wording
        return (texts[best], excess) if excess > 0 else ("", 0.0)

    def _without(
        self, entry: int, rows: Collection[int], whitened: np.ndarray, spoken: _Features
    ) -> tuple[float, float, float, float]:
        """Return whole, characters, coverage and sound without some of the entry's questions."""
        kept, answer = self._said_by(entry, rows)
        if not kept:
            return (0.0, 0.0, 0.0, 0.0)
        own = [text.characters for text in kept]
        return (
            self._wholes.cosine_without(whitened, entry, self._vectors.rows(sorted(rows))),
            cosine(spoken.characters, profile(own, answer)),
            coverage(pairs(spoken.characters), [*own, answer]),
            cosine(spoken.sounds, profile(text.sounds for text in kept)),
        )

    def _said_by(
        self, entry: int, left_out: Collection[int]
    ) -> tuple[Sequence[_Features], Features]:
        """Return what an entry's questions say without some, and its answer's characters."""
        rows = range(self._start[entry], self._start[entry + 1])
        kept = [self._features(self._questions[r].text) for r in rows if r not in left_out]
        answer = answer_beginning(self.entries[self._keys[entry]])
        return kept, self._features(answer).characters if answer else {}

    @cached_property
    def _features(self) -> Callable[[str], _Features]:
        """Return what makes the features of a stored text, and remembers the latest."""
        read = self.reader.read_stored
        return lru_cache(_REMEMBERED)(lambda text: _Features.of(read(text)))

    def _left_out(self, without: Collection[int]) -> dict[int, set[int]]:
        """Return the rows of the questions with these ids, by entry."""
        rows: dict[int, set[int]] = {}
        for question_id in without:
            if (row := self._row_of.get(question_id)) is not None:
                rows.setdefault(self._entry_of(row), set()).add(row)
        return rows

    @cached_property
    def _row_of(self) -> Mapping[int, int]:
        return {question.id: row for row, question in enumerate(self._questions)}

    def _entry_of(self, row: int) -> int:
        return int(self._entry_of_row[row])

    @cached_property
    def _entry_of_row(self) -> np.ndarray:
        return np.repeat(np.arange(len(self._keys)), np.diff(self._start))


def signals_of(snapshot: Snapshot) -> Signals:
    """Return what each signal weighs: as stored, else as measured best for such a FAQ."""
    if stored := snapshot.settings.get("signals"):
        return Signals(**stored)
    entries = [entry for entry in snapshot.entries.values() if entry.enabled]
    several = sum(bool(entry.variants) for entry in entries) / max(1, len(entries))
    share = round(_SINGLE + (1 - _SINGLE) * several, 2)
    return replace(
        WEIGHTS,
        characters=share * WEIGHTS.characters,
        coverage=round(share * WEIGHTS.coverage, 3),
        sound=share * WEIGHTS.sound,
    )


def applies(entry: Entry, today: str) -> bool:
    """Say whether an entry may be shown on a day (YYYY-MM-DD): switched on, and valid then."""
    return (
        entry.enabled
        and (not entry.valid_from or entry.valid_from <= today)
        and (not entry.valid_to or today <= entry.valid_to)
    )


def _require_vectors_of(encoder: Encoder, snapshot: Snapshot, store: Store) -> None:
    if snapshot.revision == 0:
        raise StoreError(
            f"{store.path}: 里面还没有问答。先建库: "
            f"python -m indexer build 问答表 --db {store.path}"
        )
    if (used := snapshot.settings.get("encoder")) != encoder.fingerprint:
        why = (
            f"向量是用编码器 {used} 算的, {encoder.bundle.path} 是 {encoder.fingerprint}"
            if used
            else "是本软件以前的版本建的"
        )
        raise StoreError(
            f"{store.path}: {why}。重算: python -m indexer refresh "
            f"--db {store.path} --encoder {encoder.bundle.path}"
        )


def _stored_vectors(store: Store, keys: Collection[str], encoder: Encoder) -> dict[str, np.ndarray]:
    vectors = store.vectors(sorted(keys))
    if len(vectors) < len(keys):
        raise StoreError(
            f"{store.path}: 缺 {len(keys) - len(vectors)} 个向量。重算: "
            f"python -m indexer refresh --db {store.path} --encoder {encoder.bundle.path}"
        )
    return vectors


def _moved(
    before: Sequence[tuple[tuple[str, ...], str]], now: Sequence[tuple[tuple[str, ...], str]]
) -> tuple[np.ndarray, list[int]]:
    """Return where each entry of ``before`` is now, int64, -1 for nowhere; and the new entries.

    Entries are known by what they say: two that say the same are one as good as the other.
    """
    waiting: dict[tuple[tuple[str, ...], str], list[int]] = {}
    for place, saying in enumerate(before):
        waiting.setdefault(saying, []).append(place)
    places = np.full(len(before), -1, dtype=np.int64)
    fresh = []
    for place, saying in enumerate(now):
        if left := waiting.get(saying):
            places[left.pop()] = place
        else:
            fresh.append(place)
    return places, fresh


def _largest(values: np.ndarray, count: int) -> list[int]:
    """Return where the ``count`` largest positive values are, in no order."""
    if count < len(values):
        places = np.argpartition(values, len(values) - count)[-count:]
    else:
        places = np.arange(len(values))
    return places[values[places] > 0].tolist()


def _said(text: str) -> str:
    """Return a text without what may differ between two ways of typing the same question."""
    return _bare(normalise(text))


def _bare(text: str) -> str:
    """Return the same of a normalised text."""
    return _UNSAID.sub("", text) or text
