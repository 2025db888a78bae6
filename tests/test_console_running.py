"""Does long work stop when it is told to, with nothing half done, and never do the same twice?"""

import csv
import threading
import time
from types import SimpleNamespace

import gradio as gr
import pytest

from faq_app.console import import_export
from faq_app.console.running import Stop
from faq_app.operations import cases, effects, missed, settings, thresholds, words
from faq_app.operations.desk import Desk
from faq_app.operations.imports import Imports
from faq_app.operations.vocabulary import vocabulary_of
from faq_app.service import Service
from indexer.build import publish
from indexer.errors import Cancelled
from indexer.progress import counted
from indexer.records import Entry
from indexer.search import Searcher
from indexer.store import Store
from tests.browser import chromium
from tests.console_site import Console, console_site

ENTRIES = (
    Entry(key="refund", question="如何申请退货？", variants=("怎么退货",), answer="申请。"),
    Entry(key="invoice", question="如何开发票？", variants=("发票在哪里开",), answer="点发票。"),
    Entry(key="password", question="忘记密码怎么办？", variants=("找回密码",), answer="重设。"),
)


@pytest.fixture
def desk(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    publish(store, store.snapshot(), encoder, ENTRIES)
    service = Service(store, encoder)
    yield Desk(service, lambda *what: None)
    service.close()


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "new.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [[f"第{n}个新问题怎么办", f"第{n}个答案。"] for n in range(45)]
        csv.writer(file).writerows([["问题", "答案"], *rows, ["没有答案的", ""]])
    return path


def stopping(at):
    """Return a progress callback that is cancelled when so many steps were told."""
    told = []

    def tell(done, total):
        told.append((done, total))
        if len(told) > at:
            raise Cancelled

    tell.told = told
    return tell


def stored(desk):
    db = desk.service.store
    with db.reading() as connection:
        count = connection.execute("select count(*) from vectors").fetchone()[0]
    return db.revision(), db.snapshot().entries, db.snapshot().settings, count


WORK = {
    "import": lambda desk, table, tell: Imports(desk).run(table, "append", "wang", progress=tell),
    "recalibration": lambda desk, _, tell: thresholds.recalibrate(
        desk, 0.9, 0.9, "wang", progress=tell
    ),
    "regression run": lambda desk, _, tell: cases.run(desk, "wang", tell),
    "suggestions": lambda desk, _, tell: words.suggest(
        desk, 5, lambda each: counted([*each], tell)
    ),
}  # fmt: skip


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("labelled", [False, True])
def test_what_is_cancelled_leaves_everything_as_it_was(desk, table, work, labelled):
    if work == "regression run" or labelled:
        for query, key in (("怎么退货", "refund"), ("天气", ""), ("密码呢", "password")):
            cases.add(desk, query, key, "wang")
    before, runs = stored(desk), len(cases.curve(desk))
    with pytest.raises(Cancelled):
        WORK[work](desk, table, stopping(1))
    assert stored(desk) == before
    assert len(cases.curve(desk)) == runs
    assert desk.service.ask("怎么退货").answer == "申请。"


def test_another_encoder_is_swapped_in_wholly_or_not_at_all(desk, tmp_path, encoder):
    import shutil

    from distill.bundle import Manifest, seal

    other = tmp_path / "other"
    shutil.copytree(encoder.bundle.path, other)
    values = vars(encoder.bundle.manifest) | {"max_tokens": encoder.bundle.manifest.max_tokens - 1}
    seal(other, Manifest(**values))
    before = stored(desk)
    with pytest.raises(Cancelled):
        settings.swap_encoder(desk, str(other), "wang", stopping(2))
    assert stored(desk) == before
    settings.swap_encoder(desk, str(other), "wang")
    assert desk.service.encoder_fingerprint != encoder.fingerprint


def test_an_import_that_was_judged_first_encodes_once(desk, table):
    cases.add(desk, "怎么退货", "refund", "wang")
    encoded = []
    real = desk.service.encoder
    encode = type(real).encode

    def counting(self, texts, **more):
        encoded.append(len(texts))
        return encode(self, texts, **more)

    type(real).encode = counting
    try:
        files = Imports(desk)
        assert files.read(table, "append") is files.read(table, "append")
        done = files.run(table, "append", "wang")
    finally:
        type(real).encode = encode
    assert done.encoded == 90
    assert sum(count for count in encoded if count > 10) == 90


def test_the_pages_of_an_import_show_all_of_it(desk, table):
    found = Imports(desk).read(table, "append")
    first = import_export._report(found)
    assert "没有答案的" in first  # what cannot be imported comes first
    pages = [import_export._report(found, "新增", number) for number in range(3)]
    shown = [n for n in range(45) if any(f"第{n}个新问题" in page for page in pages)]
    assert shown == [*range(45)]
    assert "3 / 3" in pages[2]
    assert pages[2].count("<tr>") == 1 + 5


def test_the_button_stops_its_own_page_only_and_the_bar_moves_from_any_thread():
    with gr.Blocks():
        stop = Stop("stop")
    mine, other = (SimpleNamespace(session_hash=name) for name in ("a", "b"))
    tell, told = stop.telling(mine, "正在试"), stop.telling(other, "正在试")
    thread = threading.Thread(target=tell, args=(1, 2))
    thread.start()
    thread.join()
    stop._stop(mine)
    with pytest.raises(Cancelled):
        tell(2, 3)
    told(2, 3)


def test_what_pages_ask_for_is_made_once_and_nobody_waits_for_anything_else(desk):
    made, go = [], threading.Event()

    def slow(searcher):
        go.wait(20)
        made.append("slow")
        return "slow"

    threads = [threading.Thread(target=desk.once_a_revision, args=("slow", slow)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert desk.once_a_revision("quick", lambda s: "quick") == "quick"  # while slow is under way
    go.set()
    for thread in threads:
        thread.join()
    assert made == ["slow"]


def test_after_a_publish_pages_are_made_ready(desk):
    ready = threading.Event()

    def wanted():
        thresholds.standing(desk)
        if desk.searcher.revision == 2:
            ready.set()

    desk.keep_ready(lambda: words.words(desk), wanted)
    assert not thresholds.is_ready(desk)
    words.save(desk, "退货", 2.0, "wang")
    assert ready.wait(30)
    assert thresholds.is_ready(desk)
    # What fails in the background is told to whoever opens the page, and keeps nobody from it.
    desk.keep_ready(lambda: 1 / 0)
    desk.warm()
    end = time.monotonic() + 10
    while desk._warming and time.monotonic() < end:
        time.sleep(0.01)
    assert desk._warming is None


def test_preparing_what_was_asked_in_vain_leaves_what_somebody_looks_at(desk):
    for query in ("xyzzy 怎么弄", "plugh 在哪里"):
        desk.service.feedback(desk.service.ask(query).trace_id, "none_of_these")
    shown = missed.groups(desk, 7)
    words.save(desk, "退货", 2.0, "wang")
    missed.prepare(desk)
    assert desk.vain is shown
    again = missed.groups(desk, 7)
    assert {g.representative for g in again.groups} == {g.representative for g in shown.groups}


def test_words_counted_again_are_those_counted_afresh(desk, encoder):
    store = desk.service.store
    many = [Entry(key=f"k{n}", question=f"第{n}种退货方式", answer="。甲") for n in range(30)]
    publish(store, store.snapshot(), encoder, many)
    before = vocabulary_of(Searcher.load(store, encoder))
    for change in (
        {"changes": [Entry(key="k1", question="换货与退款", answer="乙")]},
        {"deleted": ["k2"]},
        {"settings": {"keywords": {"退货方式": 2.0}}},
        {"settings": {"keywords": None}},
        {"changes": [Entry(key="k3", question="退货退货退货", answer="乙", enabled=False)]},
    ):
        changes = change.pop("changes", ())
        publish(store, store.snapshot(), encoder, changes, **change)
        searcher = Searcher.load(store, encoder)
        before, afresh = vocabulary_of(searcher, before), vocabulary_of(searcher)
        assert dict(before.counts()) == dict(afresh.counts())
        assert before.count("种退") == afresh.count("种退") > 20


def test_a_gate_that_somebody_wrote_by_hand_counts_for_nothing(desk):
    for stored in ("abc", -1, 2.5, None):
        desk.service.store.save_settings({effects.GATE_SETTING: stored})
        assert effects.allowed(desk) == effects.GATE


@pytest.mark.browser
def test_an_import_is_stopped_from_the_page(tmp_path):
    path = tmp_path / "big.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [
            [f"第{n}个问题应当怎样处理才好", f"第{n}个答案, 请联系客服。"] for n in range(12_000)
        ]
        csv.writer(file).writerows([["问题", "答案"], *rows])
    with console_site(tmp_path) as (address, db):
        driver = chromium(tmp_path / "chromium")
        try:
            console = Console(driver, address).login()
            console.tab("知识管理", "#entry-list table")
            console.unfold("导入问答表")
            console.one("#import-file input[type=file]").send_keys(str(path))
            console.says("#import-report", "新增 12000")
            console.button("下一页 ›", "#import-report")
            console.says("#import-report", "第20个问题")
            console.one("#import-go").click()
            console.until("document.querySelector('#import-stop')?.offsetParent")
            console.says("#import-report", "正在计算向量")  # it tells how far it is
            console.one("#import-stop").click()
            console.says("#import-report", "已取消, 什么也没有导入")
            console.until("!document.querySelector('#import-stop')?.offsetParent")
            assert Store.open(db).revision() == 1
            # The page is as before: the same button imports it after all, if one wants.
            assert console.one("#import-go").is_enabled()
        finally:
            driver.quit()
