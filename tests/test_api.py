from dataclasses import asdict

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from faq_app import api
from faq_app.access import Access
from faq_app.reply import Option, Reply
from indexer.records import Hit, Signals

SIGNALS = Signals(wording=0.95, whole=0.9, characters=0.88, sound=0.87, answer=0.5)
HIT = Hit("refund", 7, "怎么退货", 0.93, SIGNALS, confidence=0.97)


class FakeService:
    """The shape of Service, without an encoder."""

    revision, entry_count, encoder_fingerprint, calibrated = 3, 2, "abc", True

    def __init__(self):
        self.asked, self.said = [], []

    def ask(self, query):
        self.asked.append(query)
        if "坏" in query:
            raise RuntimeError("secret detail")
        if "退" not in query:
            return Reply("t2", query, "reject", "low_score", 3)
        if "想" in query:
            options = (Option("refund", "如何申请退货？"),)
            return Reply("t3", query, "clarify", "between", 3, options=options)
        return Reply(
            "t1",
            query,
            "answer",
            "score",
            3,
            "refund",
            "怎么退货",
            "退货",
            "A\n<b>",
            (),
            (HIT,),
            0.99,
        )

    def feedback(self, trace_id, verdict):
        if trace_id not in {"t1", "t2", "t3"}:
            raise KeyError(trace_id)
        self.said.append((trace_id, verdict))


@pytest.fixture
def service():
    return FakeService()


@pytest.fixture
def client(service):
    app = FastAPI()
    app.state.access = Access(None)
    api.install(app, service)
    return TestClient(app, raise_server_exceptions=False)


def test_an_answer_carries_everything_a_program_needs(client):
    response = client.post("/api/ask", json={"query": "怎么退货"})
    assert response.status_code == 200
    assert response.json() == {
        "decision": "answer",
        "answer": "A\n<b>",
        "answer_html": "<p>A<br>\n&lt;b&gt;</p>\n",
        "question": "怎么退货",
        "category": "退货",
        "entry_id": "refund",
        "options": [],
        "hits": [{k: v for k, v in asdict(HIT).items() if k != "contradiction"}],
        "confidence": 0.97,
        "band": "高",
        "in_scope": 0.99,
        "revision": 3,
        "trace_id": "t1",
        "reason": "score",
    }


def test_options_are_named_by_entry(client):
    body = client.post("/api/ask", json={"query": "想退"}).json()
    assert body["decision"] == "clarify"
    assert body["options"] == [{"entry_id": "refund", "question": "如何申请退货？"}]


def test_a_refusal_is_no_error_and_an_empty_question_is_the_services_matter(client, service):
    response = client.post("/api/ask", json={"query": ""})
    assert (response.status_code, response.json()["decision"]) == (200, "reject")
    assert service.asked == [""]


@pytest.mark.parametrize("verdict", ["useful", "useless", "none_of_these"])
def test_feedback_reaches_the_service(client, service, verdict):
    response = client.post("/api/feedback", json={"trace_id": "t1", "verdict": verdict})
    assert (response.status_code, response.json()) == (200, {"stored": True})
    assert service.said == [("t1", verdict)]


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "named"),
    [
        ("/api/ask", b"{", 400, "invalid_json", "JSON"),
        ("/api/ask", b"\xff\xfe", 400, "invalid_json", "JSON"),
        ("/api/ask", b"[" * 60_000, 400, "invalid_json", "JSON"),
        ("/api/ask", b"", 422, "invalid_request", "JSON"),
        ("/api/ask", b"[]", 422, "invalid_request", "JSON"),
        ("/api/ask", b"{}", 422, "invalid_request", "query"),
        ("/api/ask", b'{"query": 5}', 422, "invalid_request", "query"),
        ("/api/ask", b'{"query": null}', 422, "invalid_request", "query"),
        ("/api/feedback", b'{"trace_id": "t1"}', 422, "invalid_request", "verdict"),
        ("/api/feedback", b'{"trace_id": "t1", "verdict": "x"}', 422, "invalid_request", "verdict"),
        ("/api/feedback", b'{"trace_id": "no", "verdict": "useful"}', 404, "not_found", "trace_id"),
        ("/api/nothing", b"{}", 404, "not_found", "/api/nothing"),
    ],
)
def test_every_error_has_one_shape(client, path, body, status, code, named):
    response = client.post(path, content=body, headers=JSON)
    assert response.status_code == status
    assert set(response.json()) == {"error"}
    assert response.json()["error"]["code"] == code
    assert named in response.json()["error"]["message"]


def test_another_method_is_told_what_there_is(client):
    response = client.get("/api/ask")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert "POST" in response.json()["error"]["message"]


def test_a_failure_inside_says_nothing_of_the_inside(client):
    response = client.post("/api/ask", json={"query": "坏"})
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")
    assert "secret" not in response.text
