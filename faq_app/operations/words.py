"""Which words weigh what, and what if one weighed more? The operators' keyword weights.

In: a desk, a word, a factor. Out: rows of a table, a preview of everything a change would do, or a
new revision.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from distill.text import normalise
from faq_app.operations import effects
from faq_app.operations.desk import Desk
from faq_app.operations.effects import Effect, effect_of
from faq_app.operations.vocabulary import vocabulary_of
from faq_app.service import MAX_QUERY_LENGTH
from indexer import regression
from indexer.build import Published
from indexer.decision import OPTIONS, DecisionKind, decide
from indexer.history import keyword_changes
from indexer.keyword_file import read_keywords, write_keywords
from indexer.lexicon import clean_factor, clean_keyword, overlapping, with_keyword
from indexer.records import Hit
from indexer.revisions import Revision
from indexer.search import Searcher
from indexer.suggestions import Change, Suggestions, suggest_keywords


@dataclass(frozen=True)
class WordRow:
    """A word of the FAQ's questions; its weight is IDF × factor."""

    word: str
    idf: float
    factor: float
    questions: int  # that hold it, as a keyword would be found in them
    changed: Revision | None = None  # the revision in which its factor changed last

    @property
    def weight(self) -> float:
        """Return what the word weighs in all."""
        return self.idf * self.factor


@dataclass(frozen=True)
class Ranking:
    """What a query finds."""

    decision: DecisionKind
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class KeywordPreview:
    """What a factor would do to a query; rankings are None without one."""

    row: WordRow
    factor: float  # the new one
    notes: tuple[str, ...]  # what an operator should know of such a word, or such a factor
    before: Ranking | None
    after: Ranking | None


@dataclass(frozen=True)
class KeywordImport:
    """What a file would change: (word, factor now, factor then) each."""

    changed: tuple[tuple[str, float, float], ...]
    effect: Effect


def words(desk: Desk, wanted: str = "", changed_only: bool = False) -> list[WordRow]:
    """Return the words that hold ``wanted``, those that matter most to the FAQ first.

    What matters is questions × IDF²: said often, and telling. Single characters are left out unless
    they are asked for, or changed: as a keyword, one would cut longer words to pieces.
    """
    rows = _all_rows(desk)
    wanted = normalise(wanted)
    return [
        row
        for row in rows
        if wanted in row.word
        and (row.factor != 1 or not changed_only)
        and (len(row.word) > 1 or row.factor != 1 or row.word == wanted)
    ]


def word_row(desk: Desk, word: str) -> WordRow:
    """Return what is known of any word. Raises ValueError for what cannot be a keyword."""
    clean = _checked(word, 1.0)
    found = next((row for row in _all_rows(desk) if row.word == clean), None)
    return found or _row(desk.searcher, clean, desk.last("vocabulary").count(clean), None)


def preview(desk: Desk, word: str, factor: float, query: str = "") -> KeywordPreview:
    """Return what would change for a query; nothing is stored.

    Raises ValueError for a word or factor that cannot be one.
    """
    row = word_row(desk, word)
    before, after = desk.searcher, _with(desk, row, factor)
    asked = query.strip()[:MAX_QUERY_LENGTH]
    return KeywordPreview(
        row,
        factor,
        tuple(_notes(before, row, factor)),
        _ranking(before, asked) if asked else None,
        _ranking(after, asked) if asked else None,
    )


def effect(desk: Desk, word: str, factor: float) -> Effect | None:
    """Return what would change over the regression queries; None if nothing is to be changed."""
    row = word_row(desk, word)
    return None if factor == row.factor else effect_of(desk, _with(desk, row, factor))


def save(desk: Desk, word: str, factor: float, by: str, insist: bool = False) -> Published:
    """Publish a word's factor; 1 lets it weigh what it weighs by itself.

    Raises ValueError as ``preview`` does, and as ``effects.publish``.
    """
    clean = _checked(word, factor)
    keywords = with_keyword(desk.searcher.lexicon.keywords, clean, factor)
    what = f"关键词 {clean} = {factor:g}"
    return effects.publish(desk, by, what, settings={"keywords": keywords}, insist=insist)


def suggest(
    desk: Desk,
    limit: int,
    progress: Callable[[Sequence[Change]], Iterable[Change]] = iter,
) -> Suggestions:
    """Try ``limit`` changes of single words; return those that fix more than they break.

    Judged by the regression set, or without one by the FAQ's own similar questions.
    """
    store = desk.service.store
    live = desk.searcher.live_entries()
    labelled = regression.labelled_queries(store)
    queries = [query for query in labelled if not query.entry_id or query.entry_id in live]
    return suggest_keywords(store, desk.service.encoder, queries, limit, progress)


def export(desk: Desk, path: Path) -> None:
    """Write the changed words as a table that ``read_import`` reads back."""
    write_keywords(path, desk.searcher.lexicon.keywords)


def read_import(desk: Desk, path: Path) -> KeywordImport:
    """Return what a table of words and factors would change; it stands for all that is set now.

    Raises TableError, with the line, if a single one cannot be taken.
    """
    now, then = desk.searcher.lexicon.keywords, _read(path)
    changed = tuple(
        (word, now.get(word, 1.0), then.get(word, 1.0))
        for word in dict.fromkeys([*then, *now])
        if now.get(word, 1.0) != then.get(word, 1.0)
    )
    return KeywordImport(changed, effect_of(desk, desk.rehearse(settings={"keywords": then})))


def run_import(desk: Desk, path: Path, by: str, insist: bool = False) -> Published:
    """Publish the words and factors of a table in place of those that are set now."""
    what = f"导入关键词 {path.name}"
    return effects.publish(desk, by, what, settings={"keywords": _read(path)}, insist=insist)


def _read(path: Path) -> dict[str, float]:
    factors = read_keywords(path)
    for word, factor in factors.items():
        _checked(word, factor)
    return factors


def _with(desk: Desk, row: WordRow, factor: float) -> Searcher:
    _checked(row.word, factor)
    if factor == row.factor:
        return desk.searcher
    keywords = with_keyword(desk.searcher.lexicon.keywords, row.word, factor)
    return desk.rehearse(settings={"keywords": keywords})


def _notes(searcher: Searcher, row: WordRow, factor: float) -> Iterable[str]:
    if not row.questions:
        yield "没有一条问法里有这个词: 只有顾客的提问里有它时才起作用。"
    if len(row.word) == 1:
        yield "只有一个字: 它会把含有它的词切开, 多半应改用更长的词。"
    for other in overlapping(searcher.lexicon.keywords, row.word):
        yield f"与已调整的「{other}」重叠: 两个都有时, 较长的那个算数。"
    if factor == 0:
        yield "倍数 0: 这个词完全不起作用, 无论在提问还是问法里。"


def _checked(word: str, factor: float) -> str:
    if not normalise(word):
        raise ValueError("还没有写关键词。怎么办: 在表里点一个词, 或自己写一个")
    clean_factor(factor)
    return clean_keyword(word)


def _ranking(searcher: Searcher, query: str) -> Ranking:
    result = searcher.search(query, OPTIONS)
    return Ranking(decide(result, searcher.thresholds).kind, result.hits)


def _all_rows(desk: Desk) -> list[WordRow]:
    store = desk.service.store

    def made(searcher: Searcher) -> list[WordRow]:
        before = desk.last("vocabulary")
        vocabulary = desk.once_a_revision("vocabulary", lambda s: vocabulary_of(s, before))
        changes = keyword_changes(store)
        rows = [
            _row(searcher, word, count, changes.get(word)) for word, count in vocabulary.counts()
        ]
        return sorted(rows, key=lambda row: (-row.questions * row.idf**2, row.word))

    return desk.once_a_revision("words", made)


def _row(searcher: Searcher, word: str, questions: int, changed: Revision | None) -> WordRow:
    return WordRow(
        word,
        searcher.encoder.weighting.idf.idf(word),
        searcher.lexicon.keywords.get(word, 1.0),
        questions,
        changed,
    )
