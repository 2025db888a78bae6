"""One layer around every request: ids, limits, cross-origin rules, safe headers."""

import asyncio
import re

import pytest

from faq_app import bodies, front
from faq_app.cors import ROUTES
from faq_app.keys import Keys
from faq_app.rate_limit import Rate
from indexer.store import Store
from tests.fronted import ELSEWHERE, Fronted

ORIGIN = "https://shop.example"
JSON = {"content-type": "application/json"}


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


def statuses(responses):
    return [response.status_code for response in responses]


# Request ids


def test_a_sane_id_is_kept_and_any_other_replaced(server):
    assert server.ask(**{"x-request-id": "a.B-9_"}).headers["x-request-id"] == "a.B-9_"
    for wrong in ("", "a b", "x" * 65, 'a"b', "a;b", "\xe9"):
        made = server.ask(**{"x-request-id": wrong.encode("latin-1")}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{16}", made)
    assert server.ask().headers["x-request-id"] != server.ask().headers["x-request-id"]


# Rates


def test_an_address_has_a_rate_and_is_told_when_to_come_back(keys):
    server = Fronted(keys, rate=Rate(0.01, 3))
    assert statuses(server.ask() for _ in range(5)) == [200] * 3 + [429] * 2
    refused = server.ask()
    assert refused.json()["error"]["code"] == "too_many"
    assert 90 <= int(refused.headers["retry-after"]) <= 100
    assert refused.headers["x-request-id"]
    assert server.ask(address="192.0.2.2").status_code == 200
    assert server.client().get("/").status_code == 200  # pages are no work


def test_this_machine_has_no_limit_unless_one_was_chosen(keys, monkeypatch):
    monkeypatch.setattr(front, "ADDRESS_RATE", Rate(0.01, 1))
    monkeypatch.setattr(front, "KEY_RATE", Rate(0.01, 1))
    secret = keys.create("a", ["ask"], by="test")
    server = Fronted(keys)
    assert statuses(server.ask(address="127.0.0.1") for _ in range(3)) == [200] * 3
    assert statuses(server.ask(secret, address="::1") for _ in range(3)) == [200] * 3
    assert statuses(server.ask() for _ in range(3)) == [200, 429, 429]
    assert statuses(server.ask(secret) for _ in range(3)) == [200, 429, 429]
    chosen = Fronted(keys, rate=Rate(0.01, 1), key_rate=Rate(0.01, 1))
    assert statuses(chosen.ask(address="127.0.0.1") for _ in range(2)) == [200, 429]
    assert statuses(chosen.ask(secret, address="127.0.0.1") for _ in range(2)) == [200, 429]


def test_a_key_has_a_rate_wherever_it_is_used_and_spares_its_address(keys):
    server = Fronted(keys, rate=Rate(0.01, 1), key_rate=Rate(0.01, 3))
    secret, other = (keys.create(name, ["ask"], by="test") for name in "ab")
    places = (ELSEWHERE, "192.0.2.2", "192.0.2.3", "192.0.2.4")
    assert statuses(server.ask(secret, address=place) for place in places) == [200] * 3 + [429]
    assert server.ask(other).status_code == 200
    assert server.ask().status_code == 200


def test_visitors_of_a_page_do_not_use_up_one_anothers_key(keys):
    server = Fronted(keys, rate=Rate(0.01, 2), key_rate=Rate(0.01, 100))
    secret = keys.create("a", ["ask"], by="test", origins=[ORIGIN])
    assert statuses(server.ask(secret, origin=ORIGIN) for _ in range(3)) == [200, 200, 429]
    assert server.ask(secret, origin=ORIGIN, address="192.0.2.2").status_code == 200


def test_guessing_keys_soon_ends_but_not_for_who_has_one(keys):
    server = Fronted(keys, rate=Rate(0.01, 30))
    secret = keys.create("a", ["read"], by="test")
    guesses = statuses(server.ask(f"faq_{number}", scope="read") for number in range(5))
    assert guesses == [401] * 3 + [429] * 2
    assert server.ask(secret, scope="read").status_code == 200


# Bodies


@pytest.mark.parametrize("claims", [True, False])
def test_a_body_has_a_limit_whatever_its_headers_claim(server, claims):
    def sent(size):
        content = b" " * size
        content = content if claims else iter([content[: size // 2], content[size // 2 :]])
        return server.client().post("/api/v1/ask", content=content, headers=JSON)

    assert sent(bodies.SMALL).json()["bytes"] == bodies.SMALL
    refused = sent(bodies.SMALL + 1)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")
    assert refused.headers["connection"] == "close"


def test_who_may_edit_may_send_a_table_and_embeddings_come_in_batches(server, keys):
    secret = keys.create("a", ["edit"], by="test")
    large = b" " * (bodies.MEDIUM + 1)
    headers = JSON | {"authorization": f"Bearer {secret}"}
    response = server.client().post("/api/v1/edit", content=large, headers=headers)
    assert response.json()["bytes"] == len(large)
    assert server.client().post("/v1/embeddings", content=large[1:]).status_code == 200
    assert server.client().post("/v1/embeddings", content=large).status_code == 413
    reader = keys.create("b", ["read"], by="test")
    headers = JSON | {"authorization": f"Bearer {reader}"}
    assert server.client().post("/api/v1/read", content=large, headers=headers).status_code == 413


def test_deep_nesting_is_refused_before_it_is_read(server):
    def sent(text, kind="application/json"):
        headers = {"content-type": kind}
        return server.client().post("/api/v1/ask", content=text, headers=headers).status_code

    depth = bodies.MAX_DEPTH
    assert sent("[" * depth + "]" * depth) == 200
    assert sent("[" * (depth + 1) + "]" * (depth + 1)) == 400
    assert sent("[" * 30_000) == 400
    assert sent('{"a":' * 60 + "1" + "}" * 60) == 400
    assert sent('"' + "[" * 30_000 + '"') == 200  # within a string
    assert sent('["\\"[' + "[" * 100 + '"]') == 200
    assert sent("[" + "[]," * 1000 + "[]]") == 200  # long, not deep
    assert sent("[" * 100, "text/csv") == 200


def answered(app, receive, **more):
    """Return what the application sends, given how it receives."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/ask",
        "raw_path": b"/api/v1/ask",
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "http_version": "1.1",
        "server": ("testserver", 80),
        "client": (ELSEWHERE, 50000),
        "headers": [(b"host", b"testserver"), (b"content-type", b"application/json")],
    }
    asyncio.run(app(scope | more, receive, send))
    return sent


def test_a_slow_body_is_not_waited_for(server, monkeypatch):
    monkeypatch.setattr(bodies, "SECONDS", 0.05)
    running = []

    async def drip():
        running.append(server.load.running)
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    start, _ = answered(server.app, drip)
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert set(running) == {0}  # it took nobody's place meanwhile


def test_a_client_that_goes_away_gets_nothing_and_is_counted(server):
    async def gone():
        return {"type": "http.disconnect"}

    assert answered(server.app, gone) == []
    assert server.metrics._requests == {("none", "POST", front.CLIENT_GONE): 1}


def test_an_upload_behind_the_login_is_counted_while_it_is_read(server, monkeypatch):
    monkeypatch.setattr(bodies, "UPLOAD", 1000)
    assert server.client().post("/admin/upload", content=b" " * 1000).json() == {"bytes": 1000}
    assert server.client().post("/admin/upload", content=b" " * 1001).status_code == 413


# Load


def test_beyond_what_can_be_worked_on_a_request_is_refused_at_once(server, monkeypatch):
    server.load.running = front.MOST_RUNNING
    refused = server.ask()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
    assert refused.headers["retry-after"] == "1"
    server.load.running = 0
    assert server.ask().status_code == 200
    assert server.load.running == 0


def test_a_server_that_stops_begins_no_more_work(server):
    server.load.stopping = True
    refused = server.ask()
    assert (refused.status_code, refused.headers["connection"]) == (503, "close")


# Failures


def test_a_failure_is_answered_once_and_with_everything_else(server):
    response = server.client().post("/api/v1/raise", json={})
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
    assert "13812345678" not in response.text
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["x-request-id"]
    assert server.load.running == 0


def test_a_response_that_breaks_off_is_seen_to_break_off(server):
    with pytest.raises(RuntimeError):
        server.client().get("/api/v1/broken_off")


# Other sites


def preflight(server, origin=ORIGIN, path="/api/v1/ask"):
    headers = {"origin": origin, "access-control-request-method": "POST"}
    return server.client().options(path, headers=headers)


def test_a_page_of_a_named_site_may_ask(keys):
    server = Fronted(keys, cors_origins=(ORIGIN,))
    allowed = preflight(server)
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in allowed.headers["access-control-allow-methods"]
    assert {"authorization", "content-type"} <= set(
        allowed.headers["access-control-allow-headers"].split(", ")
    )
    asked = server.ask(origin=ORIGIN)
    assert asked.headers["access-control-allow-origin"] == ORIGIN
    assert "x-request-id" in asked.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in asked.headers
    # A refusal must be readable too, or the page cannot say what is wrong.
    assert server.ask("faq_x", origin=ORIGIN).headers["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("origin", ["https://evil.example", f"{ORIGIN}.evil.example", "null", "*"])
def test_pages_of_other_sites_may_not(keys, origin):
    server = Fronted(keys, cors_origins=(ORIGIN,))
    for response in (preflight(server, origin), server.ask(origin=origin)):
        assert not [name for name in response.headers if name.startswith("access-control")]
        assert response.headers["vary"] == "origin"


def test_a_site_with_a_key_of_its_own_may_ask_until_the_key_is_revoked(server, keys):
    assert "access-control-allow-origin" not in preflight(server).headers
    keys.create("a", ["ask"], by="test", origins=[ORIGIN])
    keys._read_at = float("-inf")  # as after a second
    assert preflight(server).headers["access-control-allow-origin"] == ORIGIN
    keys.revoke("a", by="test")
    assert "access-control-allow-origin" not in preflight(server).headers


def test_every_site_may_ask_if_that_was_chosen_but_operate_nowhere(keys):
    server = Fronted(keys, cors_origins=("*",))
    assert server.ask(origin=ORIGIN).headers["access-control-allow-origin"] == ORIGIN
    for path in ("/api/v1/publish", "/api/v1/entries/1", "/admin/upload", "/", "/metrics"):
        assert path not in ROUTES
        assert "access-control-allow-origin" not in preflight(server, path=path).headers


# Safe headers


def test_every_response_is_safe_to_show(server):
    page = server.client().get("/")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "same-origin"
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "object-src 'none'" in policy
    for response in (server.ask(), server.ask("faq_x"), server.client().get("/api/v1/none")):
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        assert response.headers["x-content-type-options"] == "nosniff"


def test_only_what_came_over_tls_is_told_to_stay_there(server):
    assert "strict-transport-security" not in server.client().get("/").headers
    secure = server.client(base_url="https://testserver").get("/")
    assert secure.headers["strict-transport-security"].startswith("max-age=")
