"""Does anything that reads what people wrote fall over? Texts, tables, keyword files, questions.

In: a number of cases and a seed. Out: as many cases counted; the first that raises anything but a
refusal in words is an error.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import fuzz_inputs
from distill.encoder import Encoder
from distill.errors import DistillError, TextError
from distill.text import normalise, segment
from distill.text_table import read_texts
from faq_app.service import Service
from indexer.build import plan_import, publish
from indexer.errors import IndexerError
from indexer.keyword_file import read_keywords
from indexer.store import Store
from indexer.table_import import read_table

ROOT = Path(__file__).parent.parent
BUNDLE = ROOT / "data" / "encoder"
FAQ = """\
编号,分类,问题,相似问,答案
refund,退货,退货的运费谁承担？,退货邮费谁出##退回去的运费,退货运费由买家承担。
exchange,换货,换货要怎么申请？,怎么换货##换货入口在哪,在「我的订单」点「申请换货」。
invoice,发票,如何开具电子发票？,怎么开发票##发票在哪里开,订单完成后点「申请发票」。
password,账户,忘记密码怎么办？,密码忘了##找回密码,点「忘记密码」。
"""
"""What is asked and changed."""


def repeat(
    run: Callable[..., None], cases: int, number: int, /, **strategies: st.SearchStrategy[Any]
) -> None:
    """Run a case so often, with values drawn under a seed; the first failure is raised."""
    limits = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    seed(number)(limits(given(**strategies)(run)))()


@cache
def encoder() -> Encoder:
    """Return the encoder that comes with the project."""
    return Encoder.load(BUNDLE)


@contextmanager
def database(folder: Path) -> Iterator[Store]:
    """Yield a new database with a small FAQ."""
    table = folder / "faq.csv"
    table.write_text(FAQ, encoding="utf-8")
    store = Store.create(folder / "faq.db")
    plan = plan_import(store.snapshot(), read_table(table), "replace")
    publish(store, store.snapshot(), encoder(), plan.changes)
    yield store
    store.close()


def text(cases: int, number: int, count: Callable[[str], None]) -> None:
    """Any text is normalised once and for all, and cut into words that tile it."""

    def case(text: str) -> None:
        count("ok")
        clean = normalise(text)
        assert normalise(clean) == clean
        assert "".join(word.text for word in segment(clean, ("花呗", "货"))) == clean

    repeat(case, cases, number, text=fuzz_inputs.texts | fuzz_inputs.long_texts)


def vectors(cases: int, number: int, count: Callable[[str], None]) -> None:
    """Any text that is not empty has a vector of length 1, or of nothing but zeros."""

    def case(texts: list[str]) -> None:
        try:
            found = encoder().encode(texts)
        except TextError:
            assert not all(map(normalise, texts))
            count("refused")
            return
        count("ok")
        lengths = np.linalg.norm(found, axis=1)
        assert found.shape[0] == len(texts) and np.isfinite(found).all()
        assert (np.isclose(lengths, 1, atol=1e-4) | (lengths == 0)).all()

    lists = st.lists(fuzz_inputs.texts, min_size=1, max_size=4)
    repeat(case, cases, number, texts=lists)


def table(cases: int, number: int, count: Callable[[str], None]) -> None:
    """A csv, tsv or txt is read, or refused in words."""
    endings = st.sampled_from((".csv", ".tsv", ".txt"))
    _files(cases, number, count, fuzz_inputs.tables, endings, (read_table, read_texts))


def workbook(cases: int, number: int, count: Callable[[str], None]) -> None:
    """An Excel workbook is read, or refused in words."""
    books = fuzz_inputs.workbooks
    _files(cases, number, count, books, st.just(".xlsx"), (read_table, read_keywords))


def keywords(cases: int, number: int, count: Callable[[str], None]) -> None:
    """A file of keyword weights is read, or refused in words."""
    endings = st.sampled_from((".csv", ".tsv", ".txt"))
    contents = fuzz_inputs.tables | fuzz_inputs.keyword_tables
    _files(cases, number, count, contents, endings, (read_keywords,))


def _files(
    cases: int,
    number: int,
    count: Callable[[str], None],
    contents: st.SearchStrategy[bytes],
    endings: st.SearchStrategy[str],
    readers: tuple[Callable[[Path], Any], ...],
) -> None:
    with tempfile.TemporaryDirectory() as folder:

        def case(data: bytes, ending: str) -> None:
            path = Path(folder) / f"file{ending}"
            path.write_bytes(data)
            for read in readers:
                try:
                    read(path)
                except (IndexerError, DistillError) as refused:
                    assert str(refused)
                    count("refused")
                else:
                    count("ok")

        repeat(case, max(cases // len(readers), 1), number, data=contents, ending=endings)


def questions(cases: int, number: int, count: Callable[[str], None]) -> None:
    """A customer may ask, and begin to type, anything."""
    with tempfile.TemporaryDirectory() as folder, database(Path(folder)) as store:
        service = Service(store, encoder())

        def case(query: str) -> None:
            reply = service.ask(query)
            count(reply.decision)
            service.suggest(query, 5)
            with suppress(ValueError):
                service.searcher.search(query, 3)

        repeat(case, cases, number, query=fuzz_inputs.texts | fuzz_inputs.long_texts)
        service.close()
