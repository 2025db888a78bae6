"""What a customer's program asks of the real service; what is sent is what is promised."""

import json

import jsonschema_rs
import pytest

from faq_app.api.customers import Answer, Found, Suggestions
from faq_app.service import MAX_QUERY_LENGTH
from tests.served_api import serve

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def served(tmp_path_factory, encoder):
    from tests.conftest import SMALL_FAQ

    folder = tmp_path_factory.mktemp("customers")
    (folder / "faq.csv").write_text(SMALL_FAQ, encoding="utf-8")
    served = serve(folder, encoder, folder / "faq.csv")
    yield served
    served.service.close()


@pytest.fixture
def client(served):
    return served.client("ask")


def promised(client, response, path, method="post"):
    """Hold a response against what the OpenAPI document promises of its route."""
    schema = client.app.openapi()
    told = schema["paths"][path][method]["responses"][str(response.status_code)]
    whole = {**told["content"]["application/json"]["schema"], "components": schema["components"]}
    jsonschema_rs.validator_for(whole).validate(response.json())
    return response.json()


@pytest.mark.parametrize(
    ("query", "decision"),
    [("怎么退货", "answer"), ("火星上几点日出", "reject"), ("", "reject"), ("😀", "reject")],
)
def test_what_ask_sends_is_what_it_promises(client, query, decision):
    response = client.post("/api/v1/ask", json={"query": query})
    body = promised(client, response, "/api/v1/ask")
    Answer.model_validate(body)  # extra fields are forbidden
    assert set(body) == set(Answer.model_fields)
    assert body["decision"] == decision
    assert client.post("/api/ask", json={"query": query}).json()["decision"] == decision


def test_an_option_is_chosen_rated_and_logged(client, served):
    trace = client.post("/api/v1/ask", json={"query": "券"}).json()["trace_id"]
    choice = {"trace_id": trace, "entry_id": "coupon"}
    response = client.post("/api/v1/choose", json=choice)
    body = promised(client, response, "/api/v1/choose")
    assert (body["decision"], body["reason"], body["entry_id"]) == ("answer", "chosen", "coupon")
    assert body["trace_id"] == trace
    for wrong in ({"entry_id": "none"}, {"trace_id": "none"}):
        response = client.post("/api/v1/choose", json=choice | wrong)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
    said = {"trace_id": trace, "verdict": "useless"}
    assert client.post("/api/v1/feedback", json=said).json() == {"stored": True}
    with served.service.store.reading() as db:
        [row] = db.query("select chosen, feedback from query_log where trace_id = ?", [trace])
    assert row == {"chosen": "coupon", "feedback": "useless"}


def test_search_and_explain_leave_no_trace_in_the_log(client, served):
    def logged():
        served.service.flush()
        with served.service.store.reading() as db:
            return db.execute("select count(*) from query_log").fetchone()[0]

    before = logged()
    response = client.post("/api/v1/search", json={"query": "怎么开发票", "k": 2})
    found = promised(client, response, "/api/v1/search")
    Found.model_validate(found)
    assert [hit["entry_id"] for hit in found["hits"]][0] == "invoice"
    assert len(found["hits"]) == 2
    response = client.post("/api/v1/explain", json={"query": "怎么开发票", "k": 1})
    explained = promised(client, response, "/api/v1/explain")
    assert explained["hits"][0]["entry_id"] == "invoice"
    assert {word["text"] for word in explained["words"]} == {"怎么", "开发票"}
    assert explained["sentence"]
    client.get("/api/v1/suggest", params={"query": "fapiao"})
    assert logged() == before


@pytest.mark.parametrize("typed", ["fapiao", "发票", "fp", "发飘", "kaifa"])
def test_suggestions_come_while_typing_even_with_a_slip(client, typed):
    response = client.post("/api/v1/suggest", json={"query": typed, "k": 3})
    found = promised(client, response, "/api/v1/suggest")
    Suggestions.model_validate(found)
    assert found["suggestions"][0]["entry_id"] == "invoice"
    assert client.get("/api/v1/suggest", params={"query": typed, "k": 3}).json() == found


def test_what_customers_ask_most_is_suggested_first(client, served):
    for _ in range(3):
        served.service.ask("忘记密码怎么办")
    served.service.flush()
    served.service._popularity.recount()
    found = client.get("/api/v1/suggest", params={"query": "怎么", "k": 3}).json()
    assert len(found["suggestions"]) == 3
    assert len({each["entry_id"] for each in found["suggestions"]}) == 3
    found = client.get("/api/v1/suggest", params={"query": "m", "k": 1}).json()
    assert found["suggestions"][0]["entry_id"] == "password"


def test_an_entry_that_does_not_apply_is_not_suggested(client, served):
    operator = served.client()
    headers = {"if-match": "*"}
    for enabled in (False, True):
        operator.patch("/api/v1/entries/coupon", json={"enabled": enabled}, headers=headers)
        found = client.get("/api/v1/suggest", params={"query": "优惠券"}).json()["suggestions"]
        assert ("coupon" in [each["entry_id"] for each in found]) == enabled


def test_the_greeting_offers_questions(client):
    greeting = promised(client, client.get("/api/v1/greeting"), "/api/v1/greeting", "get")
    assert greeting["welcome"]
    assert "如何申请退货？" in greeting["frequent"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("search", {"query": "退", "k": 0}),
        ("search", {"query": "退", "k": 51}),
        ("search", {"query": "退", "k": 10**30}),
        ("search", {"query": "退", "k": -1}),
        ("search", {"query": "退", "k": 1.5}),
        ("search", {"query": "退", "k": True}),
        ("search", {"query": "退", "k": "3"}),
        ("search", {"query": "退", "k": None}),
        ("search", {"query": "退" * (MAX_QUERY_LENGTH + 1)}),
        ("search", {"query": ["退"]}),
        ("search", None),
        ("explain", {"query": "退", "k": 11}),
        ("explain", {"query": "退" * (MAX_QUERY_LENGTH + 1)}),
        ("explain", {}),
        ("suggest", {"query": None}),
        ("suggest", {"query": "退", "k": 21}),
        ("choose", {"trace_id": 1, "entry_id": "refund"}),
        ("choose", {"trace_id": "t"}),
        ("feedback", {"trace_id": "t", "verdict": None}),
        ("feedback", {"trace_id": "t", "verdict": ["useful"]}),
    ],
)
def test_a_wrong_field_is_named(client, path, body):
    response = client.post(f"/api/v1/{path}", json=body)
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "invalid_request"
    assert "Input" not in response.json()["error"]["message"]  # in Chinese


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_however_json_is_announced_the_answer_is_the_same(client, kind):
    content = '{"query": "怎么退货", "unknown": 1}'.encode()
    response = client.post("/api/v1/ask", content=content, headers={"content-type": kind})
    assert (response.status_code, response.json()["entry_id"]) == (200, "refund")


@pytest.mark.parametrize("path", ["ask", "search", "explain", "suggest"])
def test_half_a_character_is_no_servers_failure(client, path):
    response = client.post(f"/api/v1/{path}", content=b'{"query": "a\\ud800"}', headers=JSON)
    assert response.status_code == 200
    json.loads(response.content.decode("utf-8"))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(client, number):
    content = f'{{"query": "退", "k": {number}}}'.encode()
    response = client.post("/api/v1/search", content=content, headers=JSON)
    assert response.status_code in (400, 422)
