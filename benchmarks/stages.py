"""Where does each microsecond of an answer go? Functions are timed from outside, by their names.

In: a database and queries. Out: processor microseconds a query of each stage, less what the stages
inside it took. Imported by load.py, the timing itself included.
"""

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distill import encoder, weights
from distill.encoder import Encoder
from faq_app import log_writer, reply, service
from indexer import calibration, entry_vectors, lexical, search, store, vector_index

ROOT = Path(__file__).parent.parent
# Stage → functions; what none of them holds is told as part of the stage around it.
STAGES: Mapping[str, Sequence[tuple[Any, str]]] = {
    "ask, reply": ((service.Service, "ask"), (service, "decided")),
    "revision": ((store.Store, "revision"),),
    "normalise": ((service, "normalise"), (weights, "normalise"), (search, "normalise")),
    "segment": ((weights, "segment"),),
    "weigh": ((weights.Weighting, "weigh"),),
    "tokenise": ((encoder, "tokenise"),),
    "encoder": ((encoder.Encoder, "_encode_one"),),
    "vectors": (
        (vector_index.VectorIndex, "search"),
        (vector_index.VectorIndex, "cosines"),
        (entry_vectors.EntryVectors, "whiten"),
        (entry_vectors.EntryVectors, "cosines"),
    ),
    "characters and sounds": (
        (lexical.LexicalIndex, "_sums"),
        (search, "characters"),
        (search, "sounds"),
        (search, "pairs"),
    ),
    "signals, order": (
        (search.Searcher, "rank"),
        (search.Searcher, "_proposed"),
        (search, "_largest"),
    ),
    "calibration": (
        (search.Searcher, "search"),
        (search.Searcher, "_covered"),
        (search, "evidence_of"),
        (calibration.Calibration, "judge"),
    ),
    "negation": ((search.Searcher, "_contradiction"),),
    "decision": ((reply, "decide"),),
    "log queue": ((log_writer.LogWriter, "add"),),
}


def where_time_goes(db: Path, queries: Sequence[str]) -> dict[str, float]:
    """Return microseconds a query by stage, most first."""
    spent: Counter[str] = Counter()
    with _timed(spent):
        asked = service.Service(
            store.Store.open(db), Encoder.load(ROOT / "data" / "encoder"), remembered=0
        )
        for query in queries[:50]:
            asked.ask(query)
        spent.clear()
        for query in queries:
            asked.ask(query)
        found = {stage: round(ns / len(queries) / 1000, 1) for stage, ns in spent.most_common()}
        asked.close()
    return found


@contextmanager
def _timed(spent: Counter[str]) -> Iterator[None]:
    inside: list[int] = []
    before = []
    for stage, functions in STAGES.items():
        for owner, name in functions:
            function = getattr(owner, name)
            before.append((owner, name, function))
            setattr(owner, name, _timing(function, stage, spent, inside))
    try:
        yield
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


def _timing(
    function: Callable[..., Any], stage: str, spent: Counter[str], inside: list[int]
) -> Callable[..., Any]:
    @functools.wraps(function)
    def timed(*given: Any, **named: Any) -> Any:
        started = time.thread_time_ns()
        inside.append(0)
        try:
            return function(*given, **named)
        finally:
            taken = time.thread_time_ns() - started
            spent[stage] += taken - inside.pop()
            if inside:
                inside[-1] += taken

    return timed
