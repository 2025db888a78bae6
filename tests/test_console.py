"""Can an operator see, tune, publish and undo? The console, in a browser, over the real server."""

import csv
import time

import pytest

from indexer.store import Store
from tests.browser import chromium
from tests.conftest import BUNDLE
from tests.console_site import Console, console_site

browser = pytest.mark.browser
pytestmark = browser


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with console_site(tmp_path_factory.mktemp("console")) as found:
        yield found


@pytest.fixture(scope="module")
def driver(site, tmp_path_factory):
    driver = chromium(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture
def console(driver, site):
    return Console(driver, site[0]).login()


def first_hit(site, query):
    """What a customer's program gets: the entry nearest, by the running server."""
    import httpx

    reply = httpx.post(site[0] + "api/ask", json={"query": query}).json()
    return reply["hits"][0]["entry_id"], reply["hits"][0]["score"]


def test_a_test_says_what_is_found_and_why(console):
    console.type("#test-query textarea", "怎么开发票\n")
    console.says("#test-found", "直接回答")
    console.says("#test-found", "一字不差")
    console.says("#test-found", "订单完成后点「申请发票」。")
    words = [word.text.split("\n")[0] for word in console.find("#test-found article .words button")]
    assert words[:2] == ["怎么", "开发票"]


def test_a_changed_weight_changes_what_customers_get_and_is_undone(console, site):
    query = "换货的运费谁承担"
    old = first_hit(site, query)
    assert old[0] == "refund"
    console.tab("关键词", "#word-list table")
    console.type("#word-query textarea", query + "\n")
    console.type("#word textarea", "换货\n")
    console.says("#word-preview", "「换货」")
    console.type("#factor input[type=number]", "5\n")
    console.says("#word-preview", "倍数 5")
    console.says("#word-effect", "修复")
    # Seen before it is saved: what is ranked first, now and then.
    firsts = [part.text for part in console.find("#word-preview .sides li:first-child span")]
    assert "退货的运费谁承担？" in firsts[0]
    assert first_hit(site, query) == old
    console.one("#word-save").click()
    console.says("#word-notice", "由 1 改为 5")
    new = first_hit(site, query)
    assert new[0] == "exchange"
    console.says("#word-list", "×5")
    console.button("撤销", "#word-notice")
    console.says("#word-notice", "已撤销")
    assert first_hit(site, query) == old
    assert Store.open(site[1]).setting("keywords") == {}


@pytest.mark.parametrize(
    ("word", "told"), [("？！", "没有文字"), ("长" * 40, "最多 30 字"), ("   ", "选一个词")]
)
def test_what_cannot_be_a_keyword_is_told_in_a_sentence(console, word, told):
    console.tab("关键词", "#word-list table")
    console.type("#word textarea", word + "\n")
    time.sleep(0.2)
    console.until(f"document.body.innerText.includes({told!r})")


def test_an_edited_entry_is_found_by_its_new_wording_and_taken_back(console, site):
    console.tab("知识管理", "#entry-list table")
    console.button("忘记密码怎么办？", "#entry-list")
    console.until("document.querySelector('#entry-question textarea').value.startsWith('忘记')")
    console.one("#entry-variants textarea").send_keys("\n登录不了了咋整\n如何开电子发票")
    # Nearer to another entry: said while one types.
    console.says("#entry-warnings", "如何开具电子发票？")
    console.one("#entry-variants textarea").send_keys("\b" * 8)
    console.one("#entry-save").click()
    console.says("#entry-notice", "已保存")
    assert first_hit(site, "登录不了了咋整") == ("password", 1.0)
    console.button("撤销", "#entry-notice")
    console.says("#entry-notice", "已撤销")
    assert first_hit(site, "登录不了了咋整")[1] < 1
    # Who did it, and that it was taken back, is on record.
    console.tab("版本", "#revision-list table")
    console.says("#revision-list", "撤销对「忘记密码怎么办？」的改动")
    console.says("#revision-list", "wang")


def test_a_deleted_entry_comes_back_where_it_was(console, site):
    before = list(Store.open(site[1]).snapshot().entries)
    console.tab("知识管理", "#entry-list table")
    console.button("如何开具电子发票？", "#entry-list")
    console.until("document.querySelector('#entry-question textarea').value.startsWith('如何')")
    console.one("#entry-delete").click()
    console.says("#entry-notice", "已删除")
    assert "invoice" not in Store.open(site[1]).snapshot().entries
    console.button("撤销", "#entry-notice")
    console.says("#entry-notice", "已撤销")
    assert list(Store.open(site[1]).snapshot().entries) == before


def test_somebody_elses_change_is_told_not_overwritten(console, site):
    console.tab("知识管理", "#entry-list table")
    console.button("换货要怎么申请？", "#entry-list")
    console.until("document.querySelector('#entry-question textarea').value.startsWith('换货')")
    other = Store.open(site[1])
    from dataclasses import replace

    from distill.encoder import Encoder
    from indexer.build import publish

    snapshot = other.snapshot()
    entry = replace(snapshot.entries["exchange"], answer="别人写的答案")
    publish(other, snapshot, Encoder.load(BUNDLE), [entry], by="li")
    console.one("#entry-answer textarea").send_keys(" 我的补充")
    console.one("#entry-save").click()
    console.until("document.body.innerText.includes('刚被 li 修改过')")
    assert other.snapshot().entries["exchange"].answer == "别人写的答案"
    # And what was typed is still there.
    assert "我的补充" in console.one("#entry-answer textarea").get_attribute("value")


def test_a_broken_file_is_shown_line_by_line_and_the_rest_imported(console, site, tmp_path):
    path = tmp_path / "新增.csv"
    path.write_text(
        "问题,答案\n能不能刷脸付款,可以。\n没有答案的问题,\n如何开具电子发票？,别的答案\n",
        encoding="utf-8",
    )
    console.tab("知识管理", "#entry-list table")
    console.unfold("导入问答表")
    console.one("#import-file input[type=file]").send_keys(str(path))
    console.says("#import-report", "有误 1")
    console.says("#import-report", "没有答案")
    [row] = console.find("#import-report tbody tr")
    assert row.text.split()[0] == "3"
    console.one("#import-go").click()
    console.says("#import-report", "已导入")
    found = {entry.question for entry in Store.open(site[1]).snapshot().entries.values()}
    assert "能不能刷脸付款" in found
    assert "没有答案的问题" not in found


def test_a_file_without_known_columns_is_read_as_a_person_says(console, tmp_path):
    path = tmp_path / "陌生.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["甲", "乙", "丙"], ["刷卡收手续费吗", "不收。", "x"]])
    console.tab("知识管理", "#entry-list table")
    console.unfold("导入问答表")
    console.one("#import-file input[type=file]").send_keys(str(path))
    console.says("#import-report", "没有找到表头")
    console.until(
        "[...document.querySelectorAll('button')].some(b => b.innerText.includes('列认错'))"
    )
    assert not console.find("#import-go") or not console.find("#import-go")[0].is_displayed()


def test_texts_of_customers_and_operators_are_never_markup(console, site):
    hostile = "<img src=x onerror=window.hit=1>退货"
    console.type("#test-query textarea", hostile + "\n")
    console.says("#test-found", "img")
    console.new_entry(hostile, "<script>window.hit=1</script>**好**")
    console.one("#entry-save").click()
    console.says("#entry-notice", "已新增")
    console.says("#entry-list", "<img src=x")
    console.tab("版本", "#revision-list table")
    console.says("#revision-list", "<img src=x")
    assert console.js("window.hit === undefined")


def test_what_was_asked_in_vain_becomes_a_similar_question(console, site):
    import httpx

    query = "zyx 报销的凭据从何处弄到"
    reply = httpx.post(site[0] + "api/ask", json={"query": query}).json()
    httpx.post(
        site[0] + "api/feedback",
        json={"trace_id": reply["trace_id"], "verdict": "none_of_these"},
    )
    console.tab("未命中", "#vain-list article")
    console.says("#vain-list", "报销的凭据从何处弄到")
    card = [a for a in console.find("#vain-list article") if "报销" in a.text][0]
    card.find_elements("css selector", "[data-event=attach]")[0].click()
    console.says("#vain-notice", "加为")
    assert httpx.post(site[0] + "api/ask", json={"query": query}).json()["reason"] == "exact"
    console.tab("回归集", "#case-list table")
    console.says("#case-list", "报销的凭据从何处弄到")
    console.one("#case-run").click()
    console.says("#case-outcome", "决定正确")


def test_changes_wait_in_a_draft_and_are_published_together(console, site):
    query = "换货的运费谁承担"
    old = first_hit(site, query)
    console.tab("关键词", "#word-list table")
    console.type("#word textarea", "换货\n")
    console.says("#word-preview", "「换货」")
    console.type("#factor input[type=number]", "5\n")
    console.says("#word-preview", "权重")
    console.one("#word-draft").click()
    console.says("#word-notice", "已放进草稿")
    console.tab("知识管理", "#entry-list table")
    console.button("忘记密码怎么办？", "#entry-list")
    console.until("document.querySelector('#entry-question textarea').value.startsWith('忘记')")
    console.one("#entry-variants textarea").send_keys("\n密码想不起来")
    console.one("#entry-draft").click()
    console.says("#entry-notice", "已放进草稿")
    assert first_hit(site, query) == old
    console.tab("版本", "#draft table")
    console.says("#draft", "关键词 换货 = 5")
    console.says("#draft", "忘记密码怎么办？")
    console.button("先看影响", "#draft")
    console.says("#revision-notice", "不变")
    console.button("一起发布", "#draft")
    console.says("#revision-notice", "草稿已发布")
    assert first_hit(site, query)[0] == "exchange"
    assert first_hit(site, "密码想不起来") == ("password", 1.0)
    console.button("撤销", "#revision-notice")
    console.says("#revision-notice", "已回到")
    assert first_hit(site, query) == old


def test_a_session_that_ends_costs_nothing_that_was_typed(console):
    console.new_entry("写到一半的问题", "写到一半的答案")
    console.driver.delete_all_cookies()
    console.one("#entry-save").click()
    console.until("!document.querySelector('#expired').hidden")
    assert console.one("#entry-question textarea").get_attribute("value") == "写到一半的问题"
    # Logged in again in another tab: the same click now saves.
    page = console.driver.current_window_handle
    console.driver.switch_to.new_window("tab")
    console.login()
    console.driver.close()
    console.driver.switch_to.window(page)
    console.driver.execute_script("window.dispatchEvent(new Event('focus'))")
    console.until("document.querySelector('#expired').hidden")
    console.one("#entry-save").click()
    console.says("#entry-notice", "已新增")


def test_one_who_may_only_look_changes_nothing(driver, site):
    console = Console(driver, site[0]).login("han")
    console.says(".bar", "查看者")
    before = Store.open(site[1]).revision()
    console.tab("关键词", "#word-list table")
    console.type("#word textarea", "发票\n")
    console.says("#word-preview", "「发票」")
    console.type("#factor input[type=number]", "3\n")
    console.one("#word-save").click()
    console.until("document.body.innerText.includes('这一步需要发布者')")
    assert Store.open(site[1]).revision() == before


def test_every_tab_opens_at_800_pixels_without_scrolling_sideways(console):
    console.size(800, 900)
    console.driver.refresh()
    console.until("document.querySelector('#test-query textarea')")
    for name, ready in (
        ("关键词", "#word-list table"),
        ("知识管理", "#entry-list table"),
        ("未命中", "#vain-list > *"),
        ("回归集", "#case-list > *"),
        ("统计", "#stats-overview > *"),
        ("版本", "#revision-list table"),
        ("设置", "#threshold-curve .card"),
    ):
        console.tab(name, ready)
        assert console.js("document.documentElement.scrollWidth <= innerWidth"), name


def test_the_console_asks_nobody_else_and_complains_of_nothing(console):
    import json

    console.driver.get_log("performance"), console.driver.get_log("browser")
    console.driver.refresh()
    console.until("document.querySelector('#test-query textarea')")
    console.tab("关键词", "#word-list table")
    rows = console.driver.get_log("performance")
    events = [json.loads(row["message"])["message"] for row in rows]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked
    assert [u for u in asked if not u.startswith(("data:", "blob:", console.address))] == []
