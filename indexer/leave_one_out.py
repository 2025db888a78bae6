"""What if nobody has labelled queries? The FAQ's own similar questions, each asked without itself.

In: a searcher. Out: labelled queries, and a search that passes over a question when it is the one
that is asked (leave-one-out; the index stays as it is). Beside them the questions that no FAQ
answers, from data/out_of_scope.csv or a list of one's own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np

from distill.text import normalise
from indexer.errors import TableError
from indexer.evaluate import LabelledQuery, read_queries
from indexer.records import SearchResult
from indexer.search import Searcher

_SAID = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class LeaveOneOut:
    """Similar questions to ask, and the search to ask them of."""

    queries: tuple[LabelledQuery, ...]
    measurable: int  # similar questions there are; ``queries`` may be a sample of them
    unmeasurable: tuple[str, ...]  # entries without a similar question of their own wording
    _searcher: Searcher = field(repr=False)
    _same: dict[str, frozenset[int]] = field(repr=False)  # ids of questions by what they say

    def search(self, query: str, k: int) -> SearchResult:
        """Search the questions that say something else than ``query``."""
        return self._searcher.search(query, k, without=self._same.get(_said(query), frozenset()))

    def holds(self, query: str) -> bool:
        """Say whether the FAQ has a question that says just this."""
        return _said(query) in self._same


def leave_one_out(searcher: Searcher, at_most: int) -> LeaveOneOut:
    """Return the similar questions of the entries that can be found today, in file order.

    Of more than ``at_most`` a sample is drawn, always the same. The standard question stays in the
    index; a similar question that differs from its entry's standard question in punctuation only
    would be found by that, and is not asked.
    """
    live = searcher.live_entries()
    same: dict[str, set[int]] = {}
    found: dict[str, dict[str, LabelledQuery]] = {key: {} for key in live}
    for question in searcher.questions:
        said = _said(question.text)
        same.setdefault(said, set()).add(question.id)
        entry = live.get(question.entry_key)
        if entry and question.kind == "similar" and said != _said(entry.question):
            query = LabelledQuery(question.text, entry.key, "", "similar")
            found[entry.key].setdefault(said, query)
    queries = [query for own in found.values() for query in own.values()]
    chosen: Sequence[int] = range(len(queries))
    if len(queries) > at_most:
        chosen = np.sort(np.random.default_rng(0).permutation(len(queries))[:at_most])
    return LeaveOneOut(
        tuple(queries[i] for i in chosen),
        len(queries),
        tuple(key for key, own in found.items() if not own),
        searcher,
        {said: frozenset(ids) for said, ids in same.items()},
    )


def read_out_of_scope(path: Path) -> list[LabelledQuery]:
    """Read questions that the FAQ does not answer: a query file, or one a line in a .txt.

    Raises TableError if there is none, or one has an entry.
    """
    if path.suffix.lower() == ".txt":
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeError) as error:
            raise TableError(f"{path}: 无法读取 ({error})。怎么办: 检查路径, 存为 UTF-8") from error
        queries = [LabelledQuery(line.strip(), "", "", "") for line in lines if line.strip()]
        if not queries:
            raise TableError(f"{path}: 没有一条提问。怎么办: 每行写一条库里没有答案的提问")
        return queries
    queries = [replace(query, split="") for query in read_queries(path)]
    if labelled := next((query for query in queries if query.entry_id), None):
        raise TableError(
            f"{path}: 「{labelled.query}」有条目 {labelled.entry_id}, 不是库外的提问。"
            "怎么办: entry_id 留空; 有标注的提问表请直接写: python -m indexer evaluate 提问表"
        )
    return queries


def built_in_out_of_scope() -> Path:
    """Return where the built-in list lies: in data/ of a checkout, else where pip put it.

    Raises TableError if it is in neither place.
    """
    name = "out_of_scope.csv"
    if (beside := Path(__file__).parent.parent / "data" / name).is_file():
        return beside
    try:
        installed = [Path(file.locate()) for file in files("faq-retrieval") or ()]
    except PackageNotFoundError:
        installed = []
    for path in installed:
        if path.name == name and path.is_file():
            return path
    raise TableError(f"{beside}: 没有自带的库外提问清单。怎么办: 用 --out-of-scope 文件 指定一个")


def _said(text: str) -> str:
    """Return what of a text is letters, digits and Chinese characters."""
    return "".join(_SAID.findall(normalise(text))) or text
