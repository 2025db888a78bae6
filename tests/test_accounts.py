import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from faq_app import accounts as module
from faq_app import lockout
from faq_app.accounts import IDLE_SECONDS, SESSION_SECONDS, AccountError, Accounts, LoginRefused
from faq_app.accounts_cli import main
from faq_app.passwords import Cost, hash_password, matches, unmatchable
from indexer.store import Store

CHEAP = Cost(n=2, r=1, p=1)
PASSWORD = "correct horse"
HERE = "192.0.2.1"


class Clock:
    now = 1_700_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "faq.db")
    yield store
    store.close()


@pytest.fixture
def accounts(store, clock):
    accounts = Accounts(store, CHEAP, clock)
    accounts.create_user("wang", PASSWORD, "editor", by="test")
    return accounts


def fail(accounts, name="wang", address=HERE, times=1):
    for _ in range(times):
        with pytest.raises(LoginRefused) as refused:
            accounts.login(name, "not this one", address)
    return refused.value.wait


def wait(accounts, name="wang", address=HERE):
    """Seconds to wait, asked with the right password."""
    try:
        accounts.login(name, PASSWORD, address)
    except LoginRefused as refused:
        return refused.wait
    return None


# Passwords


def test_equal_passwords_are_stored_differently_and_neither_is_readable():
    first, second = hash_password(PASSWORD, CHEAP), hash_password(PASSWORD, CHEAP)
    assert first != second
    assert PASSWORD not in first
    assert matches(PASSWORD, first) and matches(PASSWORD, second)
    assert not matches(PASSWORD + "x", first)


def test_a_password_is_checked_at_the_cost_it_was_stored_with():
    line = hash_password(PASSWORD, Cost(n=4, r=2, p=1))
    assert line.startswith("scrypt$4$2$1$")
    assert matches(PASSWORD, line)
    assert not matches(PASSWORD, line.replace("$4$", "$8$"))


def test_the_usual_cost_is_one_that_is_recommended():
    line = hash_password(PASSWORD, Cost())
    assert line.startswith("scrypt$16384$8$5$")
    assert matches(PASSWORD, line)


def test_full_width_letters_are_the_same_password():
    assert matches("ｃｏｒｒｅｃｔ　ｈｏｒｓｅ", hash_password(PASSWORD, CHEAP))


# Users


def test_a_user_is_known_by_any_way_to_write_the_name(accounts):
    assert accounts.login("  ＷＡＮＧ ", PASSWORD, HERE)
    with pytest.raises(AccountError, match="已存在.*set-password"):
        accounts.create_user("Wang", PASSWORD, "viewer", by="test")


def test_chinese_names_will_do(accounts):
    accounts.create_user("运营甲", PASSWORD, "viewer", by="test")
    assert [user.name for user in accounts.users()] == ["wang", "运营甲"]


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "<b>", "x" * 65, "a\nb", "'; drop table users", "\ud800"]
)
def test_other_names_will_not(accounts, name):
    with pytest.raises(AccountError, match="不能用"):
        accounts.create_user(name, PASSWORD, "viewer", by="test")


@pytest.mark.parametrize("password", ["", "123456789", "x" * 201])
def test_a_password_has_its_length(accounts, password):
    with pytest.raises(AccountError, match=f"有 {len(password)} 个字符"):
        accounts.create_user("li", password, "viewer", by="test")
    with pytest.raises(AccountError, match=f"有 {len(password)} 个字符"):
        accounts.set_password("wang", password, by="test")


def test_no_other_role_can_be_given(accounts):
    with pytest.raises(AccountError, match="viewer、editor、publisher"):
        accounts.create_user("li", PASSWORD, "root", by="test")
    with pytest.raises(AccountError, match="没有用户 li"):
        accounts.set_role("li", "viewer", by="test")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", ["viewer"]),
        ("editor", ["viewer", "editor"]),
        ("publisher", ["viewer", "editor", "publisher"]),
    ],
)
def test_each_role_may_what_those_before_it_may(accounts, role, may):
    token = accounts.login("wang", PASSWORD, HERE)
    accounts.set_role("wang", role, by="test")
    assert [name for name in module.ROLES if accounts.user_of(token).may(name)] == may


# Sessions


def test_a_session_is_whose_it_is(accounts):
    user = accounts.user_of(accounts.login("wang", PASSWORD, HERE))
    assert (user.name, user.role) == ("wang", "editor")


def test_a_token_is_long_and_never_stored(accounts, store):
    tokens = {accounts.login("wang", PASSWORD, HERE) for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) >= 43 for token in tokens)  # 256 bits in base64
    with store.reading() as db:
        stored = str(list(db.query("select * from sessions")))
    assert not any(token in stored for token in tokens)


def test_no_other_token_will_do(accounts, store):
    token = accounts.login("wang", PASSWORD, HERE)
    with store.reading() as db:
        (row,) = db.query("select * from sessions")
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    for wrong in ("", token[:-1], token + "A", changed, token.swapcase(), row["token_hash"], "'"):
        assert accounts.user_of(wrong) is None


def test_a_session_ends_when_it_is_not_used(accounts, clock):
    token = accounts.login("wang", PASSWORD, HERE)
    clock.now += IDLE_SECONDS - 1
    accounts.touch(token)
    clock.now += IDLE_SECONDS - 1
    assert accounts.user_of(token)
    clock.now += 1
    assert accounts.user_of(token) is None


def test_a_session_ends_in_any_case_after_a_week(accounts, clock):
    token, begun = accounts.login("wang", PASSWORD, HERE), clock.now
    while clock.now < begun + SESSION_SECONDS - 3600:
        clock.now += 3600
        accounts.touch(token)
        assert accounts.user_of(token)
    clock.now += 3600
    accounts.touch(token)
    assert accounts.user_of(token) is None


def test_a_clock_put_back_makes_no_session_last_longer(accounts, clock):
    token = accounts.login("wang", PASSWORD, HERE)
    clock.now -= 200  # as a correction may
    assert accounts.user_of(token)
    clock.now -= 86400
    assert accounts.user_of(token) is None


def test_use_is_not_written_for_every_request(accounts, clock, store):
    token = accounts.login("wang", PASSWORD, HERE)

    def last_seen():
        with store.reading() as db:
            return next(iter(db.query("select last_seen from sessions")))["last_seen"]

    begun = last_seen()
    clock.now += module.TOUCH_SECONDS - 1
    accounts.touch(token)
    assert last_seen() == begun
    clock.now += 1
    accounts.touch(token)
    assert last_seen() == clock.now


def test_logging_out_ends_this_session_only(accounts):
    here, there = (accounts.login("wang", PASSWORD, HERE) for _ in range(2))
    accounts.logout(here, HERE)
    assert accounts.user_of(here) is None
    assert accounts.user_of(there)


@pytest.mark.parametrize(
    "end",
    [
        lambda accounts: accounts.set_password("wang", "another one", by="test"),
        lambda accounts: accounts.disable_user("wang", by="test"),
    ],
    ids=["password", "disabled"],
)
def test_all_sessions_of_a_user_end(accounts, end):
    accounts.create_user("li", PASSWORD, "viewer", by="test")
    tokens = [accounts.login("wang", PASSWORD, HERE) for _ in range(2)]
    other = accounts.login("li", PASSWORD, HERE)
    end(accounts)
    assert [accounts.user_of(token) for token in tokens] == [None, None]
    assert accounts.user_of(other)
    assert wait(accounts) == 0  # and this password is no longer one


def test_a_user_disabled_by_hand_in_the_database_is_out_as_well(accounts, store):
    token = accounts.login("wang", PASSWORD, HERE)
    with store.transaction() as db:
        db.execute("update users set disabled = 1")
    assert accounts.user_of(token) is None


def test_who_is_enabled_again_has_to_log_in_again(accounts):
    token = accounts.login("wang", PASSWORD, HERE)
    accounts.disable_user("wang", by="test")
    accounts.enable_user("wang", by="test")
    assert accounts.user_of(token) is None
    assert accounts.login("wang", PASSWORD, HERE)


def test_sessions_outlive_the_server(accounts, store, clock):
    token = accounts.login("wang", PASSWORD, HERE)
    again = Store.open(store.path)
    assert Accounts(again, CHEAP, clock).user_of(token).name == "wang"
    again.close()


def test_ended_sessions_do_not_pile_up(accounts, clock, store):
    for _ in range(3):
        accounts.login("wang", PASSWORD, HERE)
        clock.now += SESSION_SECONDS
    accounts.login("wang", PASSWORD, HERE)
    with store.reading() as db:
        assert db.table("sessions").count == 1


# Failures


@pytest.mark.parametrize("name", ["wang", "nobody", "disabled"])
def test_every_failed_login_takes_the_same_way(accounts, monkeypatch, name):
    """No timing: one password is tried against one line of the same cost, whoever is asked for."""
    accounts.create_user("disabled", PASSWORD, "viewer", by="test")
    accounts.disable_user("disabled", by="test")
    tried = []

    def counted(password, line):
        tried.append(line.split("$")[:4])
        return matches(password, line)

    monkeypatch.setattr(module, "matches", counted)
    assert fail(accounts, name) == 0
    assert tried == [["scrypt", "2", "1", "1"]]


def test_the_line_for_nobody_matches_nothing():
    line = unmatchable(CHEAP)
    assert len(line) == len(hash_password(PASSWORD, CHEAP))
    assert not matches("", line)
    assert unmatchable(CHEAP) != line


def test_five_failures_lock_a_user_from_everywhere(accounts):
    assert fail(accounts, times=5) == 0
    assert wait(accounts) == 30
    assert wait(accounts, address="198.51.100.7") == 30


@pytest.mark.parametrize("name", ["wang", "nobody"])
def test_who_does_not_exist_is_locked_out_like_anybody(accounts, name):
    fail(accounts, name, times=5)
    assert fail(accounts, name, "198.51.100.7") == 30


def test_five_failures_lock_an_address_for_everybody(accounts):
    for number in range(5):
        fail(accounts, f"guess{number}")
    assert wait(accounts) == 30
    assert wait(accounts, address="198.51.100.7") is None


def test_one_network_of_ipv6_is_one_address(accounts):
    for number in range(5):
        fail(accounts, f"guess{number}", f"2001:db8:1:2::{number}")
    assert wait(accounts, address="2001:db8:1:2:ffff::1") == 30
    assert wait(accounts, address="2001:db8:1:3::1") is None
    assert lockout.keys_of("a", "::ffff:192.0.2.1") == lockout.keys_of("a", HERE)


def test_the_wait_doubles_up_to_a_limit(accounts, clock):
    fail(accounts, times=5)
    waits = []
    for _ in range(8):
        waits.append(wait(accounts))
        clock.now += waits[-1]
        assert fail(accounts) == 0
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


def test_trying_while_waiting_changes_nothing(accounts, clock):
    fail(accounts, times=5)
    assert fail(accounts, times=50) == 30
    clock.now += 30
    assert wait(accounts) is None


def test_the_right_password_clears_the_user_not_the_address(accounts, clock):
    accounts.create_user("attacker", PASSWORD, "viewer", by="test")
    fail(accounts, times=4)
    assert wait(accounts) is None
    assert fail(accounts) == 0
    assert wait(accounts, "attacker") == 30  # the fifth failure from here
    clock.now += 30
    assert wait(accounts, "attacker") is None
    assert wait(accounts, "attacker") is None  # a login is no failure: no further wait
    fail(accounts)
    assert wait(accounts) == 60


def test_failures_are_forgotten_after_an_hour_without_any(accounts, clock):
    fail(accounts, times=4)
    clock.now += lockout.FORGOTTEN_AFTER + 1
    fail(accounts, times=4)
    assert wait(accounts) is None


def test_a_restart_forgives_nothing(accounts, store, clock):
    fail(accounts, times=5)
    again = Store.open(store.path)
    assert wait(Accounts(again, CHEAP, clock)) == 30
    again.close()


def test_a_clock_put_back_neither_unlocks_nor_locks_for_ever(accounts, clock):
    fail(accounts, times=5)
    clock.now -= 365 * 86400
    assert wait(accounts) == 30
    clock.now += 29
    assert wait(accounts) == 1
    clock.now += 1
    assert wait(accounts) is None


def test_many_tries_at_once_are_counted_one_by_one(accounts):
    outcomes = []

    def guess():
        try:
            accounts.login("wang", "not this one", HERE)
        except LoginRefused as refused:
            outcomes.append(refused.wait)

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 12
    assert outcomes.count(0) == 5


def test_a_new_password_ends_the_wait_of_its_user(accounts):
    fail(accounts, times=5)
    accounts.set_password("wang", PASSWORD, by="test")
    assert wait(accounts, address="198.51.100.7") is None


# Audit log


def test_everything_that_happens_to_accounts_is_written_down(accounts):
    token = accounts.login("wang", PASSWORD, HERE)
    fail(accounts)
    accounts.logout(token, HERE)
    accounts.logout(token, HERE)  # there is nothing left to log out
    accounts.set_role("wang", "publisher", by="li", address="198.51.100.7")
    accounts.set_password("wang", PASSWORD, by="li")
    accounts.disable_user("wang", by="li")
    fail(accounts)
    accounts.enable_user("wang", by="li")
    accounts.audit("wang", "发布", "第 3 版", HERE)
    log = [(row.by, row.what, row.detail, row.address) for row in reversed(accounts.audit_log())]
    assert log == [
        ("test", "新建用户", "wang (editor)", ""),
        ("wang", "登录", "", HERE),
        ("wang", "登录失败", "密码不对", HERE),
        ("wang", "退出", "", HERE),
        ("li", "修改角色", "wang: editor → publisher", "198.51.100.7"),
        ("li", "修改密码", "wang", ""),
        ("li", "停用用户", "wang", ""),
        ("wang", "登录失败", "用户已停用", HERE),
        ("li", "启用用户", "wang", ""),
        ("wang", "发布", "第 3 版", HERE),
    ]
    assert accounts.audit_log()[0].at == "2023-11-14T22:13:20+00:00"


def test_what_was_typed_as_the_name_of_nobody_is_not_written_down(accounts):
    fail(accounts, "my secret password")
    (row,) = accounts.audit_log(limit=1)
    assert (row.by, row.what, row.detail) == ("", "登录失败", "没有这个用户")


def test_the_log_is_read_in_pages(accounts):
    for number in range(7):
        accounts.audit("wang", "试", str(number))
    assert accounts.audit_count() == 8
    assert [row.detail for row in accounts.audit_log(3)] == ["6", "5", "4"]
    assert [row.detail for row in accounts.audit_log(3, offset=3)] == ["3", "2", "1"]
    assert [row.what for row in accounts.audit_log(3, offset=6)] == ["试", "新建用户"]


def test_a_change_that_fails_is_neither_made_nor_written_down(accounts):
    with pytest.raises(AccountError):
        accounts.create_user("wang", PASSWORD, "viewer", by="test")
    assert accounts.audit_count() == 1


# Command line


@pytest.fixture
def run(store, monkeypatch):
    monkeypatch.setattr(module, "Cost", lambda: CHEAP)

    def run(*arguments, given=""):
        return CliRunner().invoke(main, [*arguments, "--db", str(store.path)], input=given)

    return run


def test_a_user_is_made_with_a_password_typed_twice(run, store):
    typed = f"short\n{PASSWORD}\nanother\n{PASSWORD}\n{PASSWORD}\n"
    result = run("create-user", "li", "--role", "publisher", given=typed)
    assert result.exit_code == 0
    assert "太短: 只有 5 个字符" in result.stderr
    assert "两次输入不一样" in result.stderr
    assert PASSWORD not in result.output
    assert Accounts(store, CHEAP).login("li", PASSWORD, HERE)


def test_a_password_may_come_from_a_pipe(run, store):
    result = run("create-user", "li", "--role", "viewer", "--password-stdin", given=f"{PASSWORD}\n")
    assert (result.exit_code, result.stdout) == (0, "")
    assert Accounts(store, CHEAP).login("li", PASSWORD, HERE)
    result = run("set-password", "li", "--password-stdin", given="x\n")
    assert result.exit_code == 1
    assert "密码有 1 个字符" in result.stderr


def test_an_existing_user_is_said_before_a_password_is_asked_for(run, accounts):
    result = run("create-user", "Wang", "--role", "viewer")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "用户 wang 已存在" in result.stderr
    assert run("set-password", "nobody").stderr.startswith("Error: 没有用户 nobody")


def test_a_user_needs_a_role(run):
    result = run("create-user", "li")
    assert result.exit_code == 2
    assert "--role" in result.stderr


def test_users_are_listed_changed_and_disabled(run, accounts):
    assert run("set-role", "wang", "publisher").exit_code == 0
    assert run("disable-user", "wang").exit_code == 0
    result = run("list-users")
    assert result.stdout == "wang\tpublisher\t2023-11-14T22:13:20+00:00\t停用\n"
    assert run("enable-user", "wang").exit_code == 0
    assert run("list-users").stdout.endswith("\t启用\n")
    assert all(row.by.endswith("(命令行)") for row in accounts.audit_log(3))


def test_a_missing_database_is_one_line_with_the_command(tmp_path: Path):
    result = CliRunner().invoke(main, ["list-users", "--db", str(tmp_path / "none.db")])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "python -m indexer build" in result.stderr
