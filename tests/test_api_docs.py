"""docs/api.md is so: its table, its scopes, its examples; and the OpenAPI document is sound."""

import json
import re
import shlex
import socket
import subprocess
import threading

import jsonschema_rs
import openai
import pytest
import uvicorn
from fastapi.openapi.models import OpenAPI

from faq_app.access import OPEN
from faq_app.api.errors import STATUS
from faq_app.api.schema import VERSION
from faq_app.keys import granted
from indexer.errors import IndexerError
from tests.conftest import ROOT
from tests.served_api import SCOPES, serve

DOCUMENT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
ROWS = {
    (method, path): (scope, what)
    for method, path, scope, what in re.findall(
        r"^\| `([A-Z]+) (/\S+)` \| (\w+) \| (.+) \|$", DOCUMENT, re.MULTILINE
    )
}


@pytest.fixture(scope="module")
def served(tmp_path_factory, encoder):
    served = serve(tmp_path_factory.mktemp("api"), encoder, ROOT / "data" / "faq.csv")
    yield served
    served.service.close()


@pytest.fixture(scope="module")
def schema(served):
    return served.app.openapi()


@pytest.fixture(scope="module")
def address(served):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(served.app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def key(served):
    keys = served.app.state.access._keys
    return keys.create("全部", list(SCOPES), by="test")


def operations(schema):
    return {
        (method.upper(), path): operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def test_the_table_is_what_the_server_has(schema):
    told = {route: operation["description"] for route, operation in operations(schema).items()}
    assert {route: what for route, (_, what) in ROWS.items()} == told


def examples():
    return [line[2:] for line in DOCUMENT.splitlines() if line.startswith("$ curl")]


@pytest.mark.parametrize("scope", ["", *SCOPES])
def test_each_route_lets_in_whom_the_table_says(served, scope):
    """With no body and odd ids nothing is done: only who is let in shows."""
    client = served.client(scope)
    may = granted((scope,)) if scope else frozenset()
    before = served.service.revision
    for (method, path), (wanted, _) in ROWS.items():
        if (method, path) == ("DELETE", "/api/v1/draft"):
            continue  # takes no argument: it would do what it does
        if path.endswith(("draft:publish", "regression/runs")) and wanted in may:
            continue
        address = re.sub(r"\{revision\}", "999999", re.sub(r"\{\w*_id\}", "0", path))
        address = re.sub(r"\{\w+\}", "%E6%97%A0", address)
        response = client.request(method, address)
        if wanted in may:
            assert response.status_code not in (401, 403), (method, path)
        else:
            assert response.status_code == (403 if scope else 401), (method, path)
    assert served.service.revision == before


def test_what_is_open_without_a_key_is_what_the_document_says(served):
    assert {scope for scope, _ in ROWS.values()} - OPEN == {"read", "edit", "publish"}


def test_every_example_runs(served, address, key):
    from faq_app.access import Access

    access, keys = served.app.state.access, served.app.state.access._keys
    served.app.state.access = Access(keys)  # customers need no key
    try:
        for example in examples():
            command = example.replace("$API", address).replace("$KEY", key)
            parts = [*shlex.split(command), "-w", "\n%{http_code}"]
            done = subprocess.run(parts, cwd=ROOT, capture_output=True, text=True, check=True)
            body, status = done.stdout.rsplit("\n", 1)
            assert status[0] == "2", (example, body)
            if "export" not in example:
                assert json.loads(body) is not None
    finally:
        served.app.state.access = access
    assert len(examples()) > 15


def test_the_python_example_runs(address, key, monkeypatch, capsys):
    [code] = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    code = code.replace("http://127.0.0.1:7860", address).replace("faq_…", key)
    exec(compile(code, "docs/api.md", "exec"), {"openai": openai})
    dimension, tokens = map(int, capsys.readouterr().out.split())
    assert (dimension, tokens > 0) == (384, True)


def test_the_openapi_document_is_sound(schema):
    OpenAPI.model_validate(schema)
    assert schema["info"]["version"] == VERSION
    text = json.dumps(schema)
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', text)):
        assert name in schema["components"]["schemas"], name
    assert not re.findall(r'"\$ref": "(?!#/components/schemas/)', text)
    ids = [operation["operationId"] for operation in operations(schema).values()]
    assert len(ids) == len(set(ids))


def test_every_example_in_the_openapi_document_fits_its_schema(schema):
    checked = 0
    for name, model in schema["components"]["schemas"].items():
        if "example" in model:
            whole = {
                "$ref": f"#/components/schemas/{name}",
                "components": {"schemas": schema["components"]["schemas"]},
            }
            jsonschema_rs.validator_for(whole).validate(model["example"])
            checked += 1
    assert checked > 15


def test_every_body_has_an_example(schema):
    for route, operation in operations(schema).items():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            if name:
                assert "example" in schema["components"]["schemas"][name], route


def test_every_refusal_stands_in_the_document(schema):
    codes = set(re.findall(r"`([a-z_]+)`", DOCUMENT.split("## 错误")[1].split("## 全部")[0]))
    assert {code for _, code in STATUS.values()} <= codes
    for status in {
        status for o in operations(schema).values() for status in o["responses"] if status >= "400"
    }:
        assert f"| {status} |" in DOCUMENT


def test_every_error_that_operations_raise_has_a_status():
    """One that is nobody's fault but ours would be a 500."""

    def below(kind):
        return {kind} | {each for child in kind.__subclasses__() for each in below(child)}

    for kind in below(IndexerError) - {IndexerError}:
        assert any(issubclass(kind, known) for known in STATUS), kind
