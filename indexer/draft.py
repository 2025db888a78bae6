"""Which changes wait to be published together? One draft a database, whoever works on it.

In: entries to write or delete, factors of words, settings; each with who changed it and what it was
then. Out: a rehearsal of all of them, or one new revision. What somebody changed meanwhile is named
and never overwritten.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlite_utils import Database

from distill.encoder import Encoder
from distill.text import normalise
from indexer import build
from indexer.build import Published
from indexer.errors import PublishError
from indexer.lexicon import with_keyword
from indexer.publication import Snapshot
from indexer.records import Entry
from indexer.rehearsal import Rehearsal
from indexer.revisions import entry_of, setting_name
from indexer.search import Searcher
from indexer.store import Store

Kind = Literal["entry", "keyword", "setting"]
# Of the searcher that the draft would make: what the revision shall remember of it, None if there
# is nothing to judge by. "broken" lists the queries that come out wrong only then.
Judge = Callable[[Searcher], Mapping[str, Any] | None]
_NAMED = 5  # broken queries that a refusal names


@dataclass(frozen=True)
class Item:
    """One change in the draft, and what was published when it was begun.

    ``name`` is an entry's key, a word, or the name of a setting. ``content`` and ``base`` are an
    Entry, a factor, or the setting's value; None: deleted, taken away, or not there.
    """

    kind: Kind
    name: str
    content: Any
    base: Any
    by: str
    at: str  # UTC, ISO 8601

    @property
    def in_words(self) -> str:
        """Return what the change is."""
        if self.kind == "entry":
            entry = self.content or self.base
            done = "删除" if self.content is None else "新增" if self.base is None else "更新"
            return f"{done}条目 {self.name}「{entry.question}」"
        if self.kind == "keyword":
            if self.content is None:
                return f"关键词 {self.name} 的调整去掉"
            return f"关键词 {self.name} = {self.content:g}"
        return f"设置 {setting_name(self.name)}"


def add_entry(store: Store, entry: Entry, by: str, seen: Entry | None) -> None:
    """Put a new or changed entry into the draft, or in place of what the draft has of it.

    ``seen`` is the entry as its editor saw it, None for a new one: the draft's, or the published
    one, which the change is then based on. Raises PublishError if it is neither any more.
    """
    _put_entry(store, entry.key, entry, by, seen)


def add_deletion(store: Store, key: str, by: str, seen: Entry) -> None:
    """Put the deletion of an entry into the draft; ``seen`` and errors as for ``add_entry``."""
    _put_entry(store, key, None, by, seen)


def add_keyword(store: Store, word: str, factor: float | None, by: str) -> None:
    """Put a word's factor into the draft; None, or 1, takes it away.

    Raises ValueError for a word or factor that cannot be one.
    """
    word = normalise(word)
    wanted = with_keyword({}, word, factor).get(word)
    _put(store, "keyword", word, wanted, (store.setting("keywords") or {}).get(word), by)


def add_setting(store: Store, name: str, value: Any, by: str) -> None:
    """Put a setting that decides replies into the draft; None takes it away.

    Raises ValueError for the keywords, which are put there one by one.
    """
    if name == "keywords":
        raise ValueError("keywords are drafted word by word: add_keyword")
    _put(store, "setting", name, value, store.setting(name), by)


def items(store: Store) -> tuple[Item, ...]:
    """Return what the draft holds, in the order in which it was begun."""
    with store.reading() as db:
        sql = 'select kind, name, content, base, "by", at from draft order by rowid'
        return tuple(_item(*row) for row in db.execute(sql))


def discard(store: Store, kind: Kind, name: str) -> None:
    """Take one change out of the draft. Raises PublishError if it is not in there."""
    with store.transaction() as db:
        done = db.execute("delete from draft where kind = ? and name = ?", [kind, name])
        if not done.rowcount:
            raise PublishError(f"草稿里没有 {name}: 可能已被别人放弃或发布。怎么办: 刷新后再看")


def discard_all(store: Store) -> int:
    """Empty the draft; return how many changes it held."""
    with store.transaction() as db:
        return db.execute("delete from draft").rowcount


def stale(store: Store) -> tuple[Item, ...]:
    """Return the changes whose entry, word or setting was published otherwise meanwhile."""
    snapshot = store.snapshot()
    return tuple(item for item in items(store) if _is_stale(item, snapshot))


def preview(store: Store, encoder: Encoder) -> Rehearsal:
    """Return the FAQ as it would be with the draft published.

    Raises PublishError, by name, if something was published otherwise meanwhile.
    """
    rehearsal = Rehearsal(store)
    snapshot = rehearsal.snapshot()
    _publish(rehearsal, snapshot, encoder, _checked(store, snapshot, items(store)))
    return rehearsal


def publish(
    store: Store,
    encoder: Encoder,
    by: str,
    what: str = "",
    *,
    judge: Judge | None = None,
    at_most_broken: int = 0,
    force: bool = False,
    previous: Searcher | None = None,
) -> Published:
    """Publish the whole draft as one revision, and empty it.

    ``judge`` is asked first; when it finds more than ``at_most_broken`` queries broken, nothing is
    published, unless ``force``. What it says is kept with the revision. ``previous``, the searcher
    of the published revision, makes it faster. Raises PublishError if the draft is empty, stale or
    breaks too much, and if somebody published meanwhile.
    """
    snapshot, drafted = store.snapshot(), items(store)
    if not drafted:
        raise PublishError(f"{store.path}: 草稿是空的, 没有什么可以发布")
    _checked(store, snapshot, drafted)
    verdict = None
    if judge:
        rehearsal = Rehearsal(store)
        _publish(rehearsal, rehearsal.snapshot(), encoder, drafted)
        verdict = judge(Searcher.load(rehearsal, encoder, previous))
        verdict = _through_the_gate(verdict, at_most_broken, force)
    people = "、".join(dict.fromkeys(item.by for item in drafted if item.by))
    what = what or f"发布草稿: {len(drafted)} 处改动" + (f" ({people})" if people else "")
    done = _publish(store, snapshot, encoder, drafted, by=by, what=what, regression=verdict)
    with store.transaction() as db:
        # What was put there while this was publishing stays.
        for item in drafted:
            db.execute(
                "delete from draft where kind = ? and name = ? and at = ? and content = ?",
                [item.kind, item.name, item.at, _as_json(item.content)],
            )
    return done


def _put_entry(store: Store, key: str, content: Entry | None, by: str, seen: Entry | None) -> None:
    published = store.snapshot().entries.get(key)
    with store.transaction() as db:
        drafted = _find(db, "entry", key)
        if drafted and drafted.content == seen:
            published = drafted.base
        elif seen != published:
            change = store.last_change(key)
            who, when = (drafted.by, drafted.at) if drafted else ("", "")
            if not drafted and change:
                who, when = change.by, change.at
            name = (content or seen or published).question
            raise PublishError(
                f"条目 {key}「{name}」刚被 {who or '别人'} 改过 ({when}), 您的改动没有保存。"
                "怎么办: 刷新, 看过现在的内容后再改一次"
            )
        _write(db, "entry", key, content, published, by)


def _put(store: Store, kind: Kind, name: str, content: Any, published: Any, by: str) -> None:
    with store.transaction() as db:
        drafted = _find(db, kind, name)
        _write(db, kind, name, content, drafted.base if drafted else published, by)


def _write(db: Database, kind: Kind, name: str, content: Any, base: Any, by: str) -> None:
    """Write a change; one that changes nothing leaves the draft."""
    if _as_json(content) == _as_json(base):
        db.execute("delete from draft where kind = ? and name = ?", [kind, name])
        return
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    db.execute(
        'insert into draft (kind, name, content, base, "by", at) values (?, ?, ?, ?, ?, ?)'
        " on conflict (kind, name) do update set content = excluded.content,"
        ' base = excluded.base, "by" = excluded."by", at = excluded.at',
        [kind, name, _as_json(content), _as_json(base), by, at],
    )


def _find(db: Database, kind: Kind, name: str) -> Item | None:
    sql = 'select kind, name, content, base, "by", at from draft where kind = ? and name = ?'
    return next((_item(*row) for row in db.execute(sql, [kind, name])), None)


def _checked(store: Store, snapshot: Snapshot, drafted: tuple[Item, ...]) -> tuple[Item, ...]:
    """Return the changes. Raises PublishError that names those that were overtaken."""
    late = [item for item in drafted if _is_stale(item, snapshot)]
    if late:
        named = "; ".join(f"{item.in_words} (草稿: {item.by or '别人'})" for item in late)
        raise PublishError(
            f"{store.path}: 放进草稿以后, 这些已被别人改过并发布: {named}。什么也没有发布。"
            "怎么办: 看过现在的内容后重新改, 或从草稿里放弃它们"
        )
    return drafted


def _is_stale(item: Item, snapshot: Snapshot) -> bool:
    if item.kind == "entry":
        now = snapshot.entries.get(item.name)
    elif item.kind == "keyword":
        now = (snapshot.settings.get("keywords") or {}).get(item.name)
    else:
        now = snapshot.settings.get(item.name)
    # Published already, perhaps by a publication that was cut off before it emptied the draft.
    return now not in (item.base, item.content)


def _publish(
    store: Store, snapshot: Snapshot, encoder: Encoder, drafted: tuple[Item, ...], **options: Any
) -> Published:
    entries = {item.name: item for item in drafted if item.kind == "entry"}
    settings = {item.name: item.content for item in drafted if item.kind == "setting"}
    words = [item for item in drafted if item.kind == "keyword"]
    if words:
        keywords = snapshot.settings.get("keywords") or {}
        for item in words:
            keywords = with_keyword(keywords, item.name, item.content)
        settings["keywords"] = keywords or None
    return build.publish(
        store,
        snapshot,
        encoder,
        [item.content for item in entries.values() if item.content is not None],
        settings,
        deleted=[
            key for key, item in entries.items() if item.content is None and key in snapshot.entries
        ],
        **options,
    )


def _through_the_gate(
    verdict: Mapping[str, Any] | None, at_most_broken: int, force: bool
) -> Mapping[str, Any] | None:
    broken = list(verdict["broken"]) if verdict else []
    if len(broken) <= at_most_broken:
        return verdict
    if force:
        return {**verdict, "forced": True}
    named = "、".join(f"「{query}」" for query in broken[:_NAMED])
    more = " 等" if len(broken) > _NAMED else ""
    raise PublishError(
        f"这些改动会弄坏 {len(broken)} 条回归提问 (最多允许 {at_most_broken} 条): {named}{more}。"
        "什么也没有发布。怎么办: 改一改草稿, 或确认仍然发布"
    )


def _item(kind: Kind, name: str, content: str, base: str, by: str, at: str) -> Item:
    values = [json.loads(text) for text in (content, base)]
    if kind == "entry":
        values = [value and entry_of(value) for value in values]
    return Item(kind, name, *values, by, at)


def _as_json(value: Any) -> str:
    plain = asdict(value) if isinstance(value, Entry) else value
    return json.dumps(plain, ensure_ascii=False)
