"""What operators do over HTTP besides entries: words, draft, revisions, queries, settings."""

import json
import shutil

import pytest

from tests.conftest import BUNDLE
from tests.hand_made_log import log
from tests.served_api import serve

CSV = {"content-type": "text/csv"}


@pytest.fixture
def served(tmp_path, encoder, small_faq):
    served = serve(tmp_path, encoder, small_faq)
    yield served
    served.service.close()


@pytest.fixture
def client(served):
    return served.client()


def revision(client):
    return client.get("/api/v1/revisions").json()["current"]


# Keywords


def test_a_word_is_weighed_previewed_and_let_go(client, served):
    seen = client.get("/api/v1/keywords/发票").json()
    assert (seen["factor"], seen["questions"], seen["changed_in"]) == (1.0, 3, None)
    body = {"word": "发票", "factor": 3, "query": "怎么开票"}
    preview = client.post("/api/v1/keywords:preview", json=body).json()
    assert preview["before"]["hits"][0]["entry_id"] == "invoice"
    assert preview["before"]["hits"][0]["score"] != preview["after"]["hits"][0]["score"]
    assert preview["effect"]["unchanged"] >= 0
    assert revision(client) == 1

    done = client.put("/api/v1/keywords/发票", json={"factor": 3}).json()
    assert done["revision"] == 2
    assert client.put("/api/v1/keywords/发票", json={"factor": 3}).json()["revision"] == 2
    assert served.desk.searcher.lexicon.keywords == {"发票": 3.0}
    seen = client.get("/api/v1/keywords", params={"changed": True}).json()
    assert [(word["word"], word["factor"]) for word in seen["words"]] == [("发票", 3.0)]
    assert seen["words"][0]["changed_by"] == "程序-publish (API)"

    assert client.delete("/api/v1/keywords/发票").json()["revision"] == 3
    assert served.desk.searcher.lexicon.keywords == {}


@pytest.mark.parametrize("factor", [-1, 101, "2", None, True, [], 1e400])
def test_a_factor_that_cannot_be_one_is_refused(client, factor):
    content = json.dumps({"factor": factor}).encode()
    headers = {"content-type": "application/json"}
    response = client.put("/api/v1/keywords/发票", content=content, headers=headers)
    assert response.status_code == 422
    assert "factor" in response.json()["error"]["message"]
    content = b'{"factor": NaN}'
    assert client.put("/api/v1/keywords/发票", content=content, headers=headers).status_code == 422


@pytest.mark.parametrize("word", ["%20", "。", "词" * 31])
def test_a_word_that_cannot_be_one_is_refused(client, word):
    response = client.put(f"/api/v1/keywords/{word}", json={"factor": 2})
    assert response.status_code == 422


def test_words_leave_and_come_back_as_a_table(client):
    table = "关键词,倍数\n发票,2\n退货,0.5\n".encode()
    looked = client.post("/api/v1/keywords:import?dry_run=true", content=table, headers=CSV).json()
    assert {each["word"]: each["after"] for each in looked["changed"]} == {"发票": 2, "退货": 0.5}
    assert (looked["published"], revision(client)) == (None, 1)
    done = client.post("/api/v1/keywords:import", content=table, headers=CSV).json()
    assert done["published"]["revision"] == 2
    exported = client.get("/api/v1/keywords:export")
    again = client.post("/api/v1/keywords:import", content=exported.content, headers=CSV).json()
    assert (again["changed"], again["published"]) == ([], None)
    wrong = client.post("/api/v1/keywords:import", content="发票,很多\n".encode(), headers=CSV)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "invalid_table")
    assert "第 1 行" in wrong.json()["error"]["message"]


def test_suggestions_are_mined_by_a_job(client, served):
    job = served.job(client, client.post("/api/v1/keywords:suggest", json={"limit": 2}))
    assert (job["state"], set(job["result"])) == ("done", {"found", "queries", "failed", "tried"})
    assert job["result"]["queries"] > 0


# Draft and revisions


def test_changes_wait_in_the_draft_and_are_published_together(client, served):
    new = {"kind": "entry", "entry": {"question": "几点开门？", "answer": "九点"}}
    gone = {"kind": "deletion", "entry_id": "coupon"}
    word = {"kind": "keyword", "word": "密码", "factor": 2}
    editor = served.client("edit")
    assert editor.post("/api/v1/draft", json=gone).status_code == 428
    assert editor.post("/api/v1/draft", json=gone, headers={"if-match": '"no"'}).status_code == 412
    for change in (new, gone, word):
        assert (
            editor.post("/api/v1/draft", json=change, headers={"if-match": "*"}).status_code == 200
        )
    draft = client.get("/api/v1/draft").json()
    assert [item["kind"] for item in draft] == ["entry", "entry", "keyword"]
    assert [item["entry"] and item["entry"]["question"] for item in draft] == [
        "几点开门？",
        None,
        None,
    ]
    assert draft[2]["value"] == 2
    assert revision(client) == 1
    assert "unchanged" in client.get("/api/v1/draft:effect").json()
    assert editor.post("/api/v1/draft:publish").status_code == 403
    assert client.post("/api/v1/draft:publish").json()["revision"] == 2
    assert client.get("/api/v1/draft").json() == []
    assert client.get("/api/v1/entries/coupon").status_code == 404
    again = client.post("/api/v1/draft:publish")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")


def test_what_waits_can_be_changed_again_and_given_up(client):
    entry = client.get("/api/v1/entries/refund").json()
    fields = {name: entry[name] for name in ("question", "similar_questions", "answer")}
    body = {"kind": "entry", "entry": {**fields, "entry_id": "refund", "answer": "一"}}
    headers = {"if-match": entry["etag"]}
    [waiting] = client.post("/api/v1/draft", json=body, headers=headers).json()
    body["entry"]["answer"] = "二"
    headers = {"if-match": waiting["entry"]["etag"]}
    [waiting] = client.post("/api/v1/draft", json=body, headers=headers).json()
    assert waiting["entry"]["answer"] == "二"
    assert client.delete("/api/v1/draft/entry/refund").json() == []
    assert client.delete("/api/v1/draft/entry/refund").status_code == 409
    assert client.delete("/api/v1/draft/other/refund").status_code == 422


def test_settings_wait_in_the_draft_too_and_all_of_it_is_given_up_at_once(client, served):
    now = client.get("/api/v1/settings").json()
    for change in (
        {"kind": "thresholds", "answer": 0.6, "clarify": 0.3},
        {"kind": "signals", **now["signals"], "sound": 0.0},
        {"kind": "wording", **now["wording"], "welcome": "欢迎"},
    ):
        assert client.post("/api/v1/draft", json=change).status_code == 200
    waiting = client.get("/api/v1/draft").json()
    assert [item["name"] for item in waiting] == ["calibration", "signals", "wording"]
    wrong = {"kind": "signals", **now["signals"], "sound": 99}
    assert client.post("/api/v1/draft", json=wrong).status_code == 422
    assert client.delete("/api/v1/draft").json() == []
    assert client.get("/api/v1/settings").json() == now


def test_two_revisions_are_compared_and_the_old_one_comes_back(client):
    client.put("/api/v1/keywords/发票", json={"factor": 3})
    client.delete("/api/v1/entries/refund", headers={"if-match": "*"})
    found = client.get("/api/v1/revisions:changes", params={"before": 1, "after": 3}).json()
    assert [(each["kind"], each["entry_id"]) for each in found["entries"]] == [
        ("deleted", "refund")
    ]
    assert found["keywords"] == [{"name": "发票", "before": 1.0, "after": 3.0}]
    assert client.post("/api/v1/revisions/1:rollback").json()["revision"] == 4
    assert client.get("/api/v1/entries/refund").status_code == 200
    page = client.get("/api/v1/revisions", params={"limit": 1, "offset": 1}).json()
    assert (page["revisions"][0]["revision"], page["total"]) == (3, 4)
    same = client.post("/api/v1/revisions/1:rollback")
    assert same.status_code == 409
    unknown = client.post("/api/v1/revisions/99:rollback")
    assert unknown.status_code == 409
    assert ".db" not in unknown.json()["error"]["message"]
    for path in ("0:rollback", "x:rollback", f"{2**70}:rollback"):
        assert client.post(f"/api/v1/revisions/{path}").status_code == 422


# Queries


def test_the_regression_set_is_kept_and_run(client, served):
    editor = served.client("edit")
    cases = "/api/v1/regression/cases"
    body = {"query": "东西不想要了", "entry_id": "refund"}
    assert editor.post(cases, json=body).json() == {"added": 1, "changed": 0, "unchanged": 0}
    assert editor.post(cases, json=body).json()["unchanged"] == 1
    assert editor.post(cases, json=body | {"entry_id": "none"}).status_code == 422
    assert editor.post(cases, json={"query": "", "entry_id": ""}).status_code == 422
    table = "query,entry_id\n怎么开票,invoice\n今天天气,\n".encode()
    assert editor.post(f"{cases}:import", content=table, headers=CSV).json()["added"] == 2
    found = editor.get(cases, params={"query": "天气"}).json()
    assert [case["entry_id"] for case in found["cases"]] == [""]
    number = found["cases"][0]["id"]
    assert editor.patch(f"{cases}/{number}", json={"enabled": False}).json() == {"enabled": False}
    run = editor.post("/api/v1/regression/runs").json()
    assert (run["revision"], run["cases"], run["lost"]) == (1, 2, 0)
    assert run["failed"] == len(run["failures"])
    [recorded] = editor.get("/api/v1/regression/runs").json()
    assert recorded["measures"] == run["measures"]
    exported = editor.get(f"{cases}:export")
    again = editor.post(f"{cases}:import", content=exported.content, headers=CSV)
    assert again.json()["unchanged"] == 3
    assert editor.delete(f"{cases}/{number}").json() == {"removed": True}
    for missing in (number, 10**6):
        assert editor.delete(f"{cases}/{missing}").status_code == 404
        assert editor.patch(f"{cases}/{missing}", json={"enabled": True}).status_code == 404
    assert editor.delete(f"{cases}/{2**70}").status_code == 422


@pytest.fixture
def asked(served):
    """Let customers have asked in vain, just now."""
    from datetime import UTC, datetime

    at = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    for query, times in (("东西咋寄回去", 3), ("咋把东西寄回", 1), ("附近有停车场吗", 2)):
        for _ in range(times):
            log(served.service.store, at, query, "reject")


def test_what_was_asked_in_vain_is_listed_and_handled(client, served, asked):
    page = client.get("/api/v1/unanswered").json()
    assert (page["queries"], page["count"]) == (3, 6)
    assert page["groups"][0]["nearest"][0]["entry_id"] in {
        "refund",
        "invoice",
        "password",
        "coupon",
    }
    texts = {query["text"] for group in page["groups"] for query in group["queries"]}
    assert texts == {"东西咋寄回去", "咋把东西寄回", "附近有停车场吗"}

    body = {"queries": ["东西咋寄回去", "咋把东西寄回"], "entry_id": "refund"}
    saved = client.post("/api/v1/unanswered:similar", json=body).json()
    assert "东西咋寄回去" in saved["entry"]["similar_questions"]
    assert served.service.ask("东西咋寄回去").entry_id == "refund"
    assert client.get("/api/v1/regression/cases").json()["total"] == 2
    again = client.post("/api/v1/unanswered:similar", json=body)
    assert again.status_code == 422

    new = {"question": "有停车场吗？", "answer": "有。", "similar_questions": ["附近有停车场吗"]}
    body = {"queries": ["附近有停车场吗"], "entry": new}
    saved = client.post("/api/v1/unanswered:entry", json=body)
    assert saved.status_code == 201
    assert client.get("/api/v1/unanswered").json()["total"] == 0
    unknown = client.post("/api/v1/unanswered:similar", json={"queries": ["x"], "entry_id": "none"})
    assert unknown.status_code == 404


def test_what_nothing_can_be_done_about_is_dismissed_and_may_return(served, asked):
    editor = served.client("edit")
    body = {"queries": ["附近有停车场吗"]}
    assert editor.post("/api/v1/unanswered:dismiss", json=body).json() == {"queries": 1}
    assert editor.get("/api/v1/unanswered").json()["queries"] == 2
    assert editor.post("/api/v1/unanswered:reopen", json=body).json() == {"queries": 1}
    assert editor.get("/api/v1/unanswered").json()["queries"] == 3
    assert editor.post("/api/v1/unanswered:dismiss", json={"queries": []}).status_code == 422


@pytest.mark.parametrize("report", ["days", "response-times", "entries", "never-hit", "queries"])
def test_statistics_come_as_json_and_as_csv(client, served, asked, report):
    served.service.ask("怎么退货")
    reader = served.client("read")
    body = reader.get(f"/api/v1/statistics/{report}", params={"days": 2}).json()
    assert body["period"]["zone"]
    table = reader.get(f"/api/v1/statistics/{report}", params={"days": 2, "format": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.splitlines()) > 1
    if report == "days":
        assert (body["total"]["asked"], body["total"]["answered"]) == (7, 1)
    if report == "entries":
        assert [(e["entry_id"], e["answered"]) for e in body["entries"]] == [("refund", 1)]


@pytest.mark.parametrize(
    "period",
    [
        {"days": 0},
        {"days": 10**6},
        {"days": "x"},
        {"first": "2026-01-01"},
        {"first": "2026-02-01", "last": "2026-01-01"},
        {"first": "1900-01-01", "last": "2026-01-01"},
        {"first": "2026-13-01", "last": "2026-01-01"},
    ],
)
def test_a_period_that_cannot_be_one_is_refused(client, period):
    assert client.get("/api/v1/statistics/days", params=period).status_code == 422


# Settings


def test_settings_are_read_and_changed(client, served):
    before = client.get("/api/v1/settings").json()
    assert before["encoder"]["fingerprint"] == served.service.encoder.fingerprint
    both = {"answer": 0.75, "clarify": 0.25}
    assert client.put("/api/v1/settings/thresholds", json=both).json()["revision"] == 2
    curve = client.get("/api/v1/settings/thresholds:curve", params={"answer": 0.1}).json()
    assert curve["curve"] and curve["tried"]["answered"] >= curve["now"]["answered"]
    signals = before["signals"] | {"sound": 0.5}
    assert client.put("/api/v1/settings/signals", json=signals).json()["revision"] == 3
    wording = before["wording"] | {"welcome": "欢迎光临", "frequent": ["怎么退货"]}
    assert client.put("/api/v1/settings/wording", json=wording).json()["revision"] == 4
    greeting = served.client("ask").get("/api/v1/greeting").json()
    assert (greeting["welcome"], greeting["frequent"]) == ("欢迎光临", ["怎么退货"])
    assert client.put("/api/v1/settings/gate", json={"allowed": 0}).json() == {"allowed": 0}
    after = client.get("/api/v1/settings").json()
    assert (after["thresholds"]["answer"], after["thresholds"]["clarify"]) == (0.75, 0.25)
    assert after["signals"] == signals
    assert (after["wording"], after["gate"]) == (wording, {"allowed": 0})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("thresholds", {"answer": 2, "clarify": 0.5}),
        ("thresholds", {"answer": 0.5}),
        ("thresholds", {"answer": "0.5", "clarify": 0.5}),
        ("wording", {"welcome": ""}),
        (
            "wording",
            {
                "welcome": "a",
                "refusal": "b",
                "handoff": "c",
                "handoff_link": "javascript:alert(1)",
                "frequent": [],
            },
        ),
        ("gate", {"allowed": -1}),
        ("gate", {"allowed": 10**6}),
        ("gate", {"allowed": 2**70}),
        ("gate", {"allowed": 1.5}),
        ("encoder", {"folder": ""}),
    ],
)
def test_settings_that_cannot_be_are_refused(client, path, body):
    assert client.put(f"/api/v1/settings/{path}", json=body).status_code == 422
    assert revision(client) == 1


def test_thresholds_are_fitted_by_a_job(client, served):
    job = served.job(client, client.post("/api/v1/settings/thresholds:fit", json={}))
    assert (job["state"], job["kind"]) == ("done", "calibration")
    assert revision(client) == job["result"]["revision"] == 2
    assert client.get("/api/v1/settings").json()["thresholds"]["source"]


def test_another_encoder_is_swapped_in_by_a_job_or_refused(client, served, tmp_path):
    missing = client.put("/api/v1/settings/encoder", json={"folder": str(tmp_path / "none")})
    job = served.job(client, missing)
    assert (job["state"], job["error"]["code"]) == ("failed", "invalid_encoder")
    same = shutil.copytree(BUNDLE, tmp_path / "same")
    job = served.job(client, client.put("/api/v1/settings/encoder", json={"folder": str(same)}))
    assert (job["state"], job["error"]["code"]) == ("failed", "invalid_request")
    assert revision(client) == 1
