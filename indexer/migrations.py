"""Which tables exist? Numbered migrations, applied in order whenever a store is opened."""

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from indexer.masking import as_asked

APPLICATION_ID = 0x46415131  # "FAQ1" in the file header: says that the database is ours

migrations = Migrations("indexer")


@migrations()
def m001_faq(db: Database) -> None:
    """Entries, their questions, and a vector for each (encoder, text, weights)."""
    db.table("entries").create(
        {
            "key": str,
            "position": int,  # order in the file, kept for export
            "question": str,
            "negatives": str,  # JSON lists and objects from here on, where plural
            "answer": str,
            "category": str,
            "tags": str,
            "enabled": int,
            "valid_from": str,
            "valid_to": str,
            "related": str,
            "extra": str,
        },
        pk="key",
        not_null={"question", "answer", "enabled"},
    )
    # AUTOINCREMENT: an id that was deleted must never come back for another text, because a
    # Searcher of the previous revision may still be using it.
    db.execute(
        "create table questions ("
        " id integer primary key autoincrement,"
        " entry_key text not null references entries(key),"
        " text text not null,"
        " kind text not null check (kind in ('standard', 'similar')),"
        " vector_key text not null references vectors(key))"
    )
    db.table("questions").create_index(["entry_key"])
    db.table("vectors").create({"key": str, "vector": bytes}, pk="key", not_null={"vector"})
    db.table("settings").create({"name": str, "value": str}, pk="name")


@migrations()
def m002_query_log(db: Database) -> None:
    """What was asked, what was decided, and what the customer said of it."""
    db.table("query_log").create(
        {
            "trace_id": str,
            "asked_at": str,  # UTC, ISO 8601
            "query": str,
            "decision": str,
            "reason": str,
            "entry_key": str,  # the entry shown, "" if none
            "hits": str,  # JSON: [{"entry_id", "question", "score"}, …]
            "revision": int,
            "feedback": str,  # "", useful, useless, none_of_these
            "chosen": str,  # the entry clicked under 您是不是想问, "" if none
        },
        pk="trace_id",
    )
    db.table("query_log").create_index(["asked_at"])


@migrations()
def m003_vectors_of_answers(db: Database) -> None:
    """Answers and 反例 have vectors now: all that is stored counts as another encoder's."""
    db.execute("update settings set value = '\"\"' where name = 'encoder'")


@migrations()
def m004_history(db: Database) -> None:
    """Who published what and when, and what it replaced; and the draft of the next publication."""
    db.execute(
        "create table revisions ("
        " revision integer primary key,"
        " at text not null,"  # UTC, ISO 8601
        ' "by" text not null,'
        " what text not null,"
        " summary text not null,"  # JSON, for people: see Summary in revisions.py
        " settings text not null,"  # JSON: what the changed settings were, null if they were not
        " entries blob not null,"  # JSON, zlib: the entries as they were, keys of the new ones
        " regression text)"  # JSON: what the regression set said, null if it was not asked
    )
    # The revision in which an entry changed last; 0: before there was a history.
    db.execute("alter table entries add column changed_in integer not null default 0")
    # Vector keys of the beginnings of answers and of 反例, so that only changed texts are read.
    db.execute(
        "create table other_texts ("
        " text text primary key,"
        " vector_key text not null references vectors(key))"
    )
    # Without them, every vector that goes is looked for in all rows that might refer to it.
    db.table("questions").create_index(["vector_key"])
    db.table("other_texts").create_index(["vector_key"])
    db.execute(
        "create table draft ("
        " kind text not null check (kind in ('entry', 'keyword', 'setting')),"
        " name text not null,"  # key of the entry, word, or name of the setting
        " content text not null,"  # JSON: what it is to be; null: deleted, or taken away
        " base text not null,"  # JSON: what it was when the draft began; null: not there
        ' "by" text not null,'
        " at text not null,"
        " primary key (kind, name))"
    )


@migrations()
def m005_judging_and_counting(db: Database) -> None:
    """Regression cases and their runs, queries that were seen to, and a log that is fast to count.

    ``text`` is what queries are counted and grouped by. The one index holds every column that is
    counted, so that no row with its hits is read for a figure; it serves where the old one did.
    """
    log = db.table("query_log")
    log.add_column("text", str, not_null_default="")
    log.add_column("milliseconds", float)  # to the decision; null: asked before it was measured
    db.conn.create_function("as_asked", 1, as_asked, deterministic=True)
    db.execute("update query_log set text = as_asked(query)")
    db.execute("drop index if exists idx_query_log_asked_at")
    db.execute(
        "create index query_log_counted on query_log (asked_at, text, decision, reason,"
        " entry_key, chosen, feedback, revision, milliseconds)"
    )
    # AUTOINCREMENT: a page that still shows a removed case must never name another by its id.
    db.execute(
        "create table regression_cases ("
        " id integer primary key autoincrement,"
        " text text not null unique,"  # as asked; `query` is how it was typed
        " query text not null,"
        " entry_key text not null,"  # "": must be refused
        " origin text not null,"
        " added_by text not null,"
        " added_at text not null,"
        " enabled integer not null default 1)"
    )
    db.execute(
        "create table regression_runs ("
        " id integer primary key autoincrement,"
        " revision integer not null,"
        " at text not null,"
        ' "by" text not null,'
        " setup text not null,"  # JSON: what it ran with, in words
        " measures text not null,"  # JSON, by field of Evaluation
        " cases text)"  # JSON: every outcome; null in old runs, of which the curve is kept
    )
    db.execute(
        "create table handled ("
        " text text primary key,"
        " action text not null,"
        " entry_key text not null,"
        ' "by" text not null,'
        " at text not null,"
        " revision integer not null)"  # the first that holds the change
    )
