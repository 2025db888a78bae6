"""What was published by whom, what differs between two revisions, and how does one go back?

In: a desk. Out: revisions, the newest first; the differences of any two; and a new revision that
equals an old one.
"""

from faq_app.operations.desk import Desk
from indexer import history
from indexer.build import Published
from indexer.history import Changes
from indexer.revisions import Revision


def revisions(desk: Desk, count: int, start: int) -> list[Revision]:
    """Return some of the revisions, the newest first."""
    return history.history(desk.service.store, count, start)


def revision_count(desk: Desk) -> int:
    """Return how many there are."""
    return history.revision_count(desk.service.store)


def differences(desk: Desk, before: int, after: int) -> Changes:
    """Return what changed from one revision to another; raises PublishError if one is not kept."""
    return history.changes_between(desk.service.store, before, after)


def go_back(desk: Desk, revision: int, by: str) -> Published:
    """Publish a revision that equals an old one: entries, words, thresholds and encoder together.

    Raises PublishError if it is not kept, or equals what is published now.
    """
    done = history.rollback(desk.service.store, desk.service.encoder, revision, by)
    desk.published(by, f"回退到第 {revision} 版", done)
    return done
