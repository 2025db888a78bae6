import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

from faq_app import chat
from faq_app.keys import Keys
from faq_app.options import Options
from faq_app.server import _Server, create_app
from faq_app.service import Service
from indexer.build import publish
from indexer.records import Entry
from indexer.store import Store
from tests.conftest import ROOT
from tests.fronted import Fronted

JSON = {"content-type": "application/json"}
ENTRY = Entry(key="refund", question="如何申请退货？", answer="点「申请售后」。")


@pytest.fixture
def db(tmp_path, encoder):
    path = tmp_path / "faq.db"
    store = Store.create(path)
    publish(store, store.snapshot(), encoder, [ENTRY])
    store.close()
    return path


def start(*arguments):
    return subprocess.run(
        [sys.executable, "app.py", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def test_help_shows_a_line_to_paste():
    result = start("-h")
    assert result.returncode == 0
    assert "python app.py --db data/faq.db" in result.stdout


def test_a_missing_database_is_one_line_with_the_command(tmp_path):
    result = start("--db", tmp_path / "none.db")
    assert result.returncode == 1
    assert "python -m indexer build data/faq.csv" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_taken_port_is_one_line_with_a_way_out(db):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = start("--db", db, "--port", port)
    assert result.returncode == 1
    assert result.stderr.startswith(f"端口 {port} 已被占用。换一个: make run PORT=")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value", "example"),
    [
        ("--rate-limit", "many", "5/s:20"),
        ("--cors-origin", "example.com", "https://www.example.com"),
    ],
)
def test_a_choice_that_cannot_be_is_told_with_an_example(option, value, example):
    result = start(option, value)
    assert result.returncode == 2
    assert example in result.stderr


def test_a_missing_encoder_is_one_line(db, tmp_path):
    result = start("--db", db, "--encoder", tmp_path / "none", "--port", free_port())
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_once_it_answers_and_ends_quietly(db, number):
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "app.py", "--db", str(db), "--port", str(port)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    line = process.stderr.readline()
    assert f"http://127.0.0.1:{port}" in line
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as response:
        assert response.status == 200
    process.send_signal(number)
    assert process.wait(20) == 0
    assert process.stderr.read() == ""


def test_a_stop_lets_replies_finish_begins_none_and_says_so(tmp_path):
    store = Store.create(tmp_path / "faq.db")
    fronted = Fronted(Keys(store))
    config = uvicorn.Config(fronted.app, log_config=None, timeout_graceful_shutdown=1)
    server = _Server(config, SimpleNamespace(entry_count=0), fronted.load)
    listener = socket.create_server(("127.0.0.1", 0))
    serving = threading.Thread(target=server.run, args=([listener],))
    serving.start()
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with httpx.Client(base_url=base) as other, ThreadPoolExecutor(1) as pool:
        assert other.post("/api/v1/ask", json={}).status_code == 200  # and stays connected
        waiting = pool.submit(httpx.post, f"{base}/api/v1/wait", timeout=20)
        until(lambda: fronted.load.running)
        server.should_exit = True
        until(lambda: fronted.load.stopping)
        refused = other.post("/api/v1/ask", json={})
        assert (refused.status_code, refused.headers["connection"]) == (503, "close")
        with pytest.raises(httpx.ConnectError):
            httpx.post(f"{base}/api/v1/ask", json={})
        assert serving.is_alive()
        fronted.go_on.set()
        assert waiting.result().status_code == 200
    serving.join(20)
    assert not serving.is_alive()
    store.close()


def until(true):
    for _ in range(400):
        if true():
            return
        time.sleep(0.02)
    pytest.fail("waited in vain")


def test_the_page_is_chinese_and_sends_nobody_elsewhere(db):
    with TestClient(create_app(Service.open(db))) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert 'lang="zh-CN"' in page.text
        assert f'og:title" content="{chat.TITLE}"' in page.text
        for elsewhere in ("githubusercontent", "fonts.googleapis", "cdn."):
            assert elsewhere not in page.text
        assert client.get("/docs").status_code == 404


def test_the_whole_application_has_the_front_before_it(db):
    app = create_app(Service.open(db), Options(require_key=True, cors_origins=("https://a.b",)))
    with TestClient(app) as client:
        asked = client.post("/api/v1/ask", json={"query": "x"}, headers={"origin": "https://a.b"})
        assert (asked.status_code, asked.json()["error"]["code"]) == (401, "key_required")
        assert asked.headers["access-control-allow-origin"] == "https://a.b"
        page = client.get("/", headers={"x-request-id": "r-1"})
        assert page.headers["x-request-id"] == "r-1"
        assert "object-src 'none'" in page.headers["content-security-policy"]
        login = client.get("/admin/login").headers["content-security-policy"]
        assert login.startswith("default-src 'none'")
        assert client.get("/readyz").json()["status"] == "ready"
        metrics = client.get("/metrics")
        assert metrics.status_code == 401  # the test's client is not this machine
        route = 'route="/",method="GET",status="200"'
        text = app.state.metrics.text(Service.open(db), 0)
        assert f"faq_requests_total{{{route}}} 1" in text


def test_questions_of_every_kind_are_answered_over_http(db):
    with TestClient(create_app(Service.open(db))) as client:

        def decision(query):
            # As ASCII: half a character (a lone surrogate) travels only as an escape.
            response = client.post("/api/ask", content=json.dumps({"query": query}), headers=JSON)
            assert response.status_code == 200, response.text
            return response.json()["decision"]

        assert decision("如何申请退货") == "answer"
        for nothing in ("", "😀", "\ud800", "退" * 501, "\x00"):
            assert decision(nothing) == "reject"


def test_the_page_offers_no_api_of_its_own(db):
    with TestClient(create_app(Service.open(db))) as client:
        info = client.get("/gradio_api/info").json()
        assert (info["named_endpoints"], info["unnamed_endpoints"]) == ({}, {})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
