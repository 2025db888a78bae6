"""Nothing under /admin answers without a session: every route, and every way to write it."""

import asyncio
import json
import re

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.websockets import WebSocket, WebSocketDisconnect

from app import _network
from faq_app.accounts import Accounts
from faq_app.guard import COOKIE, HOME, LOGIN, Guard, address_of, current_user, require
from faq_app.login import login_pages
from faq_app.passwords import Cost
from faq_app.server import configuration, create_app
from faq_app.service import Service
from indexer.build import publish
from indexer.errors import StoreError
from indexer.records import Entry
from indexer.store import Store

ENTRY = Entry(key="refund", question="如何申请退货？", answer="点「申请售后」。")
PASSWORD = "correct horse"
BROWSER = {"accept": "text/html,application/xhtml+xml", "sec-fetch-mode": "navigate"}
REFUSED = {"error": {"code": "not_logged_in", "message": "请先登录: /admin/login"}}


@pytest.fixture(scope="module")
def service(tmp_path_factory, encoder):
    path = tmp_path_factory.mktemp("admin") / "faq.db"
    store = Store.create(path)
    publish(store, store.snapshot(), encoder, [ENTRY])
    store.close()
    service = Service.open(path)
    accounts = Accounts(service.store, Cost(n=2, r=1, p=1))
    for role in ("viewer", "publisher"):
        accounts.create_user(role, PASSWORD, role, by="test")
    yield service
    service.close()


@pytest.fixture(scope="module")
def app(service):
    return create_app(service)


@pytest.fixture(scope="module")
def accounts(service):
    return Accounts(service.store, Cost(n=2, r=1, p=1))


@pytest.fixture
def client(app):
    with TestClient(app, follow_redirects=False) as client:
        yield client


def log_in(client, name="publisher", password=PASSWORD, **headers):
    form = {"name": name, "password": password}
    return client.post(LOGIN, data=form, headers=headers)


# Every route


def routes_of(routes, prefix=""):
    """Return (method, path) of every route, of mounted applications and included routers too."""
    found = []
    for route in routes:
        if isinstance(route, Mount):
            found += routes_of(route.routes, prefix + route.path)
        elif hasattr(route, "original_router"):
            found += routes_of(route.original_router.routes, prefix)
        else:
            path = re.sub(r"\{(\w+)(:\w+)?\}", "1", prefix + route.path)
            found += [(method, path) for method in sorted(route.methods or {"GET"})]
    return found


def asked(app, method, path, headers=(), root_path="", kind="http"):
    """Return the first thing the application says; streams are not waited for."""

    async def ask():
        said = asyncio.get_running_loop().create_future()
        scope = {
            "type": kind,
            "method": method,
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "root_path": root_path,
            "query_string": b"",
            "scheme": "http",
            "http_version": "1.1",
            "server": ("testserver", 80),
            "client": ("192.0.2.1", 50000),
            "headers": [(b"host", b"testserver"), *headers],
        }
        got_body = False

        async def receive():
            nonlocal got_body
            if got_body:
                await asyncio.sleep(3600)
            got_body = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            if not said.done():
                said.set_result(message)

        running = asyncio.create_task(app(scope, receive, send))
        await asyncio.wait({running, said}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return said.result()

    return asyncio.run(ask())


def cookie(token):
    return (b"cookie", f"{COOKIE}={token}".encode())


def test_every_route_of_the_console_is_known_here(app):
    paths = {path for _, path in routes_of(app.routes) if path.startswith(HOME)}
    # Of each kind that Gradio has: if these are missing, the list is not the real one.
    for wanted in ("/", "/config", "/theme.css", "/assets/1", "/static/1", "/monitoring"):
        assert HOME + wanted in paths
    for wanted in (
        "queue/join", "queue/data", "heartbeat/1", "upload", "upload_progress", "file=1",
        "call/1", "run/1", "component_server", "cancel", "info", "deep_link", "stream/1/1/1/1.1",
    ):  # fmt: skip
        assert f"{HOME}/gradio_api/{wanted}" in paths
    assert len(paths) > 60


def test_every_route_under_admin_answers_401_without_a_session(app):
    answers = {
        route: asked(app, *route)["status"]
        for route in routes_of(app.routes)
        if route[1].startswith(HOME) and route[1] != LOGIN
    }
    assert {route: status for route, status in answers.items() if status != 401} == (
        {("GET", f"{HOME}/logout"): 405}  # the login page's, not Gradio's: it takes a POST
    )


def test_every_route_under_admin_answers_with_a_session(app, accounts):
    headers = [cookie(accounts.login("publisher", PASSWORD, "192.0.2.1"))]
    refused = [
        route
        for route in routes_of(app.routes)
        if route[1].startswith(HOME) and route[1] != LOGIN
        if asked(app, *route, headers)["status"] == 401
    ]
    assert refused == []
    assert asked(app, "GET", f"{HOME}/", headers)["status"] == 200
    assert asked(app, "GET", f"{HOME}/config", headers)["status"] == 200


def test_what_has_no_route_is_no_exception(client):
    for path in ("/nothing", "/gradio_api/nothing", "/login/", "/login.css/", "/logout/x", "/x.js"):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
            assert client.request(method, HOME + path).status_code == 401, (method, path)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", [LOGIN, f"{HOME}/logout", f"{HOME}/login.css"])
def test_the_open_paths_are_those_of_the_login_page_whatever_the_method(client, method, path):
    response = client.request(method, path)
    assert response.status_code == 405
    assert "gradio" not in response.text.lower()


def test_the_chat_page_and_the_api_stay_open(client):
    assert client.get("/").status_code == 200
    assert client.get("/config").status_code == 200
    assert client.get("/healthz").status_code == 200
    answer = client.post("/api/ask", json={"query": "如何申请退货"})
    assert answer.json()["decision"] == "answer"
    assert client.get("/administration").status_code == 404


def test_the_answer_is_json_for_scripts_and_the_login_page_for_people(client):
    response = client.get(f"{HOME}/config")
    assert (response.status_code, response.json()) == (401, REFUSED)
    assert client.get(f"{HOME}/", headers={"accept": "*/*"}).status_code == 401
    assert client.post(f"{HOME}/", headers=BROWSER).status_code == 401
    # A script that would take HTML too is no person.
    assert client.get(HOME, headers={**BROWSER, "sec-fetch-mode": "cors"}).status_code == 401
    for headers in (BROWSER, {"accept": "text/html"}):
        response = client.get(f"{HOME}/", headers=headers)
        assert (response.status_code, response.headers["location"]) == (303, LOGIN)
    response = client.get(f"{HOME}/keywords", headers=BROWSER)
    assert response.headers["location"] == f"{LOGIN}?next=/admin/keywords"


# Every way to write it

PIECES = ["/", "//", "admin", "ADMIN", "Admin.", "admin ", "..", ".", "%2e%2e", "%61dmin", "\\"]
PIECES += ["config", "login", "login.css", "login;x", "x", "?", "#", "\x00", "\n", "管"]


CONSOLE = PlainTextResponse("console", 418)


def guarded(accounts, tmp_path):
    outer = Starlette(routes=[Mount(HOME, CONSOLE), Mount("/", PlainTextResponse("chat"))])
    return Guard(outer, accounts, login_pages(accounts, tmp_path))


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=7), root=st.sampled_from(["", "/r", HOME]))
def test_no_way_to_write_a_path_leads_past_the_guard(accounts, tmp_path_factory, pieces, root):
    app = guarded(accounts, tmp_path_factory.getbasetemp())
    written = "".join(pieces)
    for path in (f"/{written}", f"{root}/{written}", f"{root}{HOME}{written}"):
        for method in ("GET", "POST"):
            assert asked(app, method, path, root_path=root)["status"] not in (418, 500)


@pytest.mark.parametrize(
    "path",
    [
        "/admin", "/admin/", "//admin", "//admin/config", "/admin//config", "/admin/../config",
        "/x/../admin/config", "/./admin/", "/%61dmin/config", "/%2e%2e/admin/", "/admin%2fconfig",
        "/ADMIN/config", "/Admin", "/admin./", "/admin%20/", "\\admin\\config", "/x/..\\admin/",
        "/admin/login/../config", "/admin/%6cogin", "/admin/login/", "/admin/LOGIN",
    ],
)  # fmt: skip
def test_unusual_ways_to_write_it_are_refused_as_well(app, path):
    assert asked(app, "GET", path)["status"] == 401


def test_a_prefix_that_a_proxy_adds_changes_nothing(app):
    assert asked(app, "GET", "/faq/admin/config", root_path="/faq")["status"] == 401
    assert asked(app, "GET", "/admin/config", root_path="/faq")["status"] == 401
    browser = [(b"accept", b"text/html")]
    answer = asked(app, "GET", "/faq/admin/", browser, root_path="/faq")
    assert dict(answer["headers"])[b"location"] == b"/faq/admin/login"
    assert asked(app, "GET", "/faq/admin/login", root_path="/faq")["status"] == 200


def test_a_guard_that_lets_by_would_be_seen(accounts, tmp_path):
    app = guarded(accounts, tmp_path)
    token = accounts.login("viewer", PASSWORD, "192.0.2.1")
    assert asked(app, "GET", "/admin/config", [cookie(token)])["status"] == 418


def test_websockets_are_guarded_too(accounts, tmp_path):
    async def greet(scope, receive, send):
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        await websocket.send_text(scope["user"].name)
        await websocket.close()

    app = Guard(Starlette(routes=[Mount(HOME, greet)]), accounts, login_pages(accounts, tmp_path))
    client = TestClient(app)
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"{HOME}/ws"):
        pass
    said = asked(app, "GET", f"{HOME}/ws", kind="websocket")
    assert (said["type"], said["code"]) == ("websocket.close", 1008)
    token = accounts.login("viewer", PASSWORD, "192.0.2.1")
    with client.websocket_connect(
        f"{HOME}/ws", headers={"cookie": f"{COOKIE}={token}"}
    ) as websocket:
        assert websocket.receive_text() == "viewer"


# Sessions


def test_logging_in_and_out(client, accounts):
    page = client.get(LOGIN, headers=BROWSER)
    assert page.status_code == 200
    response = log_in(client)
    assert (response.status_code, response.headers["location"]) == (303, f"{HOME}/")
    assert client.get(f"{HOME}/config").status_code == 200
    assert client.get(HOME).headers["location"] == f"{HOME}/"
    assert client.get(LOGIN).headers["location"] == f"{HOME}/"  # already in
    token = client.cookies[COOKIE]
    response = client.post(f"{HOME}/logout")
    assert (response.status_code, response.headers["location"]) == (303, LOGIN)
    assert COOKIE not in client.cookies
    assert client.get(f"{HOME}/config").status_code == 401
    # Not only the cookie is gone.
    assert client.get(f"{HOME}/config", headers=[cookie(token)]).status_code == 401
    done = [(row.by, row.what) for row in accounts.audit_log(2)]
    assert done == [("publisher", "退出"), ("publisher", "登录")]


def test_the_cookie_is_for_this_page_only_and_for_no_script(client):
    written = log_in(client).headers["set-cookie"]
    parts = {part.strip().lower() for part in written.split(";")[1:]}
    assert parts == {"httponly", "path=/admin", "samesite=strict"}


def test_over_tls_the_cookie_travels_over_tls_only(app):
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as client:
        assert "secure" in log_in(client).headers["set-cookie"].lower()
        assert "secure" in client.post(f"{HOME}/logout").headers["set-cookie"].lower()


@pytest.mark.parametrize("trusted", [[], ["127.0.0.1/32"], ["192.0.2.0/24"]])
def test_only_a_trusted_proxy_says_who_asks_and_whether_over_tls(trusted):
    async def tell(request):
        return PlainTextResponse(f"{request.url.scheme} {address_of(request)}")

    config = configuration(Starlette(routes=[Route("/", tell)]), trusted)
    config.load()
    proxy = TestClient(config.loaded_app, client=("127.0.0.1", 50000))
    forwarded = {"x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.7"}
    believed = "https 198.51.100.7" if trusted == ["127.0.0.1/32"] else "http 127.0.0.1"
    assert proxy.get("/", headers=forwarded).text == believed


def test_a_trusted_proxy_is_an_address_or_a_network():
    assert (_network("127.0.0.1"), _network("10.1.0.1/16")) == ("127.0.0.1/32", "10.1.0.0/16")
    with pytest.raises(Exception, match="不是地址或网段"):
        _network("proxy.local")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "",
        lambda token: token[:-2],
        lambda token: token[::-1],
        lambda token: f'"{token}x"',
        lambda token: "x" * 5000,
        lambda token: "\xff",
    ],
)
def test_no_other_cookie_opens_it(app, accounts, spoil):
    token = accounts.login("viewer", PASSWORD, "192.0.2.1")
    header = (b"cookie", f"{COOKIE}={spoil(token)}".encode("latin-1"))
    assert asked(app, "GET", f"{HOME}/config", [header])["status"] == 401


def test_the_cookie_is_found_beside_malformed_ones(app, accounts):
    token = accounts.login("viewer", PASSWORD, "192.0.2.1")
    header = (b"cookie", f"a,b; [x]=1; =; {COOKIE}={token}; y".encode())
    assert asked(app, "GET", f"{HOME}/config", [header])["status"] == 200


def test_what_ends_sessions_ends_them_on_the_page_at_once(client, accounts):
    log_in(client, "viewer")
    assert client.get(f"{HOME}/session").json() == {"name": "viewer", "role": "viewer"}
    accounts.set_role("viewer", "editor", by="test")
    assert client.get(f"{HOME}/session").json()["role"] == "editor"
    accounts.set_role("viewer", "viewer", by="test")
    accounts.disable_user("viewer", by="test")
    assert client.get(f"{HOME}/session").status_code == 401
    assert client.post(f"{HOME}/gradio_api/queue/join", json={}).status_code == 401
    assert log_in(client, "viewer").status_code == 401
    accounts.enable_user("viewer", by="test")
    assert log_in(client, "viewer").status_code == 303


def test_requests_keep_a_session_alive_and_asking_for_it_does_not(app, accounts, monkeypatch):
    touched = []
    monkeypatch.setattr(Accounts, "touch", lambda self, token: touched.append(token))
    token = accounts.login("viewer", PASSWORD, "192.0.2.1")
    with TestClient(app) as client:
        client.get(f"{HOME}/session", headers=[cookie(token)])
        assert touched == []
        client.get(f"{HOME}/theme.css", headers=[cookie(token)])
    for guard in find_guard(app):
        guard._touching.submit(lambda: None).result(10)
    assert touched == [token]


def find_guard(app):
    """Return the guard, which is the first of the middleware that was added."""
    layer, found = app.middleware_stack, []
    while layer is not None:
        found += [layer] if isinstance(layer, Guard) else []
        layer = getattr(layer, "app", None)
    assert len(found) == 1
    return found


def test_a_database_that_cannot_be_read_opens_nothing(client, monkeypatch):
    log_in(client)

    def broken(self, *_):
        raise StoreError("disk")

    monkeypatch.setattr(Accounts, "user_of", broken)
    assert client.get(f"{HOME}/config").status_code == 503
    monkeypatch.setattr(Accounts, "login", broken)
    response = log_in(client)
    assert response.status_code == 503
    assert "暂时无法登录" in response.text


# The login page


def test_a_wrong_password_and_no_such_user_read_alike(client):
    answers = []
    for name in ("publisher", "nobody<b>"):
        response = log_in(client, name, "not this one")
        assert response.status_code == 401
        assert "用户名或密码不对" in response.text
        assert "<b>" not in response.text
        answers.append(response.text.replace("nobody&lt;b&gt;", "publisher"))
    assert answers[0] == answers[1]
    log_in(client)  # clears the user


def test_after_five_failures_the_page_says_how_long(app):
    with TestClient(app, client=("203.0.113.9", 50000)) as client:
        for number in range(5):
            assert log_in(client, f"guess{number}", "not this one").status_code == 401
        response = log_in(client)
        assert response.status_code == 429
        seconds = int(response.headers["retry-after"])
        assert 28 <= seconds <= 30
        assert f"请 {seconds} 秒后再试" in response.text


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "http://testserver:8080"},
        {"origin": "null"},
    ],
)
def test_no_other_site_can_log_in_or_act_for_an_operator(client, headers):
    assert log_in(client, **headers).status_code == 403
    assert COOKIE not in client.cookies
    log_in(client)
    for path in (f"{HOME}/gradio_api/queue/join", f"{HOME}/logout"):
        assert client.post(path, headers=headers).status_code == 403
    assert client.get(f"{HOME}/session").status_code == 200  # still logged in


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": "http://testserver"},
        # A proxy may have put its own name into Host: the browser knows better.
        {"sec-fetch-site": "same-origin", "origin": "https://faq.example"},
        {},
    ],
)
def test_the_page_itself_and_programs_can(client, headers):
    assert log_in(client, **headers).status_code == 303


def test_one_comes_back_to_where_one_was_and_nowhere_else(client):
    form = {"name": "publisher", "password": PASSWORD}
    for wanted, target in (
        ("/admin/keywords", "/admin/keywords"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example", "/admin/"),
        ("/admin\\@evil.example", "/admin/"),
        ("/", "/admin/"),
        ("/admin/logout", "/admin/"),
        ("/admin/x\r\nset-cookie: a=b", "/admin/"),
    ):
        response = client.post(LOGIN, params={"next": wanted}, data=form)
        assert response.headers["location"] == target
        client.cookies.clear()


@pytest.mark.parametrize(
    ("languages", "title"),
    [
        ("", "运营后台登录"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "运营后台登录"),
        ("en-GB,en;q=0.9,zh;q=0.8", "Operators' login"),
        ("en;q=0.2, zh-TW;q=0.5", "运营后台登录"),
        ("fr,de", "运营后台登录"),
        ("en;q=x", "运营后台登录"),
    ],
)
def test_it_speaks_the_language_of_the_browser(client, languages, title):
    page = client.get(LOGIN, headers={"accept-language": languages}).text
    assert f"<h1>{title}</h1>" in page


def test_it_needs_no_script_and_nobody_else(client):
    response = client.get(LOGIN)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    for forbidden in ("<script", "style=", "onclick", "http://", "https://"):
        assert forbidden not in response.text
    css = client.get(f"{HOME}/login.css")
    assert (css.status_code, css.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "url(" not in css.text


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"name=%ff%fe&password=%00", b"&" * 9000, b"a=1&" * 50, b"{}"]
)
def test_bad_forms_are_failed_logins(app, body):
    address = f"203.0.113.{100 + len(body) % 97}"
    with TestClient(app, client=(address, 50000), follow_redirects=False) as client:
        response = client.post(LOGIN, content=body)
        assert response.status_code in (401, 429)  # of the user without a name
        assert COOKIE not in client.cookies


def test_nothing_under_admin_is_kept_or_framed(client):
    log_in(client)
    for path in ("/", "/config", "/gradio_api/info", "/session"):
        response = client.get(HOME + path)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store", path
        assert "frame-ancestors 'self'" in response.headers["content-security-policy"]
    script = re.search(r"assets/[\w.-]+\.js", client.get(f"{HOME}/").text).group()
    assert client.get(f"{HOME}/{script}").headers.get("cache-control") != "no-store"


def test_without_users_it_says_how_to_make_one(tmp_path):
    store = Store.create(tmp_path / "我的 FAQ.db")
    app = FastAPI()
    accounts = Accounts(store)
    app.add_middleware(Guard, accounts=accounts, login=login_pages(accounts, store.path))
    with TestClient(app) as client:
        page = client.get(f"{HOME}/", headers=BROWSER)
        command = "python -m faq_app create-user 您的名字 --role publisher --db "
        assert command + f"&#x27;{store.path}&#x27;" in page.text
        assert "<form" not in page.text
        assert log_in(client, "admin", "admin").status_code == 401
    store.close()


# What handlers see


@pytest.fixture
def small(accounts, tmp_path):
    """A console of one button."""
    app = FastAPI()
    with gr.Blocks(analytics_enabled=False) as page:

        def who(request: gr.Request):
            user = current_user(request)
            return f"{user.name} {user.role} {request.username} {address_of(request)}"

        def publish_it(request: gr.Request):
            return f"published by {require(request, 'publisher').name}"

        def hint(_: list, request: gr.Request):
            return current_user(request).name

        shown = gr.HTML(server_functions=[hint])
        button = gr.Button()
        button.click(who, None, shown)
        button.click(publish_it, None, shown)
        button.click(who, None, shown, queue=False)
    page.queue()
    gr.mount_gradio_app(
        app,
        page,
        HOME,
        ssr_mode=False,
        show_error=False,
        auth_dependency=lambda request: request.scope["user"].name,
    )
    app.add_middleware(Guard, accounts=accounts, login=login_pages(accounts, tmp_path))
    with TestClient(app, follow_redirects=False) as client:
        yield client, shown._id


def press(client, number):
    """Do what Gradio's page does when a button is pressed; return what the queue says last."""
    body = {"fn_index": number, "data": [], "session_hash": "s1"}
    joined = client.post(f"{HOME}/gradio_api/queue/join", json=body)
    assert joined.status_code == 200
    stream = client.get(f"{HOME}/gradio_api/queue/data", params={"session_hash": "s1"}).text
    messages = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    (completed,) = [message for message in messages if message["msg"] == "process_completed"]
    return completed["output"]


@pytest.mark.parametrize("name", ["viewer", "publisher"])
def test_handlers_know_who_pressed_the_button(small, name):
    client, component = small
    log_in(client, name)
    expected = f"{name} {name} {name} testclient"
    assert press(client, 0)["data"] == [expected]
    body = {"fn_index": 2, "data": [], "session_hash": "s2"}
    answer = client.post(f"{HOME}/gradio_api/run/predict", json=body)
    assert answer.json()["data"] == [expected]
    call = {"component_id": component, "fn_name": "hint", "session_hash": "s3", "data": []}
    assert client.post(f"{HOME}/gradio_api/component_server", json=call).json() == name


def test_a_role_that_is_too_low_is_told_so_and_nothing_happens(small):
    client, _ = small
    log_in(client, "publisher")
    assert press(client, 1)["data"] == ["published by publisher"]
    log_in(client, "viewer")
    output = press(client, 1)
    assert "data" not in output
    assert "您的角色是查看者，这一步需要发布者" in output["error"]


def test_a_page_left_open_gets_401_once_its_session_has_ended(small, accounts):
    client, _ = small
    log_in(client, "viewer")
    press(client, 0)
    accounts.logout(client.cookies[COOKIE], "192.0.2.1")
    body = {"fn_index": 0, "data": [], "session_hash": "s1"}
    response = client.post(f"{HOME}/gradio_api/queue/join", json=body)
    assert (response.status_code, response.json()) == (401, REFUSED)
    log_in(client, "viewer")  # in another tab: the same page goes on
    assert press(client, 0)["data"] == ["viewer viewer viewer testclient"]


# Files


def test_what_operators_upload_is_not_given_to_visitors_of_the_chat(client):
    """Gradio keeps the files of all pages of a process in one folder."""
    log_in(client)
    upload = {"files": ("顾客.csv", b"secret\n")}
    (path,) = client.post(f"{HOME}/gradio_api/upload", files=upload).json()
    assert client.get(f"{HOME}/gradio_api/file={path}").text == "secret\n"
    client.cookies.clear()
    assert client.get(f"{HOME}/gradio_api/file={path}").status_code == 401
    for name in ("file=", "file/", "file%3D", "stream/", "proxy=", "upload_progress/"):
        response = client.get(f"/gradio_api/{name}{path}")
        assert response.status_code == 404, name
        assert "secret" not in response.text
    assert client.post("/gradio_api/upload", files=upload).status_code == 404
    assert client.head(f"/gradio_api/file={path}").status_code == 404
