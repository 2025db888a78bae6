"""The report is one well-formed file, and nothing that comes from the data is a tag in it."""

import base64
import hashlib
import re
import shutil
from html.parser import HTMLParser

import pytest

from indexer import evaluation_html
from indexer.build import publish
from indexer.comparison import PastCase, PastRun
from indexer.evaluate import LabelledQuery, run_cases
from indexer.evaluation_html import as_html
from indexer.evaluation_report import report_on
from indexer.evaluation_text import as_text
from indexer.records import Entry
from indexer.search import Searcher
from indexer.store import Store

EVIL = '"><script>alert(1)</script><img src=x onerror="alert(2)">\'&amp;'
ENTRIES = (
    Entry(
        key="refund", question="如何申请退货？", variants=("怎么退货",), answer="A", category="售后"
    ),
    Entry(key=EVIL, question=f"如何开具发票？{EVIL}", answer="B", category=EVIL),
)
VOID = {"meta", "input"}


class Page(HTMLParser):
    """Collects elements, and complains about ends that do not fit."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.text = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def report(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    publish(store, store.snapshot(), encoder, ENTRIES)
    searcher = Searcher.load(store, encoder)
    queries = [
        LabelledQuery("怎么退货", "refund", "dev", "口语"),
        LabelledQuery("怎么退货", EVIL, "dev", "标错"),
        LabelledQuery("如何申请退货？", EVIL, "dev", "标错"),
        LabelledQuery(f"退货怎么弄{EVIL}", EVIL, "dev", EVIL),
        LabelledQuery(f"怎么退货 {EVIL}", "", "dev", EVIL),
    ]
    past = PastRun(
        EVIL,
        {"库的版本": EVIL, "编码器": EVIL, "阈值": EVIL},
        (
            PastCase("怎么退货", "refund", 0, "reject", False, ""),
            PastCase(EVIL, EVIL, 1, "answer", True, EVIL),
        ),
    )
    cases = run_cases(searcher, queries)
    return report_on(searcher, cases, EVIL, "dev", [f"注意 {EVIL}"], past)


def test_the_page_is_well_formed_and_holds_no_tag_of_the_data(report):
    page = Page(as_html(report))
    tags = {tag for tag, _ in page.elements}
    assert "img" not in tags
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not [key for _, own in page.elements for key in own if key.startswith("on")]
    # Each stands there as text: source, note, category, entry, query, kind.
    assert sum(EVIL in text for text in page.text) > 10


def test_the_page_needs_nothing_beside_it(report):
    text = as_html(report)
    attributes = {key for _, own in Page(text).elements for key in own}
    assert not attributes & {"src", "href", "srcset", "style", "action"}
    assert not re.search(r"url\(|@import|fetch\(|https?://", text.replace(EVIL, ""))


def test_no_other_script_or_style_is_allowed_than_the_pages_own(report):
    text = as_html(report)
    policy = next(own["content"] for _, own in Page(text).elements if "http-equiv" in own)
    assert policy.startswith("default-src 'none'")
    for name in ("style", "script"):
        content = re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy


def test_a_long_list_is_cut_and_says_so(report, monkeypatch):
    monkeypatch.setattr(evaluation_html, "_MOST_ROWS", 1)
    page = as_html(report)
    assert len(report.failures) >= 2
    assert f"还有 {len(report.failures) - 1} 条" in page


def test_measures_read_alike_on_the_page_and_on_the_terminal(report):
    page, text = "".join(Page(as_html(report)).text), as_text(report)
    for wanted in ("首位命中 Recall@1", "库外被拒答 Refused", "修好", "只在上次有的提问", "售后"):
        assert wanted in page
        assert wanted in text


@pytest.mark.browser
def test_the_failures_are_filtered_by_what_is_typed(report, tmp_path):
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (binary and driver):
        pytest.skip("Chromium and its driver are not installed")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    (tmp_path / "report.html").write_text(as_html(report), encoding="utf-8")
    options = ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options, Service(driver))
    try:
        browser.get((tmp_path / "report.html").as_uri())
        rows = browser.find_elements("css selector", "#failures tbody tr")
        assert len(rows) == len(report.failures)
        browser.find_element("id", "filter").send_keys("如何申请退货？ ")
        shown = [row.find_element("tag name", "td").text for row in rows if row.is_displayed()]
        assert "如何申请退货？" in shown
        assert browser.find_element("id", "left").text == str(len(shown))
        browser.find_element("id", "filter").send_keys("没有这样的提问")
        assert not [row for row in rows if row.is_displayed()]
        # Nothing was blocked by the page's own policy, and no script of the data ran.
        assert browser.get_log("browser") == []
    finally:
        browser.quit()
