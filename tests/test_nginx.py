"""Does docs/nginx.conf do what it says? A real nginx with it, before the real server."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import time

import httpx
import pytest

from faq_app.accounts import Accounts
from indexer import build
from indexer.store import Store
from indexer.table_import import read_table
from tests.browser import Browser, served
from tests.browser import chromium as browser_in
from tests.conftest import ROOT, SMALL_FAQ

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
PASSWORD = "three words and a horse"
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configured(folder, server, https, http):
    """Write the example with this test's ports and certificate; return the main file."""
    example = (ROOT / "docs" / "nginx.conf").read_text(encoding="utf-8")
    for there, here in (
        ("server 127.0.0.1:7860", f"server {server}"),
        ("listen 443 ssl", f"listen 127.0.0.1:{https} ssl"),
        ("listen 80", f"listen 127.0.0.1:{http}"),
        ("/etc/ssl/faq.example.com", str(folder / "own")),
        ("faq.example.com", "127.0.0.1"),
    ):
        assert there in example, there
        example = example.replace(there, here)
    (folder / "faq.conf").write_text(example, encoding="utf-8")
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}"
        f" http {{ access_log off; {paths} include {folder}/faq.conf; }}",
        encoding="utf-8",
    )
    return main


@pytest.fixture(scope="module")
def site(tmp_path_factory, encoder):
    """Yield the https address before nginx, the http one, and the store behind."""
    folder = tmp_path_factory.mktemp("nginx")
    certificate = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
        " -addext subjectAltName=IP:127.0.0.1 -keyout own.key -out own.pem"
    )
    subprocess.run(certificate.split(), check=True, capture_output=True, cwd=folder)
    (folder / "faq.csv").write_text(SMALL_FAQ, encoding="utf-8")
    store = Store.create(folder / "faq.db")
    plan = build.plan_import(store.snapshot(), read_table(folder / "faq.csv"), "replace")
    build.publish(store, store.snapshot(), encoder, plan.changes)
    Accounts(store).create_user("operator", PASSWORD, "publisher", "test")
    https, http = free_port(), free_port()
    with served(store.path, "--trusted-proxy", "127.0.0.1") as address:
        main = configured(folder, address.removeprefix("http://").rstrip("/"), https, http)
        # Not as a daemon: it must end with the test.
        process = subprocess.Popen([NGINX, "-c", str(main), "-e", str(folder / "error.log")])
        try:
            wait_for(https)
            yield f"https://127.0.0.1:{https}", f"http://127.0.0.1:{http}", store
        finally:
            process.terminate()
            process.wait(10)
    store.close()


def wait_for(port):
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise AssertionError("nginx does not answer")


def client(site, address="127.0.0.2"):
    """A program on another address than nginx's own."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    transport = httpx.HTTPTransport(verify=trusting, local_address=address)
    return httpx.Client(base_url=site[0], transport=transport)


def test_a_question_is_answered_through_it(site):
    with client(site) as http:
        reply = http.post("/api/v1/ask", json={"query": "怎么开发票"})
    assert reply.status_code == 200
    assert reply.json()["entry_id"] == "invoice"
    assert "max-age" in reply.headers["strict-transport-security"]


def test_plain_http_is_sent_to_https(site):
    reply = httpx.get(site[1] + "/admin")
    assert (reply.status_code, reply.headers["location"]) == (301, "https://127.0.0.1/admin")


def test_the_server_learns_who_asks_and_cannot_be_told_otherwise(site):
    with client(site) as http:
        http.post(
            "/admin/login",
            data={"name": "operator", "password": "not this one"},
            headers={"x-forwarded-for": "8.8.8.8", "origin": site[0]},
        )
    row = next(row for row in Accounts(site[2]).audit_log() if row.what == "登录失败")
    assert row.address == "127.0.0.2"


def test_the_session_is_for_https_only(site):
    with client(site) as http:
        reply = http.post(
            "/admin/login",
            data={"name": "operator", "password": PASSWORD},
            headers={"origin": site[0]},
        )
        cookie = reply.headers["set-cookie"].lower()
        assert reply.status_code == 303
        assert "secure" in cookie and "httponly" in cookie and "samesite" in cookie
        assert http.get("/admin/session").json()["name"] == "operator"


def test_figures_are_for_this_machine_only(site):
    with client(site) as http:
        assert http.get("/metrics").status_code == 403
    with client(site, "127.0.0.1") as http:
        # Through a proxy nobody is local to the server itself: nginx lets in, the server asks.
        assert http.get("/metrics").status_code in (200, 401)


@pytest.mark.browser
def test_the_chat_page_answers_through_it(site, tmp_path):
    driver = browser_in(tmp_path)
    try:
        page = Browser(driver)
        page.size(1000, 800)
        driver.get(site[0])
        page.until("document.querySelector('#chat .chips button')")
        page.until("document.querySelector('#box textarea')")
        page.find("#box textarea")[0].send_keys("怎么开发票\n")
        page.until("document.querySelector('#chat .answer')")
        assert "订单完成后" in page.find("#chat .answer")[0].text
        driver.get(site[0] + "/admin")
        page.until("document.querySelector('input[name=name]')")
        page.find("input[name=name]")[0].send_keys("operator")
        page.find("input[name=password]")[0].send_keys(PASSWORD + "\n")
        page.until("document.querySelector('#test-query textarea')")
        page.find("#test-query textarea")[0].send_keys("怎么开发票\n")
        page.until("document.querySelector('#test-found')?.innerText.includes('订单完成后')")
    finally:
        driver.quit()
