"""Which tables do accounts and API keys have? Migrations of their own, in the FAQ's database."""

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from indexer.store import Store

migrations = Migrations("accounts")


def bring_up_to_date(store: Store) -> None:
    """Make the tables that are not there yet; raises StoreError."""
    with store.reading() as db:
        pending = migrations.pending(db)
    if pending:  # only then: reading must not need the write lock
        with store.transaction() as db:
            migrations.apply(db)


@migrations()
def a001_accounts(db: Database) -> None:
    """Users, their sessions, failed logins, and who did what."""
    db.execute(
        "create table users ("
        " name text primary key,"
        " password text not null,"  # scrypt$n$r$p$salt$key
        " role text not null check (role in ('viewer', 'editor', 'publisher')),"
        " created text not null,"  # UTC, ISO 8601
        " disabled integer not null default 0)"
    )
    # Times that are compared with a clock are seconds since 1970, UTC.
    db.execute(
        "create table sessions ("
        " token_hash text primary key,"  # SHA-256: who reads the file cannot log in with it
        " user text not null references users(name),"
        " created real not null,"
        " last_seen real not null)"
    )
    db.table("sessions").create_index(["user"])
    db.execute(
        "create table login_failures ("
        " key text primary key,"  # user:NAME or address:ADDRESS
        " count integer not null,"
        " last real not null,"
        " before real not null)"  # what ``last`` was, to take a charge back
    )
    # AUTOINCREMENT: a gap shows that a row was taken out.
    db.execute(
        "create table audit_log ("
        " id integer primary key autoincrement,"
        " at text not null,"  # UTC, ISO 8601
        " by text not null,"
        " what text not null,"
        " detail text not null,"
        " address text not null)"
    )


@migrations()
def a002_api_keys(db: Database) -> None:
    """Keys of the HTTP API."""
    db.execute(
        "create table api_keys ("
        " name text primary key,"
        " key_hash text not null unique,"  # SHA-256: who reads the file cannot ask with it
        " prefix text not null,"  # the first characters, to know a key again
        " scopes text not null,"  # JSON list
        " origins text not null,"  # JSON list; not empty: a key that pages carry
        " created text not null,"  # UTC, ISO 8601
        " created_by text not null,"
        " expires real,"  # seconds since 1970, UTC; null: never
        " last_used text not null default '',"  # UTC, ISO 8601; "" if never
        " revoked text not null default '')"  # likewise
    )
