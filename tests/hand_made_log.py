"""A query log written row by row, so that what is counted can be counted by hand."""

from itertools import count

from indexer.masking import as_asked

_numbers = count()
SHOWN = {"answer": "score", "clarify": "between", "reject": "low_score"}


def log(store, asked_at, query, decision, **row):
    """Log a query as of a moment: "2026-03-01 08:30", UTC, or with seconds and more."""
    at = asked_at.replace(" ", "T")
    at += {16: ":00.000+00:00", 19: ".000+00:00", 23: "+00:00"}[len(at)]
    row = {
        **{"trace_id": f"t{next(_numbers)}", "asked_at": at, "query": query, "hits": "[]"},
        **{"text": as_asked(query), "decision": decision, "reason": SHOWN[decision]},
        **{"entry_key": "", "revision": 1, "feedback": "", "chosen": ""},
        **row,
    }
    with store.transaction() as db:
        db.table("query_log").insert(row)
