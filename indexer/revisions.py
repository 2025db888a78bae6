"""Who published what and when, and what did it replace? The rows of the table ``revisions``.

In: a publication's steps. Out: a row for it, in the transaction that publishes; and rows read back.
What they are good for (differences, going back) is history.py's matter.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Database

from indexer.records import Entry

_NAMED = 20  # entries and words a summary names; the rest it counts
# Settings that say where things come from, not how anything is answered.
SILENT = frozenset({"revision", "source", "encoder_path"})
_SETTINGS = {
    "keywords": "关键词",
    "synonyms": "同义词",
    "signals": "信号权重",
    "negation_guard": "否定检查",
    "calibration": "阈值",
    "encoder": "编码器",
    "wording": "聊天页的文字",
}


@dataclass(frozen=True)
class Summary:
    """What a revision changed, for people: counts, and standard questions up to the 20th."""

    added: int = 0
    changed: int = 0
    deleted: int = 0
    added_names: tuple[str, ...] = ()
    changed_names: tuple[str, ...] = ()
    deleted_names: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()  # names of settings, but not those of where things come from
    keywords: tuple[str, ...] = ()  # such as 花呗 = 2, up to the 20th


@dataclass(frozen=True)
class Revision:
    """A publication as people see it. ``at`` is UTC, ISO 8601."""

    revision: int
    at: str
    by: str
    what: str
    summary: Summary
    regression: Mapping[str, Any] | None


@dataclass(frozen=True)
class Replaced:
    """What a publication replaced. None: it was not there."""

    entries: Mapping[str, tuple[int, Entry] | None]  # position and entry, by key
    settings: Mapping[str, Any]


def setting_name(name: str) -> str:
    """Return what people call a setting."""
    return _SETTINGS.get(name, name)


def record(
    db: Database,
    revision: int,
    replaced: Replaced,
    packed: bytes,
    now: Mapping[str, Entry],
    settings: Mapping[str, Any],
    by: str,
    what: str,
    regression: Mapping[str, Any] | None,
) -> None:
    """Write a revision's row.

    ``packed``: the replaced entries, packed before the transaction, for which many take seconds.
    ``now``: written entries, ``settings``: written ones, by name.
    """
    summary = _summary(replaced, now, settings)
    db.table("revisions").insert(
        {
            "revision": revision,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "by": by,
            "what": what or _in_words(summary),
            "summary": _json(asdict(summary)),
            "settings": _json(replaced.settings),
            "entries": packed,
            "regression": None if regression is None else _json(regression),
        }
    )


def read(db: Database, limit: int, offset: int) -> list[Revision]:
    """Return revisions, the newest first."""
    sql = (
        'select revision, at, "by", what, summary, regression from revisions'
        " order by revision desc limit ? offset ?"
    )
    return [_revision(row) for row in db.query(sql, [limit, offset])]


def read_one(db: Database, revision: int) -> Revision | None:
    """Return a revision; None if it left no row."""
    sql = 'select revision, at, "by", what, summary, regression from revisions where revision = ?'
    return next((_revision(row) for row in db.query(sql, [revision])), None)


def count(db: Database) -> int:
    """Return how many revisions left a row."""
    return db.execute("select count(*) from revisions").fetchone()[0]


def replaced_since(db: Database, revision: int) -> Iterator[tuple[int, Replaced]]:
    """Yield what each later revision replaced, the oldest first."""
    sql = "select revision, settings, entries from revisions where revision > ? order by revision"
    for number, settings, entries in db.execute(sql, [revision]):
        yield number, Replaced(unpack_entries(entries), json.loads(settings))


def replaced_keywords(db: Database) -> Iterator[tuple[Revision, Mapping[str, float]]]:
    """Yield the revisions that changed keywords, newest first, with the factors before each."""
    sql = (
        'select revision, at, "by", what, summary, regression, settings from revisions'
        " where json_type(settings, '$.keywords') is not null order by revision desc"
    )
    for row in db.query(sql):
        settings = json.loads(row.pop("settings"))
        yield _revision(row), settings["keywords"] or {}


def last_change(db: Database, key: str) -> Revision | None:
    """Return the revision in which an entry changed, or was deleted, last; None if unknown."""
    row = db.execute("select changed_in from entries where key = ?", [key]).fetchone()
    if row:
        return read_one(db, row[0])
    # It is gone: the last revision that replaced it took it away.
    sql = "select revision, entries from revisions order by revision desc"
    for number, entries in db.execute(sql):
        if key in unpack_entries(entries):
            return read_one(db, number)
    return None


def pack_entries(entries: Mapping[str, tuple[int, Entry] | None]) -> bytes:
    """Write entries and their positions as JSON, zlib.

    20,000 entries with 100,000 questions: 0.5 s, and 3 MB of 9.
    """
    rows = {
        key: None
        if found is None
        else [found[0], *(getattr(found[1], name) for name in _ENTRY_FIELDS)]
        for key, found in entries.items()
    }
    return zlib.compress(_json(rows).encode(), 3)


def unpack_entries(data: bytes) -> dict[str, tuple[int, Entry] | None]:
    """Read what ``pack_entries`` wrote."""
    found: dict[str, tuple[int, Entry] | None] = {}
    for key, row in json.loads(zlib.decompress(data)).items():
        if row is None:
            found[key] = None
        else:
            position, *values = row
            found[key] = (position, entry_of(dict(zip(_ENTRY_FIELDS, values, strict=True))))
    return found


def entry_of(values: Mapping[str, Any]) -> Entry:
    """Return an entry from JSON: lists become tuples again."""
    return Entry(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def changed_words(
    before: Mapping[str, float] | None, after: Mapping[str, float] | None
) -> dict[str, tuple[float, float]]:
    """Return the words whose factor differs, with both; 1 where there is none."""
    before, after = before or {}, after or {}
    pairs = {
        word: (before.get(word, 1.0), after.get(word, 1.0))
        for word in dict.fromkeys((*before, *after))
    }
    return {word: pair for word, pair in pairs.items() if pair[0] != pair[1]}


_ENTRY_FIELDS = tuple(field.name for field in fields(Entry))


def _summary(replaced: Replaced, now: Mapping[str, Entry], settings: Mapping[str, Any]) -> Summary:
    added = [now[key].question for key, old in replaced.entries.items() if old is None]
    changed = [now[key].question for key, old in replaced.entries.items() if old and key in now]
    deleted = [old[1].question for key, old in replaced.entries.items() if old and key not in now]
    words = changed_words(replaced.settings.get("keywords"), settings.get("keywords"))
    return Summary(
        len(added),
        len(changed),
        len(deleted),
        tuple(added[:_NAMED]),
        tuple(changed[:_NAMED]),
        tuple(deleted[:_NAMED]),
        tuple(name for name in replaced.settings if name not in SILENT),
        tuple(f"{word} = {new:g}" for word, (_, new) in words.items())[:_NAMED]
        if "keywords" in replaced.settings
        else (),
    )


def _in_words(summary: Summary) -> str:
    counts = (("新增", summary.added), ("更新", summary.changed), ("删除", summary.deleted))
    parts = [f"{word} {number} 个条目" for word, number in counts if number]
    one_word = len(summary.keywords) == 1
    parts += [
        f"关键词 {summary.keywords[0]}" if one_word and name == "keywords" else setting_name(name)
        for name in summary.settings
    ]
    return ", ".join(parts) or "内容不变"


def _revision(row: Mapping[str, Any]) -> Revision:
    values = {
        k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(row["summary"]).items()
    }
    regression = row["regression"]
    return Revision(
        row["revision"],
        row["at"],
        row["by"],
        row["what"],
        Summary(**values),
        None if regression is None else json.loads(regression),
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
