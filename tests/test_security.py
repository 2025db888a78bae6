"""What an attacker would try that no other test tries; docs/security.md lists them all."""

import csv
import io
import json
import re
import zipfile
from types import SimpleNamespace

import openpyxl
import pytest
from fastapi.testclient import TestClient
from starlette.responses import JSONResponse

from distill.spreadsheet import guard, unguard
from faq_app.guard import COOKIE, HOME, LOGIN
from faq_app.page_routes import PageRoutes
from fuzz_server import PASSWORD, jobs_end, site
from indexer.errors import TableError
from indexer.table_import import read_table
from tests.conftest import ROOT

EVENT = {"fn_index": 0, "data": ["怎么退货", None], "session_hash": "s"}


@pytest.fixture(scope="module")
def here():
    with site() as here:
        yield here


@pytest.fixture
def client(here):
    here.client.cookies.clear()
    here.watch.said.clear()
    return here.client


def operator(here):
    return {"cookie": f"{COOKIE}={here.session}"}


# The document


def test_every_threat_names_tests_that_exist():
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    named = [re.findall(r"`(test_\w+)::(test_\w+)`", row) for row in rows[1:]]
    assert len(named) >= 20 and all(named), "a threat without a test"
    for file, test in {pair for pairs in named for pair in pairs}:
        (path,) = (ROOT / "tests").rglob(f"{file}.py")
        assert f"\ndef {test}(" in path.read_text(encoding="utf-8"), f"{file}::{test}"


# Gradio's routes


@pytest.mark.parametrize("page", ["", HOME])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/login"), ("GET", "/openapi.json"), ("GET", "/gradio_api/openapi.json"),
        ("POST", "/gradio_api/vibe-edit"), ("POST", "/gradio_api/vibe-code"),
        ("GET", "/gradio_api/vibe-code"), ("GET", "/gradio_api/dev/reload"),
        ("POST", "/gradio_api/process_recording"), ("POST", "/gradio_api/call/ask"),
        ("GET", "/gradio_api/custom_component/1/client/component/x"), ("GET", "/monitoring"),
        ("GET", "/gradio_api/proxy=http://127.0.0.1:1/"), ("GET", "/gradio_api/token"),
        ("GET", "/gradio_api/stream/a/b/c/playlist.m3u8"), ("GET", "/gradio_api/deep_link"),
    ],
)  # fmt: skip
def test_routes_that_no_page_uses_are_not_there(here, client, page, method, path):
    headers = operator(here) if page else {}
    if (page, path) == (HOME, "/login"):
        return  # the login page's own
    assert client.request(method, page + path, headers=headers, json={}).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("queue/join", EVENT | {"fn_index": 9999}),
        ("queue/join", EVENT | {"data": []}),
        ("queue/join", EVENT | {"session_hash": "x" * 1000}),
        ("queue/join", EVENT | {"fn_index": None}),
        ("queue/join", EVENT | {"trigger_id": "\ud800"}),
        ("run/predict", EVENT | {"data": "x"}),
        ("run/predict", EVENT | {"batched": True}),
        ("component_server", EVENT | {"component_id": 1, "fn_name": "__init__"}),
        ("component_server", EVENT | {"component_id": -5, "fn_name": "greet"}),
        ("cancel", {"session_hash": "s"}),
        ("cancel", []),
    ],
)
def test_a_made_up_event_is_refused_without_a_failure(here, client, path, body):
    headers = {"content-type": "application/json"}
    said = client.post(f"/gradio_api/{path}", content=json.dumps(body), headers=headers)
    assert said.status_code == 400
    here.watch.require_silence(path)


def test_a_page_of_an_earlier_server_is_told_so_without_a_failure(here, client):
    told = client.get("/gradio_api/queue/data?session_hash=unknown")
    assert told.status_code == 200 and "session_not_found" in told.text
    here.watch.require_silence(told)


@pytest.mark.parametrize(("error", "status"), [("没有这个词", 422), (None, 500)])
def test_what_an_operator_is_told_is_no_failure_of_the_server(error, status):
    async def gradio(scope, receive, send):
        await JSONResponse({"error": error}, 500)(scope, receive, send)

    page = SimpleNamespace(fns={0: SimpleNamespace(inputs=[1, 2])}, blocks={})
    client = TestClient(PageRoutes(gradio, page, files=False), raise_server_exceptions=False)
    assert client.post("/gradio_api/run/x", json=EVENT).status_code == status


@pytest.mark.parametrize("path", ["/", "/config"])
def test_nobodys_word_of_where_the_server_stands_is_repeated(client, path):
    said = client.get(path, headers={"x-forwarded-host": "evil.example", "x-forwarded-proto": "x"})
    assert said.status_code == 200 and "evil.example" not in said.text


@pytest.mark.parametrize("where", ["/etc/passwd", "http://127.0.0.1:9/x", "file:///etc/passwd"])
def test_no_event_makes_the_server_read_a_file_or_fetch_an_address(here, client, where):
    events = client.get(f"{HOME}/config", headers=operator(here)).json()
    files = {c["id"] for c in events["components"] if c["type"] == "file"}
    readers = [e for e in events["dependencies"] if files & set(e["inputs"])]
    assert readers
    for event in readers:
        value = {"path": where, "url": where, "meta": {"_type": "gradio.FileData"}}
        data = [value if component in files else None for component in event["inputs"]]
        body = EVENT | {"fn_index": event["id"], "data": data}
        said = client.post(f"{HOME}/gradio_api/run/x", json=body, headers=operator(here))
        assert said.status_code >= 400 and "root:x" not in said.text


@pytest.mark.parametrize("folder", ["/etc", "../../../etc/passwd", "/root", "\x00", "//host/share"])
def test_an_encoders_path_tells_nothing_of_what_lies_there(here, client, folder):
    headers = here.headers("publish")
    reply = client.put("/api/v1/settings/encoder", json={"folder": folder}, headers=headers)
    if reply.status_code == 202:
        jobs_end()
        reply = client.get(f"/api/v1/jobs/{reply.json()['id']}", headers=headers)
        assert reply.json()["state"] == "failed"
    else:
        assert reply.status_code == 422
    assert "root:x" not in reply.text and "Traceback" not in reply.text


# Requests


def test_a_body_with_two_lengths_is_refused(client):
    headers = {"transfer-encoding": "chunked", "content-type": "application/json"}
    headers["content-length"] = "14"
    reply = client.post("/api/v1/ask", content=b'{"query": "x"}', headers=headers)
    assert reply.status_code == 400 and reply.json()["error"]["code"] == "two_lengths"
    assert reply.headers["connection"] == "close"


def test_nothing_says_which_programs_answer(client):
    for path in ("/", "/api/v1/nothing", "/admin/login", "/healthz"):
        headers = client.get(path).headers
        assert "server" not in headers and "x-powered-by" not in headers


SQL = [
    "'; drop table entries; --",
    "' or 1=1 --",
    '" union select * from users --',
    "%' escape '",
    "\x00",
]


@pytest.mark.parametrize("text", SQL)
def test_text_is_never_sql(here, client, text):
    headers = here.headers("publish")
    for path in ("entries", "keywords", "regression/cases", "unanswered", "revisions"):
        names = ("query", "category", "text", "word", "entry_id", "begins")
        asked = {name: text for name in names}
        found = client.get(f"/api/v1/{path}", params=asked, headers=headers)
        assert found.status_code in (200, 422), path
    assert client.post("/api/v1/ask", json={"query": text}).status_code == 200
    assert client.get("/api/v1/entries", headers=headers).json()["total"] >= 4
    here.watch.require_silence(text)


# Sessions


def test_logging_in_ends_the_session_that_the_browser_had(here, client):
    form = {"name": "operator", "password": PASSWORD}
    first = client.post(LOGIN, data=form, follow_redirects=False).cookies[COOKIE]
    client.cookies.clear()
    headers = {"cookie": f"{COOKIE}={first}"}
    assert client.get(f"{HOME}/session", headers=headers).status_code == 200
    second = client.post(LOGIN, data=form, headers=headers, follow_redirects=False).cookies[COOKIE]
    client.cookies.clear()
    assert client.get(f"{HOME}/session", headers=headers).status_code == 401
    again = {"cookie": f"{COOKIE}={second}"}
    assert client.get(f"{HOME}/session", headers=again).status_code == 200


def test_a_session_that_somebody_else_chose_is_not_taken_over(client):
    form = {"name": "operator", "password": PASSWORD}
    chosen = {"cookie": f"{COOKIE}=chosen-by-somebody-else"}
    given = client.post(LOGIN, data=form, headers=chosen, follow_redirects=False).cookies[COOKIE]
    client.cookies.clear()
    assert given != "chosen-by-somebody-else"
    assert client.get(f"{HOME}/session", headers=chosen).status_code == 401


# Tables

FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "＝1+1", "＋1", "－1", "＠A1", "'=1"]


@pytest.mark.parametrize("text", [*FORMULAS, "\n=1", "\r=1"])
def test_nothing_that_begins_like_a_formula_leaves_as_one(text):
    assert guard(text).startswith("'") and unguard(guard(text)) == text


def test_no_export_runs_a_formula(here, client):
    headers = here.headers("publish")
    for number, text in enumerate(FORMULAS):
        entry = {"entry_id": f"=f{number}", "question": f"{text} 怎么算{number}", "answer": text}
        entry |= {"category": text.strip(), "tags": [text.strip()], "extra": {f"=列{number}": text}}
        assert client.post("/api/v1/entries", json=entry, headers=headers).status_code in (200, 201)
        client.post("/api/v1/ask", json={"query": f"{text} 怎么算{number}"})
        case = {"query": f"{text} 怎么算{number}", "entry_id": f"=f{number}"}
        client.post("/api/v1/regression/cases", json=case, headers=headers)
    client.put("/api/v1/keywords/%3D1?insist=true", json={"factor": 2}, headers=headers)
    schema = client.get("/api/openapi.json").json()["paths"]
    exports = [path for path in schema if path.endswith(":export")]
    reports = [path for path in schema if path.startswith("/api/v1/statistics/")]
    assert len(exports) >= 3 and len(reports) >= 4
    dangerous = 0
    for path in exports + reports:
        reply = client.get(path, params={"format": "csv"}, headers=headers)
        if "csv" not in reply.headers["content-type"]:
            continue  # this report comes as JSON only
        rows = csv.reader(io.StringIO(reply.content.decode("utf-8-sig"), newline=""))
        for cell in (cell for row in rows for cell in row):
            dangerous += cell.startswith("'")
            assert not re.match(r"[=+@＝＋－＠\t\r\n]|-(?!\d*\.?\d*$)", cell), (path, cell)
    assert dangerous > 20  # they were there, and are disarmed


def workbook(tmp_path, changes):
    book = openpyxl.Workbook()
    book.active.append(["问题", "答案"])
    book.active.append(["怎么退货", "点这里"])
    whole = tmp_path / "whole.xlsx"
    book.save(whole)
    path = tmp_path / "faq.xlsx"
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                data = changes(data)
            new.writestr(name, data)
    return path


BOMB = b"".join(
    b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10 if n else b"a" * 100) for n in range(9)
)


def test_xml_that_grows_is_refused(tmp_path):
    def grown(data):
        data = data.replace(b"<worksheet", b"<!DOCTYPE worksheet [" + BOMB + b"]><worksheet", 1)
        return re.sub(rb"<v>\d+</v>", b"<v>&e8;</v>", data)

    with pytest.raises(TableError):
        read_table(workbook(tmp_path, grown))


def test_xml_that_names_a_file_gets_nothing_of_it(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret", encoding="utf-8")

    def foreign(data):
        entity = b'<!DOCTYPE worksheet [<!ENTITY x SYSTEM "file://%s">]><worksheet' % bytes(secret)
        data = data.replace(b"<worksheet", entity, 1)
        return re.sub(
            rb"<c r=\"B2\".*?</c>", b'<c r="B2" t="inlineStr"><is><t>&x;</t></is></c>', data
        )

    try:
        table = read_table(workbook(tmp_path, foreign))
    except TableError:
        return
    assert "s3cret" not in str(table)


def test_a_row_of_too_many_columns_is_refused(tmp_path):
    def wide(data):
        return data.replace(b"</row>", b'<c r="XFD1"><v>1</v></c></row>', 1)

    with pytest.raises(TableError, match="列"):
        read_table(workbook(tmp_path, wide))
    path = tmp_path / "faq.csv"
    path.write_text("问题,答案\n" + "," * 5000, encoding="utf-8")
    with pytest.raises(TableError, match="列"):
        read_table(path)


# Places where what people wrote becomes HTML


@pytest.mark.parametrize(
    "text", ["[x](javascript:alert(1))", "![x](javascript:1)", "<img src=x onerror=1>"]
)
def test_the_html_of_an_answer_has_no_script(here, client, text):
    entry = {"entry_id": "html", "question": "脚本怎么写？", "answer": text}
    headers = here.headers("publish")
    client.put("/api/v1/entries/html", json=entry, headers=headers | {"if-match": "*"})
    client.post("/api/v1/entries", json=entry, headers=headers)
    reply = client.post("/api/v1/ask", json={"query": "脚本怎么写？"}).json()
    assert reply["answer"] == text
    assert (
        'href="javascript' not in reply["answer_html"] and "<img src=x" not in reply["answer_html"]
    )
    client.delete("/api/v1/entries/html", headers=headers | {"if-match": "*"})
