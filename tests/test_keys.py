import sqlite3
import subprocess
import sys

import pytest
from click.testing import CliRunner

from faq_app.accounts import AccountError, Accounts
from faq_app.accounts_cli import main
from faq_app.keys import LONGEST_LIFE, REFRESH_SECONDS, SCOPES, TOUCH_SECONDS, Keys, granted
from indexer.store import Store
from tests.conftest import ROOT

START = 1_700_000_000.0


class Clock:
    now = START

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
def keys(store, clock):
    keys = Keys(store, clock)
    yield keys
    keys.close()


def found(keys, secret):
    keys._read_at = float("-inf")
    keys.refresh()
    return keys.find(secret)


def test_a_secret_finds_its_key_and_nothing_else_does(keys):
    secret = keys.create("网站", ["edit", "ask"], by="test")
    assert secret.startswith("faq_")
    assert len(secret) == len("faq_") + 43  # 32 random bytes
    key = found(keys, secret)
    assert (key.name, key.scopes, key.created_by) == ("网站", ("ask", "edit"), "test")
    assert key.created == "2023-11-14T22:13:20+00:00"
    for wrong in ("", secret[:-1], secret + "x", secret.upper(), "faq_", "\ud800", "x" * 10**6):
        assert keys.find(wrong) is None


def test_the_database_holds_no_secret(keys, store):
    secret = keys.create("a", ["ask"], by="test")
    (row,) = sqlite3.connect(store.path).execute("select * from api_keys").fetchall()
    everything = " ".join(map(str, row))
    assert secret not in everything
    assert secret[:10] in row and secret[10:] not in everything
    assert secret.encode() not in store.path.read_bytes()


def test_secrets_differ(keys):
    assert len({keys.create(f"k{number}", ["ask"], by="test") for number in range(20)}) == 20


def test_a_revoked_key_ends_at_once_here_and_when_read_again_elsewhere(keys, store, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("faq_app.keys.time.monotonic", lambda: now[0])
    secret = keys.create("a", ["ask"], by="test")
    elsewhere = Keys(Store.open(store.path))
    assert found(elsewhere, secret)
    keys.revoke("a", by="test")
    keys.refresh()
    assert keys.find(secret) is None
    now[0] += 0.9 * REFRESH_SECONDS
    elsewhere.refresh()
    assert elsewhere.find(secret)
    now[0] += 0.1 * REFRESH_SECONDS
    elsewhere.refresh()
    assert elsewhere.find(secret) is None
    with pytest.raises(AccountError, match="list-keys"):
        keys.revoke("a", by="test")


def test_looking_up_reads_the_database_once_a_while_only(keys, monkeypatch):
    secret = keys.create("a", ["ask"], by="test")
    keys.refresh()
    monkeypatch.setattr(keys._store, "reading", None)  # would fail
    for _ in range(100):
        assert not keys.older_than(REFRESH_SECONDS)
        keys.refresh()
        assert keys.find(secret)
        assert keys.find("faq_wrong") is None


def test_a_key_expires(keys, clock):
    secret = keys.create("a", ["ask"], by="test", days=2)
    clock.now += 2 * 86400 - 1
    assert found(keys, secret)
    clock.now += 1
    assert keys.find(secret) is None


def test_operators_scopes_include_those_before_them():
    assert granted(["publish"]) == {"read", "edit", "publish"}
    assert granted(["edit", "ask"]) == {"read", "edit", "ask"}
    assert granted(["read"]) == {"read"}
    assert granted(["metrics"]) == {"metrics"}
    assert granted([]) == set()


@pytest.mark.parametrize("days", [0, -1, LONGEST_LIFE + 1])
def test_an_impossible_life_is_refused(keys, days):
    with pytest.raises(AccountError, match="--expires"):
        keys.create("a", ["ask"], by="test", days=days)


@pytest.mark.parametrize("name", ["", " ", "a b", "a\nb", "x" * 65, "-a", "a\tb"])
def test_an_impossible_name_is_refused(keys, name):
    with pytest.raises(AccountError, match="密钥名"):
        keys.create(name, ["ask"], by="test")


def test_a_name_is_used_once_even_after_it_was_revoked(keys):
    keys.create("a", ["ask"], by="test")
    keys.revoke("a", by="test")
    with pytest.raises(AccountError, match="换一个名字"):
        keys.create("a", ["ask"], by="test")
    assert len(keys.all()) == 1


def test_a_key_needs_a_scope_that_there_is(keys):
    for scopes in ([], ["everything"]):
        with pytest.raises(AccountError, match="--scope"):
            keys.create("a", scopes, by="test")


def test_a_key_in_a_page_may_ask_only(keys):
    for scope in set(SCOPES) - {"ask"}:
        with pytest.raises(AccountError, match="人人都能看到"):
            keys.create("a", ["ask", scope], by="test", origins=["https://a.example"])
    secret = keys.create("a", ["ask"], by="test", origins=["https://A.example/", "http://b:81"])
    assert found(keys, secret).origins == ("https://a.example", "http://b:81")
    assert keys.origins == {"https://a.example", "http://b:81"}
    keys.revoke("a", by="test")
    keys.refresh()
    assert keys.origins == frozenset()


@pytest.mark.parametrize(
    "origin", ["a.example", "https://a.example/x", "*", "null", "https://", ""]
)
def test_what_is_no_origin_is_refused(keys, origin):
    with pytest.raises(AccountError, match="来源"):
        keys.create("a", ["ask"], by="test", origins=[origin])


def test_the_last_use_is_noted_once_a_minute(keys, clock, monkeypatch):
    secret = keys.create("a", ["ask"], by="test")
    written = []
    monkeypatch.setattr(keys, "_write_use", lambda name, now: written.append(now))
    key, moment = found(keys, secret), [50.0]
    monkeypatch.setattr("faq_app.keys.time.monotonic", lambda: moment[0])
    for seconds in (0, 1, TOUCH_SECONDS - 2, 1):
        moment[0] += seconds
        keys.note_use(key)
    keys.close()
    assert len(written) == 2


def test_the_last_use_is_stored(keys):
    secret = keys.create("a", ["ask"], by="test")
    keys.note_use(found(keys, secret))
    keys.close()
    assert keys.all()[0].last_used == "2023-11-14T22:13:20+00:00"


def test_everything_that_happens_to_keys_is_written_down(keys, store):
    keys.create("a", ["publish"], by="li", days=3)
    keys.create("b", ["ask"], by="li", origins=["https://a.example"])
    keys.revoke("a", by="wang")
    log = [(row.by, row.what, row.detail) for row in reversed(Accounts(store).audit_log())]
    assert log == [
        ("li", "新建密钥", "a (publish) 3 天"),
        ("li", "新建密钥", "b (ask) https://a.example"),
        ("wang", "撤销密钥", "a"),
    ]


# Command line


@pytest.fixture
def run(store):
    return lambda *arguments: CliRunner().invoke(main, [*arguments, "--db", str(store.path)])


def test_a_key_is_printed_once_alone_on_standard_output(run, store):
    result = run("create-key", "a", "--scope", "ask", "--scope", "embed", "--expires", "30")
    assert result.exit_code == 0
    (secret,) = result.stdout.splitlines()
    assert found(Keys(store), secret).scopes == ("ask", "embed")
    assert secret not in result.stderr
    listed = run("list-keys").stdout
    assert secret not in listed
    cells = listed.rstrip("\n").split("\t")
    assert cells[:4] == ["a", secret[:10] + "…", "ask,embed", ""]
    assert cells[-1] == "可用"


def test_keys_are_revoked(run):
    run("create-key", "a", "--scope", "ask")
    assert run("revoke-key", "a").exit_code == 0
    assert run("list-keys").stdout.endswith("\t已撤销\n")
    again = run("revoke-key", "a")
    assert again.exit_code == 1
    assert again.stderr.count("\n") == 1


def test_a_key_without_scope_is_told_so(run):
    assert run("create-key", "a").exit_code == 2
    assert run("create-key", "a", "--scope", "root").exit_code == 2


def test_help_names_an_example():
    command = [sys.executable, "-m", "faq_app", "create-key", "-h"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    assert "python -m faq_app create-key 官网 --scope ask --origin" in result.stdout
