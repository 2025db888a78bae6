import pytest

from faq_app.access import needs
from faq_app.keys import MISS_SECONDS, SCOPES, Keys
from indexer.errors import StoreError
from indexer.store import Store
from tests.fronted import ELSEWHERE, Fronted

ORIGIN = "https://shop.example"


@pytest.fixture
def keys(tmp_path):
    store = Store.create(tmp_path / "faq.db")
    keys = Keys(store)
    yield keys
    keys.close()
    store.close()


@pytest.fixture
def server(keys):
    return Fronted(keys)


def code(response):
    return response.status_code, response.json()["error"]["code"]


def test_customers_functions_are_open_and_operators_are_not(server):
    for scope in SCOPES:
        response = server.ask(scope=scope)
        if scope in ("ask", "embed"):
            assert response.json() == {"name": "", "address": ELSEWHERE, "bytes": 2}
        else:
            assert code(response) == (401, "key_required")
            assert response.headers["www-authenticate"].startswith("Bearer")
            assert f"create-key 名称 --scope {scope}" in response.json()["error"]["message"]


def test_a_server_may_want_a_key_for_everything(keys):
    server = Fronted(keys, require_key=True)
    secret = keys.create("a", ["ask"], by="test")
    assert code(server.ask()) == (401, "key_required")
    assert server.ask(secret).json()["name"] == "a"
    assert code(server.ask(secret, scope="embed")) == (403, "scope_missing")


@pytest.mark.parametrize("held", SCOPES)
def test_a_key_may_do_what_its_scope_says_and_no_more(server, keys, held):
    secret = keys.create("a", [held], by="test")
    ladder = ("read", "edit", "publish")
    for scope in SCOPES:
        below = held in ladder and scope in ladder[: ladder.index(held)]
        response = server.ask(secret, scope=scope)
        if scope == held or below:
            assert response.json()["name"] == "a"
        else:
            assert code(response) == (403, "scope_missing")
            assert f"--scope {scope}" in response.json()["error"]["message"]


def test_a_key_may_stand_in_either_header(server, keys):
    secret = keys.create("a", ["read"], by="test")
    for headers in (
        {"authorization": f"Bearer {secret}"},
        {"authorization": f"bearer  {secret} "},
        {"x-api-key": secret},
        {"authorization": "Basic dTpw", "x-api-key": secret},  # a proxy's own
    ):
        assert server.ask(scope="read", **headers).status_code == 200, headers
    assert server.ask(**{"authorization": "Basic dTpw"}).status_code == 200


def test_wrong_revoked_and_expired_keys_are_refused_alike_even_where_none_is_needed(server, keys):
    revoked = keys.create("a", ["ask"], by="test")
    keys.revoke("a", by="test")
    expired = keys.create("b", ["ask"], by="test", days=1)
    keys._clock = lambda: 9e9
    said = {server.ask(secret).text for secret in ("faq_x", "EMPTY", revoked, expired)}
    assert len(said) == 1
    assert code(server.ask("faq_x")) == (401, "invalid_key")


def test_openai_clients_are_refused_in_their_shape(server, keys):
    headers = {"authorization": "Bearer faq_x"}
    response = server.client().post("/v1/embeddings", json={}, headers=headers)
    assert response.status_code == 401
    error = response.json()["error"]
    assert (error["type"], error["code"]) == ("authentication_error", "invalid_key")


def test_a_key_in_a_page_is_worth_nothing_outside_that_page(server, keys):
    secret = keys.create("a", ["ask"], by="test", origins=[ORIGIN])
    assert server.ask(secret, origin=ORIGIN).status_code == 200
    assert server.ask(secret, origin=ORIGIN.upper()).status_code == 200
    for headers in ({}, {"origin": "https://evil.example"}, {"origin": f"{ORIGIN}.evil.example"}):
        assert code(server.ask(secret, **headers)) == (403, "wrong_origin")


def test_a_database_that_cannot_be_read_lets_no_key_in_but_customers_ask_on(server, keys):
    secret = keys.create("a", ["ask"], by="test")

    def fail(older_than):
        raise StoreError("locked")

    keys.refresh = fail
    assert code(server.ask(secret)) == (503, "unavailable")
    assert server.ask().status_code == 200


def test_a_key_made_by_another_process_is_known_before_the_old_ones_are_read_again(
    server, keys, monkeypatch
):
    now = [1000.0]
    monkeypatch.setattr("faq_app.keys.time.monotonic", lambda: now[0])
    assert server.ask("faq_x").status_code == 401
    secret = Keys(Store.open(keys._store.path)).create("a", ["ask"], by="test")
    assert server.ask(secret).status_code == 401
    now[0] += MISS_SECONDS
    assert server.ask(secret).status_code == 200


def test_there_is_no_other_scope():
    with pytest.raises(ValueError, match="root"):
        needs("root")
