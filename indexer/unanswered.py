"""What did customers ask and not get? Queries of the log that went wrong, grouped by meaning.

In: a store, a searcher and a ``Period``. Out: groups, most often asked first, and the memory of
what was done about a query, which is left out until it is asked again in vain.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

import numpy as np

from distill.grouping import group_by_meaning
from distill.text import speaks
from indexer.errors import InputError
from indexer.period import Period, moment
from indexer.records import Hit
from indexer.regression import NewCase, write_cases
from indexer.search import Searcher
from indexer.store import Store

Reason = Literal["useless", "none_of_these", "rejected", "no_click"]
Action = Literal["similar", "entry", "ignored"]

REASONS: Mapping[Reason, str] = {
    "useless": "评为没用",
    "none_of_these": "选了都不是",
    "rejected": "拒答",
    "no_click": "反问后没有点选",
}
ACTIONS: Mapping[Action, str] = {
    "similar": "加为相似问",
    "entry": "新建条目",
    "ignored": "不处理",
}
DECIDING = timedelta(minutes=10)  # for so long a customer may still click one of the list
MOST_QUERIES = 50_000  # grouped at a time, the most frequent

# How alike texts must be to be one group depends on how alike all are: a bank's questions are
# nearer to one another than a shop's. What one entry could answer is told by how the FAQ itself
# parts its entries: the lower quartile of the cosines of standard questions with their nearest
# neighbour. Chosen on dev data: benchmarks/results/grouping.json. A small FAQ says little of it;
# _USUAL counts like so many entries.
_QUARTILE, _USUAL, _USUAL_COUNT = 0.25, 0.5, 50
# What all texts have in common says nothing; their mean is taken away, for a few texts less of it.
_MEAN_COUNT = 20
SAMPLE = 10_000  # standard questions looked at for both
_BLOCK = 512


@dataclass(frozen=True)
class UnansweredQuery:
    """A query, normalised and masked, how often it went wrong by reason, and when last."""

    text: str
    reasons: Mapping[Reason, int]
    last_asked: str  # UTC, ISO 8601
    handled_before: bool = False  # something was done about it, and it was asked in vain since

    @property
    def count(self) -> int:
        """Return how often it went wrong."""
        return sum(self.reasons.values())


@dataclass(frozen=True)
class QueryGroup:
    """Queries that mean much the same, most frequent first."""

    representative: str  # the most central of them
    queries: tuple[UnansweredQuery, ...]

    @property
    def count(self) -> int:
        """Return how often they went wrong together."""
        return sum(query.count for query in self.queries)

    @property
    def reasons(self) -> dict[Reason, int]:
        """Return how often for each reason, those that occur."""
        sums = {
            reason: sum(query.reasons.get(reason, 0) for query in self.queries)
            for reason in REASONS
        }
        return {reason: count for reason, count in sums.items() if count}

    @property
    def last_asked(self) -> str:
        """Return when one of them was asked last: UTC, ISO 8601."""
        return max(query.last_asked for query in self.queries)

    def nearest(self, searcher: Searcher, k: int = 3) -> tuple[Hit, ...]:
        """Return the entries nearest to the representative, with their confidence."""
        return searcher.search(self.representative, k).hits


@dataclass(frozen=True)
class Unanswered:
    """What went wrong in a period. ``left_out``: rarer queries beyond MOST_QUERIES."""

    groups: tuple[QueryGroup, ...]
    left_out: int
    conditions: str  # encoder and words by which the vectors were made
    _vectors: Mapping[str, np.ndarray] = field(repr=False, compare=False)

    @property
    def queries(self) -> int:
        """Return how many different queries there are."""
        return sum(len(group.queries) for group in self.groups)

    @property
    def count(self) -> int:
        """Return how often customers went without."""
        return sum(group.count for group in self.groups)


@dataclass(frozen=True)
class Handled:
    """What was done about a query, by whom, and in which revision first."""

    text: str
    action: Action
    entry_key: str
    by: str
    at: str
    revision: int


def unanswered_queries(
    store: Store, period: Period, now: datetime | None = None
) -> tuple[UnansweredQuery, ...]:
    """Return what went wrong in the period, most often first; one text counts as one query.

    Refused, rated 👎, answered 都不是, or a list of which nothing was clicked within DECIDING of
    ``now``. Left out is what nothing can be done about (no text, too long), what was ignored, and
    what was handled and not asked in vain since: later, and of the revision with the change.
    """
    sql = (
        "select text, reason, count(*) as count, max(asked_at) as last_asked,"
        " max(handled) as handled from ("
        " select q.text as text, q.asked_at as asked_at, h.text is not null as handled,"
        " case when feedback in ('useless', 'none_of_these') then feedback"
        " when decision = 'reject' then 'rejected'"
        " when decision = 'clarify' and chosen = '' and feedback = '' and asked_at < ?"
        " then 'no_click' end as reason"
        " from query_log q left join handled h on h.text = q.text"
        " where asked_at >= ? and asked_at < ? and q.text <> ''"
        " and reason not in ('empty', 'no_text', 'too_long')"
        " and (h.text is null or"
        " h.action <> 'ignored' and q.asked_at > h.at and q.revision >= h.revision))"
        " where reason is not null group by text, reason"
    )
    decided = moment((now or datetime.now(UTC)) - DECIDING)
    with store.reading() as db:
        rows = list(db.query(sql, [decided, period.begins, period.ends]))
    found: dict[str, UnansweredQuery] = {}
    for row in rows:
        known = found.get(row["text"]) or UnansweredQuery(row["text"], {}, "")
        found[row["text"]] = UnansweredQuery(
            row["text"],
            {**known.reasons, row["reason"]: row["count"]},
            max(known.last_asked, row["last_asked"]),
            bool(row["handled"]),
        )
    newest_first = sorted(found.values(), key=lambda query: query.last_asked, reverse=True)
    return tuple(sorted(newest_first, key=lambda query: query.count, reverse=True))


def find_unanswered(
    store: Store,
    searcher: Searcher,
    period: Period,
    *,
    now: datetime | None = None,
    previous: Unanswered | None = None,
) -> Unanswered:
    """Group what went wrong in the period by meaning; most often asked first.

    What was worked out before, given as ``previous``, is not encoded again.
    """
    queries = [query for query in unanswered_queries(store, period, now) if speaks(query.text)]
    kept = queries[:MOST_QUERIES]
    conditions = f"{searcher.encoder.fingerprint} {searcher.lexicon.fingerprint}"
    known = previous._vectors if previous and previous.conditions == conditions else {}
    if not kept:
        return Unanswered((), 0, conditions, known)
    texts, standard = [query.text for query in kept], standard_questions(searcher)
    vectors = _encoded(searcher, dict.fromkeys([*texts, *standard]), known)
    whole, threshold = centred(_rows(vectors, texts), _rows(vectors, standard))
    members: dict[int, list[int]] = {}
    for row, number in enumerate(group_by_meaning(whole, threshold).tolist()):
        members.setdefault(number, []).append(row)
    groups = [_group([kept[row] for row in rows], whole[rows]) for rows in members.values()]
    newest_first = sorted(groups, key=lambda group: group.last_asked, reverse=True)
    return Unanswered(
        tuple(sorted(newest_first, key=lambda group: group.count, reverse=True)),
        len(queries) - len(kept),
        conditions,
        vectors,
    )


def handle(
    store: Store,
    queries: Sequence[UnansweredQuery],
    action: Action,
    entry_key: str = "",
    by: str = "",
    *,
    revision: int | None = None,
) -> int:
    """Remember what was done about queries; those that got an entry become regression cases.

    ``revision`` is the first that holds the change; by default the published one, so a change is
    published before it is remembered. Returns how many regression cases were added or changed, in
    the same transaction. Raises InputError for an action without its entry, or an unknown one.
    """
    if action not in get_args(Action):
        raise InputError(f"没有处理方式「{action}」。怎么办: 用 {', '.join(get_args(Action))} 之一")
    if bool(entry_key) == (action == "ignored"):
        need = "不带条目" if action == "ignored" else "要写明条目的编号"
        raise InputError(f"处理方式「{ACTIONS[action]}」{need}。怎么办: 重新选择条目或处理方式")
    at = moment(datetime.now(UTC))
    row = {"action": action, "entry_key": entry_key, "by": by, "at": at}
    with store.transaction() as db:
        row["revision"] = store.revision() if revision is None else revision
        db.table("handled").upsert_all(({"text": q.text, **row} for q in queries), pk="text")
        if not entry_key:
            return 0
        cases = [NewCase(query.text, entry_key, _origin(query)) for query in queries]
        done = write_cases(db, cases, by)
    return done.added + done.changed


def handled_queries(store: Store) -> tuple[Handled, ...]:
    """Return what was done, latest first."""
    with store.reading() as db:
        rows = list(db.query("select * from handled order by at desc, text"))
    return tuple(Handled(**row) for row in rows)


def reopen(store: Store, texts: Sequence[str]) -> int:
    """Forget what was done about queries, so that they are listed again; return how many."""
    with store.transaction() as db:
        sql = "delete from handled where text = ?"
        return sum(db.execute(sql, [text]).rowcount for text in texts)


def standard_questions(searcher: Searcher) -> list[str]:
    """Return the standard questions that can be found today, or an even sample of many."""
    questions = [entry.question for entry in searcher.live_entries().values()]
    return questions[:: -(-len(questions) // SAMPLE) or 1]


def centred(
    asked: np.ndarray, standard: np.ndarray, quantile: float = _QUARTILE
) -> tuple[np.ndarray, float]:
    """Return vectors of queries less what all texts share, float32 (n, d), and the threshold.

    ``standard`` are those of the FAQ's standard questions, float32 (m, d), perhaps none. Without
    the mean, cosines of unrelated texts lie round 0 (Mu, Viswanath: All-but-the-Top, 2018); the
    threshold is for ``group_by_meaning``.
    """
    count = len(standard)
    mean = standard.sum(axis=0) / (count + _MEAN_COUNT)
    own = _USUAL
    if count > 1:
        own = float(np.quantile(_nearest_cosines(_unit(standard - mean)), quantile))
    threshold = (count * own + _USUAL_COUNT * _USUAL) / (count + _USUAL_COUNT)
    return _unit(asked - mean), threshold


def _nearest_cosines(vectors: np.ndarray) -> np.ndarray:
    nearest = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -1
        nearest[start : start + _BLOCK] = cosines.max(axis=1)
    return nearest


def _encoded(
    searcher: Searcher, texts: Iterable[str], known: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the vectors, float32 (d,), by text; of all the texts, only the unknown are encoded."""
    found = {text: known.get(text) for text in texts}
    fresh = [text for text, vector in found.items() if vector is None]
    readings = [searcher.reader.read_stored(text) for text in fresh]
    found.update(zip(fresh, searcher.encoder.encode(readings), strict=True))
    return found


def _rows(vectors: Mapping[str, np.ndarray], texts: Sequence[str]) -> np.ndarray:
    size = len(next(iter(vectors.values())))
    return np.array([vectors[text] for text in texts], np.float32).reshape(len(texts), size)


def _group(queries: Sequence[UnansweredQuery], vectors: np.ndarray) -> QueryGroup:
    """Make a group; ``vectors`` float32 (n, d) are those of its queries, most frequent first."""
    counts = np.array([query.count for query in queries], dtype=np.float32)
    central = int(np.argmax(vectors @ (counts @ vectors)))
    return QueryGroup(queries[central].text, tuple(queries))


def _origin(query: UnansweredQuery) -> Literal["反馈", "未命中"]:
    rated = query.reasons.get("useless", 0) + query.reasons.get("none_of_these", 0)
    return "反馈" if rated else "未命中"


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
