"""What did customers ask in vain, and what is done about it? Groups of queries, handled at a click.

In: a desk, a period, a group. Out: groups, most frequent first; a new revision; the memory of what
was done, which makes regression cases.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from distill.text import normalise
from faq_app.operations import entries
from faq_app.operations.desk import Desk
from indexer import unanswered
from indexer.build import Published
from indexer.errors import InputError
from indexer.period import Period
from indexer.records import Entry
from indexer.unanswered import QueryGroup, Unanswered, UnansweredQuery

USUAL_DAYS = 30
_PREPARED = "unanswered"


def groups(desk: Desk, days: int) -> Unanswered:
    """Return what went wrong in the last days, grouped by meaning."""
    searcher = desk.searcher
    desk.service.flush()  # what was asked a moment ago, too
    known, prepared = desk.vain, desk.last(_PREPARED)
    if prepared and (known is None or known.conditions != prepared.conditions):
        known = prepared
    found = unanswered.find_unanswered(
        desk.service.store, searcher, Period.lasting(days), previous=known
    )
    desk.vain = found
    return found


def prepare(desk: Desk) -> None:
    """Encode the queries of the usual period, so that ``groups`` need not.

    What ``group`` finds stays what somebody was shown last.
    """
    store = desk.service.store
    desk.once_a_revision(
        _PREPARED,
        lambda searcher: unanswered.find_unanswered(
            store, searcher, Period.lasting(USUAL_DAYS), previous=desk.vain
        ),
    )


def group(desk: Desk, representative: str, without: Collection[str] = ()) -> QueryGroup:
    """Return a group that ``groups`` found last, without some of its queries.

    Raises InputError if it is not there any more, or nothing is left of it.
    """
    found = desk.vain.groups if desk.vain else ()
    wanted = next((each for each in found if each.representative == representative), None)
    if wanted is None:
        raise InputError("这一组已经处理过了, 或者变了。怎么办: 刷新列表")
    queries = tuple(query for query in wanted.queries if query.text not in without)
    if not queries:
        raise InputError("这一组一条也没有勾选。怎么办: 勾上要处理的")
    if representative in without:
        representative = queries[0].text
    return replace(wanted, representative=representative, queries=queries)


def named(desk: Desk, texts: Collection[str], days: int) -> QueryGroup:
    """Return these queries of the last days as a group, whatever groups are listed now.

    Raises InputError for one that did not go wrong then, or was handled since.
    """
    desk.service.flush()
    found = unanswered.unanswered_queries(desk.service.store, Period.lasting(days))
    known = {query.text: query for query in found}
    if strange := [text for text in texts if text not in known]:
        raise InputError(
            f"「{strange[0][:40]}」不在最近 {days} 天未命中的提问里, 或者已经处理过了。"
            "怎么办: 重新列出"
        )
    queries = tuple(known[text] for text in dict.fromkeys(texts))
    if not queries:
        raise InputError("一条提问也没有。怎么办: 写上要处理的")
    return QueryGroup(queries[0].text, queries)


def add_as_similar(
    desk: Desk, wanted: QueryGroup, key: str, by: str, insist: bool = False
) -> tuple[Entry, Entry, Published]:
    """Publish a group's queries as similar questions of an entry; return it before and after.

    Raises InputError for a query that is another entry's, and as ``entries.save``.
    """
    seen = desk.searcher.entries.get(key)
    if seen is None:
        raise InputError(f"条目 {key} 已经没有了。怎么办: 刷新列表")
    known = {normalise(text) for text in (seen.question, *seen.variants)}
    new = [query.text for query in wanted.queries if normalise(query.text) not in known]
    entry = replace(seen, variants=(*seen.variants, *new))
    if not new:
        raise InputError(f"「{seen.question}」已有这些问法。怎么办: 看看答案或阈值, 或选「不处理」")
    entry, done = entries.save(desk, entry, seen, by, insist)
    remember(desk, wanted.queries, "similar", key, by)
    return seen, entry, done


def remember(
    desk: Desk,
    queries: Sequence[UnansweredQuery],
    action: unanswered.Action,
    key: str,
    by: str,
) -> None:
    """Note what was done; queries that got an entry become regression cases."""
    unanswered.handle(desk.service.store, queries, action, key, by)
    desk.note(by, f"未命中: {unanswered.ACTIONS[action]}", queries[0].text if queries else "")


def forget(desk: Desk, texts: Sequence[str], by: str) -> None:
    """Let queries be listed again."""
    unanswered.reopen(desk.service.store, texts)
    desk.note(by, "未命中: 重新列出", texts[0] if texts else "")
