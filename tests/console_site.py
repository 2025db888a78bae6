"""A console over a small FAQ, and somebody in a browser who works with it."""

import contextlib
import subprocess
import sys

import pytest

from faq_app.accounts import Accounts
from indexer.store import Store
from tests.browser import Browser, served
from tests.conftest import BUNDLE, ROOT

PASSWORD = "three words and a horse"

# With the weights that words have by themselves 运费 leads to the first; with 换货 raised, the
# second entry's words decide.
FAQ = """\
编号,分类,问题,相似问,答案
refund,退货,退货的运费谁承担？,退货邮费谁出##退回去的运费,退货运费由买家承担。
exchange,换货,换货要怎么申请？,怎么换货##换货入口在哪,在「我的订单」点「申请换货」。
invoice,发票,如何开具电子发票？,怎么开发票##发票在哪里开,订单完成后点「申请发票」。
password,账户,忘记密码怎么办？,密码忘了##找回密码,点「忘记密码」。
"""


@contextlib.contextmanager
def console_site(folder, faq=FAQ):
    """Build the FAQ, make a publisher and a viewer, serve; yields address and database."""
    if not (BUNDLE / "manifest.json").exists():
        pytest.skip("data/encoder is not there")
    table, db = folder / "faq.csv", folder / "faq.db"
    table.write_text(faq, encoding="utf-8")
    build = [sys.executable, "-m", "indexer", "build", str(table), "--db", str(db)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    store = Store.open(db)
    accounts = Accounts(store)
    for name, role in (("wang", "publisher"), ("han", "viewer")):
        accounts.create_user(name, PASSWORD, role, "test")
    with served(db) as address:
        yield address, db
    store.close()


class Console(Browser):
    """The console, as one who has logged in."""

    def __init__(self, driver, address):
        super().__init__(driver)
        self.address = address

    def login(self, name="wang"):
        self.driver.delete_all_cookies()
        self.size(1280, 900)
        self.driver.get(self.address + "admin/login")
        self.one("input[name=name]").send_keys(name)
        self.one("input[name=password]").send_keys(PASSWORD + "\n")
        self.until("document.querySelector('#test-query textarea')")
        return self

    def one(self, selector):
        self.until(f"document.querySelector({selector!r})")
        return self.find(selector)[0]

    def tab(self, name, ready):
        shown = (
            "[...document.querySelectorAll('button[role=tab]')].find("
            f"b => b.offsetParent && b.innerText.trim() === {name!r})"
        )
        self.until(shown)
        self.driver.execute_script(f"{shown}.click()")
        self.until(f"document.querySelector({ready!r})?.offsetParent")

    def unfold(self, name):
        [b for b in self.find("button.label-wrap") if name in b.text][0].click()

    def button(self, label, within):
        self.until(
            f"[...document.querySelectorAll({within + ' button'!r})]"
            f".some(b => b.innerText.trim() === {label!r})"
        )
        [b for b in self.find(within + " button") if b.text.strip() == label][0].click()

    def type(self, selector, text):
        box = self.one(selector)
        self.driver.execute_script("arguments[0].select()", box)
        box.send_keys(text)

    def new_entry(self, question, answer):
        """Begin an entry: the form is emptied first, then written into."""
        self.tab("知识管理", "#entry-list table")
        self.find("#entry-list .link")[0].click()
        value = "document.querySelector('#entry-question textarea').value"
        self.until(value)
        self.one("#entry-new").click()
        self.until(f"{value} === ''")
        self.type("#entry-question textarea", question)
        self.type("#entry-answer textarea", answer)

    def says(self, selector, text):
        self.until(f"document.querySelector({selector!r})?.innerText.includes({text!r})")
