import contextlib
import http.server
import re
import threading

import pytest

from faq_app.keys import Keys
from indexer import build
from indexer.store import Store
from indexer.table_import import read_table
from tests.browser import Browser, served
from tests.browser import chromium as browser_in
from tests.conftest import ROOT, SMALL_FAQ, thresholds_setting

SCRIPT = (ROOT / "faq_app" / "widget.js").read_text(encoding="utf-8")


IN_WIDGET = "document.querySelector('faq-widget').shadowRoot"


@contextlib.contextmanager
def somebodys_site(policy=""):
    """Serve a page from another port, which to a browser is another site.

    Yields its origin, and a list to put its HTML into.
    """
    html = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            if policy:
                self.send_header("content-security-policy", policy)
            self.end_headers()
            self.wfile.write("".join(html).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", html
    server.shutdown()


@pytest.fixture(scope="module")
def db(tmp_path_factory, encoder):
    folder = tmp_path_factory.mktemp("widget")
    (folder / "faq.csv").write_text(SMALL_FAQ, encoding="utf-8")
    store = Store.create(folder / "faq.db")
    plan = build.plan_import(store.snapshot(), read_table(folder / "faq.csv"), "replace")
    # Whatever is not word for word is asked back.
    settings = thresholds_setting(encoder.fingerprint, 1.0, 0.0)
    build.publish(store, store.snapshot(), encoder, plan.changes, settings)
    yield store
    store.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory, db):
    """A browser on somebody's page that has the widget, and lets scripts do as little as can be."""
    policy = (
        "default-src 'none'; script-src http://127.0.0.1:*; connect-src http://127.0.0.1:*;"
        " require-trusted-types-for 'script'; trusted-types faq-widget"
    )
    driver = browser_in(tmp_path_factory.mktemp("profile"))
    with served(db.path) as address, somebodys_site(policy) as (origin, html):
        secret = Keys(db).create("官网", ["ask"], by="test", origins=[origin])
        html.append(
            "<!doctype html><title>商城</title><h1>某商城</h1>"
            f'<script src="{address}widget.js" data-key="{secret}" data-lang="zh" defer></script>'
        )
        browser = Browser(driver)
        browser.origin = origin
        browser.size(900, 700)
        yield browser
    driver.quit()


def inside(page, expression):
    return page.js(f"{IN_WIDGET}.{expression}")


def says(page, text):
    page.until(f"{IN_WIDGET}.querySelector('.log').innerText.includes({text!r})")


def click(page, label):
    button = (
        f"[...{IN_WIDGET}.querySelectorAll('button')].filter(b => b.innerText.trim() === {label!r})"
    )
    page.until(f"{button}.length")
    page.driver.execute_script(f"{button}.at(-1).click()")


def ask(page, text):
    page.driver.execute_script(f"{IN_WIDGET}.querySelector('textarea').focus()")
    page.driver.switch_to.active_element.send_keys(text + "\n")


@pytest.mark.browser
def test_a_customer_asks_in_somebody_elses_page(page, db):
    page.driver.get(page.origin)
    page.until("document.querySelector('faq-widget')")
    assert inside(page, "querySelector('.panel').hidden")
    page.driver.execute_script(f"{IN_WIDGET}.querySelector('.launcher').click()")
    says(page, "您好，请问有什么可以帮您？")
    ask(page, "怎么开发票")
    says(page, "订单完成后点「申请发票」。")
    click(page, "有用")
    says(page, "已记录，谢谢")
    ask(page, "密码想换一个")
    says(page, "您是不是想问：")
    click(page, "忘记密码怎么办？")
    says(page, "用手机号重设。")
    by_query = {row["query"]: row for row in db.logged_queries()}
    assert by_query["怎么开发票"]["feedback"] == "useful"
    assert by_query["密码想换一个"]["chosen"] == "password"


@pytest.mark.browser
def test_the_talk_is_still_there_on_the_next_page(page):
    page.driver.get(page.origin)
    page.until("window.faqWidget")
    page.driver.execute_script("faqWidget.ask('优惠券怎么用')")
    says(page, "结算页选择优惠券。")
    page.driver.get(page.origin + "/another")
    page.until("window.faqWidget")
    page.driver.execute_script("faqWidget.open()")
    says(page, "结算页选择优惠券。")


@pytest.mark.browser
def test_questions_are_offered_while_somebody_types(page):
    page.driver.get(page.origin)
    page.until("window.faqWidget")
    page.driver.execute_script("faqWidget.open()")
    page.driver.switch_to.active_element.send_keys("电子发")
    page.until(f"{IN_WIDGET}.querySelector('[role=option]')")
    assert "发票" in inside(page, "querySelector('[role=option]').innerText")


@pytest.mark.browser
def test_the_pages_own_rules_are_obeyed(page):
    """A page that forbids inline styles and unnamed HTML gets no complaint from the widget."""
    page.driver.get(page.origin)
    page.until("window.faqWidget")
    page.driver.execute_script("faqWidget.ask('怎么开发票')")
    says(page, "订单完成后点「申请发票」。")
    complaints = [
        line["message"]
        for line in page.driver.get_log("browser")
        if "favicon" not in line["message"]
    ]
    assert complaints == []


@pytest.mark.browser
def test_a_page_that_the_key_is_not_for_gets_nothing(page, db):
    with somebodys_site() as (origin, html), served(db.path) as address:
        secret = Keys(db).create("别处", ["ask"], by="test", origins=[page.origin])
        html.append(
            f'<!doctype html><script src="{address}widget.js" data-key="{secret}"'
            ' data-lang="zh" defer></script>'
        )
        page.driver.get(origin)
        page.until("window.faqWidget")
        page.driver.execute_script("faqWidget.ask('怎么开发票')")
        says(page, "没有收到回复，请检查网络后重试。")


def test_the_script_is_small_and_names_no_other_server():
    assert len(SCRIPT.encode()) < 20_000
    assert not re.findall(r"https?://(?!…)", SCRIPT)


def test_what_the_server_sends_is_written_as_html_in_one_place_only():
    assert SCRIPT.count("innerHTML") == 1
    assert "body.innerHTML = written(html)" in SCRIPT
    for way in ("insertAdjacentHTML", "outerHTML", "document.write", "eval("):
        assert way not in SCRIPT
