"""Who may look after users and the log, and can anybody lock everybody out?"""

import csv

import pytest

from faq_app.accounts import AccountError, Accounts, AuditFilter
from faq_app.operations import people
from faq_app.passwords import Cost
from indexer.build import publish
from indexer.errors import InputError
from indexer.records import Entry
from indexer.store import Store
from tests.browser import chromium
from tests.console_site import Console, console_site

PASSWORD = "three words and a horse"
HERE = "192.0.2.7"


class Clock:
    now = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC

    def __call__(self):
        return self.now


@pytest.fixture
def accounts(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    publish(store, store.snapshot(), encoder, [Entry(key="a", question="问？", answer="答。")])
    accounts = Accounts(store, Cost(n=2, r=1, p=1), Clock())
    for name, role in (("wang", "publisher"), ("li", "publisher"), ("han", "editor")):
        accounts.create_user(name, PASSWORD, role, "test")
    yield accounts
    store.close()


def test_somebody_who_may_publish_is_always_left(accounts):
    people.disable(accounts, "li", "wang", HERE)
    # wang's session may be li's, too: whoever acts, the last one stays.
    with pytest.raises(AccountError, match="最后一个能发布的用户"):
        people.disable(accounts, "wang", "li", HERE)
    with pytest.raises(AccountError, match="最后一个能发布的用户"):
        people.set_role(accounts, "wang", "editor", "li", HERE)
    assert accounts.user("wang").role == "publisher"
    accounts.enable_user("li", "wang")
    people.set_role(accounts, "wang", "editor", "li", HERE)
    assert accounts.user("wang").role == "editor"


def test_a_disabled_publisher_may_be_changed_although_only_one_is_left(accounts):
    people.disable(accounts, "li", "wang", HERE)
    people.set_role(accounts, "li", "viewer", "wang", HERE)
    assert accounts.user("li").role == "viewer"


@pytest.mark.parametrize("name", ["wang", "WANG", " wang "])
def test_nobody_locks_themself_out(accounts, name):
    with pytest.raises(AccountError, match="不能停用自己"):
        people.disable(accounts, name, "wang", HERE)
    with pytest.raises(AccountError, match="不能改自己的角色"):
        people.set_role(accounts, name, "viewer", "wang", HERE)


def test_a_password_is_typed_twice_alike(accounts):
    with pytest.raises(AccountError, match="两次输入"):
        people.create(accounts, "zhao", PASSWORD, PASSWORD + "x", "viewer", "wang", HERE)
    with pytest.raises(AccountError, match="两次输入"):
        people.set_password(accounts, "han", PASSWORD, "", "wang", HERE)
    people.create(accounts, "zhao", PASSWORD, PASSWORD, "viewer", "wang", HERE)
    assert accounts.login("zhao", PASSWORD, HERE)


def test_the_log_is_filtered_by_person_words_and_days(accounts):
    clock = accounts._clock
    for day in range(3):
        clock.now = 1_700_000_000.0 + day * 86400
        accounts.audit("wang", "关键词 100% = 2", f"第 {day} 版")
        accounts.audit("li", "导入 FAQ.csv")

    def found(**wanted):
        one = AuditFilter(**wanted)
        rows = accounts.audit_log(50, 0, one)
        assert accounts.audit_count(one) == len(rows)
        return [(row.by, row.what) for row in rows]

    assert len(found(by="wang")) == 3
    assert found(text="faq.CSV") == [("li", "导入 FAQ.csv")] * 3
    assert found(by="wang", text="第 1 版") == [("wang", "关键词 100% = 2")]
    assert found(text="100_") == []  # no pattern, just text
    assert len(found(begins="2023-11-15T00:00:00+00:00", ends="2023-11-16T00:00:00+00:00")) == 2
    assert accounts.audit_people() == ["li", "test", "wang"]


def test_a_day_is_whole(accounts):
    wanted = people.wanted_rows("", "", "2023-11-15", "2023-11-15")
    assert len(wanted.begins) == len("2023-11-14T16:00:00+00:00")
    assert wanted.begins < wanted.ends
    with pytest.raises(InputError, match="2026-01-31"):
        people.wanted_rows("", "", "昨天", "")
    with pytest.raises(InputError, match="结束早于开始"):
        people.wanted_rows("", "", "2023-11-15", "2023-11-14")


def test_a_cell_of_the_log_is_no_formula(accounts, tmp_path):
    accounts.audit("wang", "未命中: 不处理", "=HYPERLINK(1)")
    people.write_log(tmp_path / "log.csv", accounts.audit_log(-1))
    with (tmp_path / "log.csv").open(encoding="utf-8-sig", newline="") as file:
        head, row, *rest = csv.reader(file)
    assert head == ["时间", "谁", "做了什么", "内容", "地址"]
    assert row[3].startswith("'=")
    assert len(rest) == 3


# In the browser


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with console_site(tmp_path_factory.mktemp("people")) as found:
        yield found


@pytest.fixture(scope="module")
def driver(site, tmp_path_factory):
    driver = chromium(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.mark.browser
def test_a_user_is_made_and_let_in_no_more(driver, site):
    console = Console(driver, site[0]).login()
    console.says("#tabs", "管理")  # it is there once it is known who came
    console.tab("管理", "#user-list table")
    console.unfold("新建用户")
    console.type("#user-new-name textarea, #user-new-name input", "运营乙")
    for box in ("#user-new-password input", "#user-new-password-2 input"):
        console.type(box, PASSWORD)
    console.one("#user-new-go").click()
    console.says("#user-new-notice", "已新建 运营乙")
    console.says("#user-list", "运营乙")
    console.says("#user-title", "查看者")
    console.one("#user-switch").click()
    console.says("#user-notice", "已停用")
    assert Accounts(Store.open(site[1])).user("运营乙").disabled
    console.button("wang", "#user-list")
    console.says("#user-title", "wang")
    console.one("#user-switch").click()
    console.until("document.body.innerText.includes('不能停用自己')")
    [t for t in console.find("button[role=tab]") if t.text.strip() == "操作记录"][0].click()
    console.says("#log-list", "停用用户")
    console.type("#log-text textarea, #log-text input", "新建")
    console.until("!document.querySelector('#log-list').innerText.includes('停用用户')")
    console.says("#log-list", "新建用户")


@pytest.mark.browser
def test_who_may_only_look_sees_neither(driver, site):
    console = Console(driver, site[0]).login("han")
    console.says(".bar", "查看者")
    console.tab("设置", "#threshold-curve .card")  # by then the page is whole
    assert "管理" not in [tab.text.strip() for tab in console.find("#tabs button[role=tab]")]
