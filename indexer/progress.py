"""How far has something come? One callback for whoever shows it, or stops it.

In: items, and a callback that is told (done, of how many). Out: the items, one by one; what the
callback raises, such as ``Cancelled``, ends the loop.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")
Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Tell nobody."""


def counted(items: Sequence[T], progress: Progress = silent) -> Iterator[T]:
    """Yield the items; before each, and at the end, tell how many are done."""
    for done, item in enumerate(items):
        progress(done, len(items))
        yield item
    progress(len(items), len(items))
