"""Is anybody asked before what they wrote and did not save is dropped?"""

import pytest
from selenium.common.exceptions import NoAlertPresentException

from tests.browser import chromium
from tests.console_site import Console, console_site

pytestmark = pytest.mark.browser

CLOSING = """
const event = new Event('beforeunload', {cancelable: true});
window.dispatchEvent(event);
return event.defaultPrevented;
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with console_site(tmp_path_factory.mktemp("edits")) as found:
        yield found


@pytest.fixture(scope="module")
def driver(site, tmp_path_factory):
    driver = chromium(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture
def console(driver, site):
    driver.get(site[0] + "admin/session")  # whatever the test before left unsaved
    return Console(driver, site[0]).login()


def asked(console):
    """Say whether the browser asks something; the question stays open."""
    try:
        return "还没有保存" in console.driver.switch_to.alert.text
    except NoAlertPresentException:
        return False


def is_kept_on_closing(console):
    return console.driver.execute_script(CLOSING)


def edit(console, question, text):
    console.tab("知识管理", "#entry-list table")
    console.button(question, "#entry-list")
    console.until(f"document.querySelector('#entry-question textarea').value === {question!r}")
    console.one("#entry-answer textarea").send_keys(text)


def answer(console):
    return console.one("#entry-answer textarea").get_attribute("value")


@pytest.mark.parametrize("leave", ["another", "#entry-new", "#entry-switch", "#entry-delete"])
def test_an_edited_entry_is_not_left_unasked(console, leave):
    edit(console, "忘记密码怎么办？", "写了一半")
    assert is_kept_on_closing(console)

    def go():
        if leave == "another":
            console.button("换货要怎么申请？", "#entry-list")
        else:
            console.one(leave).click()

    go()
    assert asked(console)
    console.driver.switch_to.alert.dismiss()
    assert answer(console).endswith("写了一半")
    if leave == "another":
        go()
        console.driver.switch_to.alert.accept()
        console.until("document.querySelector('#entry-question textarea').value.startsWith('换货')")
        assert not is_kept_on_closing(console)


def test_nobody_is_asked_about_what_is_saved_or_not_changed(console):
    edit(console, "忘记密码怎么办？", " 请用手机号。")
    console.one("#entry-save").click()
    console.says("#entry-notice", "已保存")
    assert not is_kept_on_closing(console)
    console.button("换货要怎么申请？", "#entry-list")
    assert not asked(console)
    console.until("document.querySelector('#entry-question textarea').value.startsWith('换货')")
    console.one("#entry-answer textarea").send_keys(" 也可以在客服处申请。")
    console.one("#entry-draft").click()
    console.says("#entry-notice", "已放进草稿")
    assert not is_kept_on_closing(console)


def test_another_page_does_not_drop_an_entry(console):
    edit(console, "忘记密码怎么办？", "写了一半")
    console.tab("版本", "#revision-list table")
    assert not asked(console)
    console.tab("知识管理", "#entry-list table")
    assert answer(console).endswith("写了一半")
    # But the one that opens another entry in the same form would.
    console.tab("命中测试", "#test-query textarea")
    console.type("#test-query textarea", "怎么开发票\n")
    console.says("#test-found", "一字不差")
    console.find("#test-found [data-event=edit]")[0].click()
    assert asked(console)
    console.driver.switch_to.alert.dismiss()


def test_settings_that_were_moved_are_not_left_unasked(console):
    console.tab("设置", "#threshold-curve .card")
    console.type("#threshold-answer input[type=number]", "0.5\n")
    [t for t in console.find("button[role=tab]") if t.text.strip() == "版本"][0].click()
    assert asked(console)
    console.driver.switch_to.alert.dismiss()
    value = "document.querySelector('#threshold-answer input[type=number]').value"
    assert console.js(value) == "0.5"
    console.one("#threshold-draft").click()
    console.says("#threshold-notice", "已放进草稿")
    console.tab("版本", "#draft table")
    console.says("#draft", "直接回答 ≥ 0.5")
    # And all of it is given up, after a question: that cannot be undone.
    console.button("全部放弃…", "#draft")
    console.says("#revision-notice", "找不回来")
    console.find("#revision-notice [data-event=clear]")[0].click()
    console.says("#revision-notice", "草稿已清空")


def test_a_moved_slider_of_a_word_is_not_left_unasked(console):
    console.tab("关键词", "#word-list table")
    console.type("#word textarea", "换货\n")
    console.says("#word-preview", "「换货」")
    assert not is_kept_on_closing(console)  # a word to look at is no work
    console.type("#factor input[type=number]", "3\n")
    console.says("#word-preview", "倍数 3")
    assert is_kept_on_closing(console)
    console.button("发票", "#word-list")
    assert asked(console)
    console.driver.switch_to.alert.dismiss()
    assert console.js("document.querySelector('#word textarea').value") == "换货"
