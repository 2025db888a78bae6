import json
import subprocess
import sys
import time

import pytest

from distill.encoder import Encoder
from faq_app import chat
from faq_app.reply import Option, Reply
from indexer.store import Store
from tests.browser import Browser, served
from tests.browser import chromium as browser_in
from tests.conftest import BUNDLE, ROOT, SMALL_FAQ, thresholds_setting


def shown(said, **reply):
    """The transcript of one turn, as HTML."""
    turn = chat.Turn(said, Reply("t1", "", revision=1, **reply))
    return chat._page(("如何申请退货？",), (turn,))


def test_an_answer_keeps_its_lines_and_its_markdown():
    answer = "第一行\n第二行<br/>第三行\n    缩进的 **一行**"
    page = shown("问", decision="answer", reason="score", answer=answer, question="原问")
    assert "第一行<br>\n第二行<br>\n第三行<br>\n缩进的 <strong>一行</strong>" in page
    assert "匹配问题：原问" in page


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "[a](javascript:alert(1))",
        '"><svg onload=alert(1)>',
        "<iframe src=//evil.example>",
    ],
)
def test_no_text_becomes_markup(hostile):
    page = shown(
        hostile,
        decision="answer",
        reason="score",
        answer=hostile,
        question=hostile,
        category=hostile,
    )
    page += shown("问", decision="clarify", reason="x", options=(Option(hostile, hostile),))
    for tag in ("<script", "<img", "<svg", "<iframe", 'href="javascript'):
        assert tag not in page


def test_a_refusal_says_so_and_what_to_try():
    page = shown("今天天气", decision="reject", reason="low_score")
    assert "抱歉，暂时没有找到相关的答案" in page
    assert "换个说法" in page
    assert page.count("如何申请退货？</button>") == 2  # in the welcome, and here


@pytest.mark.parametrize("reason", ["empty", "no_text", "too_long", "error"])
def test_what_could_not_be_searched_is_not_called_a_missing_answer(reason):
    page = shown("😀", decision="reject", reason=reason)
    assert "没有找到" not in page
    assert "none_of_these" not in page


def test_a_failing_service_gives_a_sentence_not_a_traceback(caplog):
    class Broken:
        revision = 1

        def ask(self, query):
            raise OSError("disk")

    turn = chat._ask(Broken(), "问")
    assert (turn.reply.decision, turn.reply.reason) == ("reject", "error")
    assert "disk" in caplog.text


def test_a_click_that_belongs_to_another_session_changes_nothing(monkeypatch):
    monkeypatch.setattr(chat.gr, "Warning", lambda *_, **__: None)
    assert chat._rate(None, (), "t9", "useful") == ()  # no service is even asked
    assert chat._choose(None, (), "t9", "refund") == ()


# ---- in a browser ----


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The real server over a small table; yields its address and its database."""
    if not (BUNDLE / "manifest.json").exists():
        pytest.skip("data/encoder is not there")
    folder = tmp_path_factory.mktemp("site")
    table, db = folder / "faq.csv", folder / "faq.db"
    table.write_text(SMALL_FAQ.replace("点「申请售后」", "点 **申请售后**"), encoding="utf-8")
    build = [sys.executable, "-m", "indexer", "build", str(table), "--db", str(db)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    # Between "the same words" and "anything", all is doubtful: which encoder it is plays no part.
    fingerprint = Encoder.load(BUNDLE).fingerprint
    Store.open(db).save_settings(thresholds_setting(fingerprint, 1.0, 0.0))
    with served(db) as address:
        yield address, db


@pytest.fixture(scope="module")
def chromium(site, tmp_path_factory):
    driver = browser_in(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


class Page(Browser):
    """The chat page, freshly opened at a size."""

    def __init__(self, browser, address):
        super().__init__(browser)
        self.browser, self.address = browser, address

    def open(self, width=1280, height=860):
        self.size(width, height)
        self.browser.get(self.address)
        self.until("document.querySelector('#chat .log') && document.querySelector('#box button')")
        return self

    def click(self, label):
        """Click the last button of this label, as a finger does (whatever covers it gets it)."""
        [b for b in self.find("#chat button") if b.text == label][-1].click()

    @property
    def box(self):
        return self.find("#box textarea")[0]

    def turns(self):
        return [turn.text for turn in self.find(".turn:not(.pending)")]

    def wait_for_turns(self, count):
        self.until(f"document.querySelectorAll('.turn:not(.pending)').length === {count}")
        return self.turns()[-1]

    def ask(self, text):
        count = len(self.turns()) + 1
        self.box.send_keys(text + "\n")
        return self.wait_for_turns(count)


@pytest.fixture
def page(chromium, site):
    return Page(chromium, site[0]).open()


def logged(site):
    return Store.open(site[1]).logged_queries()


def latest(site, query):
    return next(row for row in logged(site) if row["query"] == query)


browser = pytest.mark.browser


@browser
def test_a_question_is_answered_and_found_useful(page, site):
    turn = page.ask("如何申请退货？")
    assert turn.startswith("如何申请退货？\n在「我的订单」点 申请售后")
    assert "匹配问题：如何申请退货？" in turn
    assert page.js("document.querySelector('.answer strong').textContent") == "申请售后"
    assert page.box.get_attribute("value") == ""
    page.click("有用")
    page.until("document.querySelector('.thanks')")
    assert "已记录，谢谢" in page.turns()[0]
    assert latest(site, "如何申请退货？")["feedback"] == "useful"


@browser
def test_feedback_goes_to_the_turn_that_was_rated(page, site):
    page.ask("怎么开发票")
    page.ask("密码忘了")
    page.find("[data-verdict=useless]")[0].click()
    page.until("document.querySelector('.thanks')")
    assert ["已记录" in turn for turn in page.turns()] == [True, False]
    assert latest(site, "怎么开发票")["feedback"] == "useless"
    assert not latest(site, "密码忘了")["feedback"]


@browser
def test_a_frequent_question_is_one_click(page):
    page.until("document.querySelector('.chips button')")
    page.click("优惠券怎么使用？")
    assert "结算页选择优惠券。" in page.wait_for_turns(1)


@browser
def test_in_doubt_it_asks_back_and_a_click_answers(page, site):
    assert "您是不是想问" in page.ask("退货的办法")
    page.find("[data-event=choose][data-entry=refund]")[0].click()
    assert "点 申请售后" in page.wait_for_turns(2)
    assert latest(site, "退货的办法")["chosen"] == "refund"


@browser
def test_what_the_page_fetches_late_does_not_wipe_out_an_answer(chromium, site):
    """The first request is the page's own; here it waits until a question is answered."""
    hold = """
        const send = window.fetch;
        window.late = false;
        let first = true;
        window.fetch = async (...request) => {
          if (!first || request[1]?.method !== 'POST') return send(...request);
          first = false;
          await new Promise((go) => { window.release = go; });
          setTimeout(() => { window.late = true; }, 1000);
          return send(...request);
        };
    """
    command = "Page.addScriptToEvaluateOnNewDocument"
    script = chromium.execute_cdp_cmd(command, {"source": hold})
    try:
        page = Page(chromium, site[0]).open()
        page.until("typeof release === 'function'")
        page.ask("退货的办法")
        page.js("(release(), 1)")
        page.until("late")
        assert "您是不是想问" in page.wait_for_turns(1)
        assert page.find(".welcome .chips button")
    finally:
        chromium.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


@browser
def test_nothing_can_be_typed_before_it_can_be_sent(chromium, site):
    transcript = {"urls": ["*/HTML-*.js"]}
    chromium.execute_cdp_cmd("Network.setBlockedURLs", transcript)
    try:
        chromium.get(site[0])
        page = Page(chromium, site[0])
        page.until("document.querySelector('#box textarea')")
        assert not page.box.is_displayed()
    finally:
        chromium.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    assert page.open().box.is_displayed()


@browser
def test_none_of_these_is_logged_and_acknowledged(page, site):
    page.ask("发票与密码")
    page.click("都不是")
    page.until("document.querySelector('.thanks')")
    assert "已记录，谢谢" in page.turns()[0]
    assert latest(site, "发票与密码")["feedback"] == "none_of_these"


@browser
def test_a_question_is_text_whatever_it_looks_like(page):
    hostile = "<script>window.hit=1</script><img src=x onerror=window.hit=1>${window.hit=1}{{this}}"
    assert hostile in page.ask(hostile)
    page.ask("发票")
    assert page.js("window.hit === undefined")


@browser
def test_what_is_too_long_stays_in_the_box_to_be_shortened(page):
    page.js("(document.querySelector('#box textarea').value = '退'.repeat(501), 1)")
    assert "问题太长了" in page.ask("货")
    assert len(page.box.get_attribute("value")) == 502


@browser
def test_nothing_typed_sends_nothing(page):
    page.box.send_keys("  \n")
    page.box.send_keys("发票\n")
    page.wait_for_turns(1)
    assert len(page.turns()) == 1


@browser
def test_what_is_typed_before_the_reply_is_neither_lost_nor_mixed_up(page):
    slow = {"offline": False, "latency": 1000, "downloadThroughput": -1, "uploadThroughput": -1}
    page.browser.execute_cdp_cmd("Network.emulateNetworkConditions", slow)
    try:
        page.box.send_keys("怎么开发票\n")
        page.until("document.querySelector('.pending')")  # the question is seen at once
        page.box.send_keys("密码忘了\n")
        page.click("优惠券怎么使用？")
        page.wait_for_turns(1)
    finally:
        page.browser.execute_cdp_cmd("Network.emulateNetworkConditions", slow | {"latency": 0})
    assert page.box.get_attribute("value") == "密码忘了"
    page.box.send_keys("\n")
    page.wait_for_turns(2)
    assert [turn.split("\n")[0] for turn in page.turns()] == ["怎么开发票", "密码忘了"]


@browser
def test_enter_that_picks_a_word_does_not_send(page):
    """An input method's Enter says isComposing or, in Safari, comes just after its end."""
    page.box.send_keys("发票")
    page.js("""(() => {
      const box = document.querySelector('#box textarea');
      const key = (name, more) => box.dispatchEvent(new KeyboardEvent(name,
        {key: 'Enter', code: 'Enter', bubbles: true, cancelable: true, ...more}));
      for (const name of ['keydown', 'keypress']) {
        key(name, {isComposing: true});
        key(name, {keyCode: 229});
      }
      box.dispatchEvent(new CompositionEvent('compositionend', {bubbles: true}));
      key('keydown', {}); key('keypress', {});
      return 1;
    })()""")
    assert page.find(".turn") == []
    time.sleep(0.1)  # a person's next Enter
    page.box.send_keys("\n")
    page.wait_for_turns(1)


@browser
def test_a_phone_never_scrolls_sideways_and_the_box_stays_in_reach(chromium, site):
    page = Page(chromium, site[0]).open(390, 844)
    page.ask("如何申请退货？")
    page.ask("退货的办法" + "很长" * 30 + "a" * 80)
    assert page.js("document.documentElement.scrollWidth <= innerWidth")
    assert page.js("document.querySelector('#box').getBoundingClientRect().bottom <= innerHeight")
    # Above the composer, not under it: a finger reaches the last button.
    page.click("都不是")
    page.until("document.querySelector('.thanks')")


@browser
def test_the_page_needs_nobody_else_and_complains_of_nothing(page):
    page.browser.get_log("performance"), page.browser.get_log("browser")  # before: not of this page
    page.open().ask("发票")
    events = [json.loads(row["message"])["message"] for row in page.browser.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked
    elsewhere = ("data:", "blob:", page.address)
    assert [url for url in asked if not url.startswith(elsewhere)] == []
    assert [row for row in page.browser.get_log("browser") if row["level"] == "SEVERE"] == []
    assert page.js("document.title") == chat.TITLE
    assert not any(link.is_displayed() for link in page.find("footer"))
