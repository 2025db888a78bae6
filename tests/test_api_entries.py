"""Entries over HTTP: one at a time with ETags, many at once as a job."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from indexer.regression import NewCase, add_cases
from tests.conftest import SMALL_FAQ
from tests.served_api import serve

ENTRIES = "/api/v1/entries"
BULK = "/api/v1/entries:bulk"
CSV = {"content-type": "text/csv"}
DELIVERY = {
    "question": "多久能送到？",
    "similar_questions": ["几天到货", "什么时候送到"],
    "negative_questions": ["怎么送礼物"],
    "answer": "一般 **3 天**。\n\n偏远地区 7 天。",
    "category": "物流",
    "tags": ["配送", "时间"],
    "enabled": True,
    "valid_from": "2026-01-01",
    "valid_to": "2099-12-31",
    "related": ["refund"],
    "extra": {"来源": "运营甲"},
}


@pytest.fixture
def served(tmp_path, encoder, small_faq):
    served = serve(tmp_path, encoder, small_faq)
    yield served
    served.service.close()


@pytest.fixture
def client(served):
    return served.client()


def fields_of(entry):
    return {name: entry[name] for name in DELIVERY}


def read(client, key):
    return client.get(f"{ENTRIES}/{key}").json()


def test_an_entry_is_created_read_replaced_switched_and_deleted(client, served):
    made = client.post(ENTRIES, json=DELIVERY | {"entry_id": "delivery"})
    assert made.status_code == 201
    entry = made.json()["entry"]
    assert fields_of(entry) == DELIVERY
    assert (entry["entry_id"], entry["status"]) == ("delivery", "启用")
    asked = client.post("/api/v1/ask", json={"query": "几天到货"})
    assert asked.status_code == 403  # a publisher's key is no customer's
    assert served.service.ask("几天到货").entry_id == "delivery"

    changed = DELIVERY | {"answer": "5 天。"}
    headers = {"if-match": entry["etag"]}
    response = client.put(f"{ENTRIES}/delivery", json=changed, headers=headers)
    assert response.status_code == 200
    assert response.headers["etag"] == response.json()["entry"]["etag"] != entry["etag"]
    assert served.service.ask("几天到货").answer == "5 天。"

    headers = {"if-match": response.headers["etag"]}
    off = client.patch(f"{ENTRIES}/delivery", json={"enabled": False}, headers=headers)
    assert off.json()["entry"]["status"] == "停用"
    assert served.service.ask("几天到货").entry_id != "delivery"

    headers = {"if-match": off.headers["etag"]}
    assert client.delete(f"{ENTRIES}/delivery", headers=headers).status_code == 200
    assert client.get(f"{ENTRIES}/delivery").status_code == 404
    history = client.get("/api/v1/revisions").json()["revisions"]
    assert {row["by"] for row in history[:4]} == {"程序-publish (API)"}
    assert ("程序-publish (API)", "删除「多久能送到?」", "第 5 版") in [
        (by, what.replace("？", "?"), detail) for by, what, detail in served.noted
    ]


def test_replacing_with_the_same_publishes_nothing(client):
    entry = read(client, "refund")
    headers = {"if-match": entry["etag"]}
    same = client.put(f"{ENTRIES}/refund", json=fields_of(entry), headers=headers)
    assert same.json()["published"] == {"revision": 1, "encoded": 0}
    same = client.patch(f"{ENTRIES}/refund", json={"enabled": True}, headers=headers)
    assert same.json()["published"] == {"revision": 1, "encoded": 0}


def test_nobodys_change_is_overwritten_unseen(client):
    entry = read(client, "refund")
    first = {"if-match": entry["etag"]}
    fields = fields_of(entry)
    saved = client.put(f"{ENTRIES}/refund", json=fields | {"answer": "甲"}, headers=first)
    assert saved.status_code == 200
    for method, more in (
        ("PUT", {"json": fields | {"answer": "乙"}}),
        ("PATCH", {"json": {"enabled": False}}),
        ("DELETE", {}),
    ):
        late = client.request(method, f"{ENTRIES}/refund", headers=first, **more)
        assert late.status_code == 412
        assert late.json()["error"]["code"] == "changed_meanwhile"
        unseen = client.request(method, f"{ENTRIES}/refund", **more)
        assert unseen.status_code == 428
    assert read(client, "refund")["answer"] == "甲"
    whatever = {"if-match": "*"}
    saved = client.put(f"{ENTRIES}/refund", json=fields | {"answer": "丙"}, headers=whatever)
    assert saved.status_code == 200


def test_of_many_who_saw_the_same_only_one_writes(client):
    entry = read(client, "refund")
    headers, fields = {"if-match": entry["etag"]}, fields_of(entry)

    def write(number):
        body = fields | {"answer": f"第 {number} 个"}
        return client.put(f"{ENTRIES}/refund", json=body, headers=headers)

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(write, range(8)))
    codes = sorted(response.status_code for response in responses)
    assert codes[0] == 200
    # 409: both were writing at the same moment; 412: the other was done.
    assert set(codes[1:]) <= {409, 412}
    [won] = [response for response in responses if response.status_code == 200]
    assert read(client, "refund")["answer"] == won.json()["entry"]["answer"]
    assert client.get("/api/v1/revisions").json()["current"] == 2


def test_a_change_that_breaks_too_much_is_refused_and_its_victims_named(client, served):
    cases = [NewCase(query, "refund", "手工") for query in ("怎么退货", "我要退货")]
    add_cases(served.service.store, cases, "test")
    client.put("/api/v1/settings/gate", json={"allowed": 1})
    whatever = {"if-match": "*"}
    refused = client.delete(f"{ENTRIES}/refund", headers=whatever)
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert error["code"] == "would_break"
    assert {each["query"] for each in error["broken"]} == {"怎么退货", "我要退货"}
    assert set(error["broken"][0]) == {"query", "expected", "before", "after"}
    assert read(client, "refund")["entry_id"] == "refund"
    insisted = client.delete(f"{ENTRIES}/refund?insist=true", headers=whatever)
    assert insisted.status_code == 200
    assert client.get(f"{ENTRIES}/refund").status_code == 404


def test_an_entry_with_a_change_in_the_draft_is_not_changed_past_it(client):
    entry = read(client, "refund")
    body = {"kind": "entry", "entry": fields_of(entry) | {"entry_id": "refund", "answer": "草稿"}}
    waiting = client.post("/api/v1/draft", json=body, headers={"if-match": entry["etag"]})
    assert waiting.status_code == 200
    headers = {"if-match": "*"}
    late = client.put(f"{ENTRIES}/refund", json=fields_of(entry), headers=headers)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "in_draft")


@pytest.mark.parametrize("key", ["a/b", "中文 编号", "a?x=1#y&b", "..", "x:bulk", "'; drop", "/"])
def test_any_id_can_be_addressed(client, key):
    made = client.post(ENTRIES, json={"question": "特别的问", "answer": "答", "entry_id": key})
    assert made.status_code == 201
    address = f"{ENTRIES}/{quote(key, safe='').replace('.', '%2E')}"
    if key in ("..", "/"):  # what clients resolve or drop themselves is found in the list
        assert client.get(ENTRIES, params={"query": "特别的"}).json()["total"] == 1
        return
    assert client.get(address).json()["entry_id"] == key
    headers = {"if-match": "*"}
    assert client.patch(address, json={"enabled": False}, headers=headers).status_code == 200
    assert client.delete(address, headers=headers).status_code == 200


def test_entries_are_searched_filtered_and_paged(client):
    found = client.get(ENTRIES, params={"query": "发票"}).json()
    assert [entry["entry_id"] for entry in found["entries"]] == ["invoice"]
    page = client.get(ENTRIES, params={"offset": 1, "limit": 2}).json()
    assert [entry["entry_id"] for entry in page["entries"]] == ["invoice", "password"]
    assert (page["total"], page["revision"]) == (4, 1)
    assert client.get(ENTRIES, params={"category": "账户"}).json()["total"] == 1
    client.patch(f"{ENTRIES}/coupon", json={"enabled": False}, headers={"if-match": "*"})
    off = client.get(ENTRIES, params={"status": "停用"}).json()
    assert [entry["entry_id"] for entry in off["entries"]] == ["coupon"]
    assert client.get("/api/v1/categories").json() == ["退货", "发票", "账户", "优惠"]
    assert client.get(ENTRIES, params={"offset": 2**62}).json()["entries"] == []


def test_before_writing_one_can_look_at_what_it_would_do(client):
    new = {"question": "怎样开具发票？", "answer": "答", "similar_questions": ["怎么开发票"]}
    found = client.post("/api/v1/entries:check", json=new).json()
    assert {(w["text"], w["entry_id"], w["same"]) for w in found["warnings"]} >= {
        ("怎么开发票", "invoice", True)
    }
    assert found["effect"]["source"]
    assert client.get("/api/v1/revisions").json()["current"] == 1
    taken = client.post(ENTRIES, json=new)
    assert (taken.status_code, taken.json()["error"]["code"]) == (422, "invalid_request")
    assert "怎么开发票" in taken.json()["error"]["message"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"question": None}, "question"),
        ({"question": 5}, "question"),
        ({"question": ""}, "没有标准问"),
        ({"question": "？？"}, "没有标准问"),
        ({"question": "问" * 501}, "500"),
        ({"answer": " "}, "没有答案"),
        ({"answer": "答" * 50_001}, "50000"),
        ({"answer": ["x"]}, "answer"),
        ({"similar_questions": "一条"}, "similar_questions"),
        ({"similar_questions": [None]}, "similar_questions.0"),
        ({"similar_questions": ["!"]}, "没有文字"),
        ({"similar_questions": ["问"] * 1001}, "1000"),
        ({"enabled": "是"}, "enabled"),
        ({"enabled": 1}, "enabled"),
        ({"valid_from": "2026-02-30"}, "生效日"),
        ({"valid_from": "2026-05-01", "valid_to": "2026-01-01"}, "生效日晚于失效日"),
        ({"extra": {"相似问": "x"}}, "相似问"),
        ({"extra": {"": "x"}}, "extra"),
        ({"extra": {"a": 1}}, "extra.a"),
        ({"extra": []}, "extra"),
        ({"unknown": 1}, "unknown"),
        ({"entry_id": "refund"}, "refund"),
    ],
)
def test_what_cannot_be_an_entry_is_refused_by_name(client, wrong, named):
    body = {"question": "几点开门？", "answer": "九点", "entry_id": "", **wrong}
    response = client.post(ENTRIES, json=body)
    assert response.status_code == 422
    assert named in response.json()["error"]["message"]


def test_half_a_character_is_stored_nowhere(client):
    for field in ("question", "answer", "category", "entry_id"):
        body = json.dumps({"question": "几点开门", "answer": "九点", field: "a\ud800"})
        headers = {"content-type": "application/json"}
        response = client.post(ENTRIES, content=body.encode(), headers=headers)
        assert response.status_code == 422, field
        response = client.post(BULK, content=f'{{"entries": [{body}]}}'.encode(), headers=headers)
        assert response.status_code in (400, 422), field


# Many at once


def test_json_entries_are_added_and_updated_in_one_revision(client, served):
    rows = [DELIVERY, {"question": "如何申请退货？", "answer": "新的答案"}]
    job = served.job(client, client.post(BULK, json={"entries": rows}))
    assert (job["state"], job["kind"], job["by"]) == ("done", "import", "程序-publish (API)")
    assert job["result"] | {"notes": []} == {
        "published": {"revision": 2, "encoded": job["result"]["published"]["encoded"]},
        "added": 1,
        "updated": 1,
        "unchanged": 0,
        "disabled": 0,
        "failed": 0,
        "failed_rows": [],
        "notes": [],
    }
    assert job["done"] == job["total"] > 0
    [added] = client.get(ENTRIES, params={"query": "多久能送到"}).json()["entries"]
    assert fields_of(added) == DELIVERY
    assert read(client, "refund")["answer"] == "新的答案"


def test_the_same_again_changes_nothing_and_replace_disables_what_is_missing(client, served):
    body = {"entries": [DELIVERY]}
    served.job(client, client.post(BULK, json=body))
    again = served.job(client, client.post(BULK, json=body))
    assert (again["result"]["published"], again["result"]["unchanged"]) == (None, 1)
    looked = served.job(client, client.post(f"{BULK}?mode=replace&dry_run=true", json=body))
    assert (looked["result"]["published"], looked["result"]["disabled"]) == (None, 4)
    assert client.get(ENTRIES, params={"status": "停用"}).json()["total"] == 0
    served.job(client, client.post(f"{BULK}?mode=replace", json=body))
    assert client.get(ENTRIES, params={"status": "停用"}).json()["total"] == 4


def test_refused_rows_are_named_by_their_number_and_the_others_are_taken(client, served):
    rows = [
        {"question": "多行的\n问题", "answer": "第一行\n第二行\n第三行"},
        {"question": "", "answer": "没有问题"},
        {
            "question": "有效期反了",
            "answer": "x",
            "valid_from": "2026-09-01",
            "valid_to": "2026-01-01",
        },
        {"question": "好的", "answer": "好"},
        {"question": "没有答案", "answer": ""},
    ]
    job = served.job(client, client.post(BULK, json={"entries": rows}))
    assert (job["result"]["added"], job["result"]["failed"]) == (2, 3)
    assert [row["number"] for row in job["result"]["failed_rows"]] == [1, 2, 4]
    assert all(row["reason"] for row in job["result"]["failed_rows"])


def test_a_table_comes_in_as_console_and_command_line_read_it(client, served):
    table = SMALL_FAQ.replace("在「我的订单」点「申请售后」", "在订单里申请").encode("gb18030")
    job = served.job(client, client.post(BULK, content=table, headers=CSV))
    assert (job["result"]["updated"], job["result"]["unchanged"]) == (1, 3)
    assert "订单里" in read(client, "refund")["answer"]
    for form in ("csv", "xlsx"):
        exported = client.get("/api/v1/entries:export", params={"format": form})
        assert "attachment" in exported.headers["content-disposition"]
        headers = {"content-type": exported.headers["content-type"]}
        job = served.job(client, client.post(BULK, content=exported.content, headers=headers))
        assert job["result"]["unchanged"] == 4


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid_json"),
        (b"[" * 10_000, "application/json", 400, "invalid_json"),
        (b'{"entries": []}', "application/json", 422, "invalid_request"),
        (b'{"entries": null}', "application/json", 422, "invalid_request"),
        (
            b'{"entries": [{"question": 1, "answer": ""}]}',
            "application/json",
            422,
            "invalid_request",
        ),
        (b"x", "application/pdf", 415, "unsupported_type"),
        (b"x", "", 415, "unsupported_type"),
    ],
)
def test_a_body_that_is_no_table_is_refused_at_once(client, content, kind, status, code):
    response = client.post(BULK, content=content, headers={"content-type": kind})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert client.get("/api/v1/jobs").json() == []


@pytest.mark.parametrize(("content", "kind"), [(b"", "text/csv"), (b"PK\x03\x04", "xlsx")])
def test_a_file_that_cannot_be_read_fails_the_job_with_the_reason(client, served, content, kind):
    xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    headers = {"content-type": xlsx if kind == "xlsx" else kind}
    job = served.job(client, client.post(BULK, content=content, headers=headers))
    assert (job["state"], job["error"]["code"]) == ("failed", "invalid_table")
    assert client.get("/api/v1/revisions").json()["current"] == 1


def test_a_job_that_breaks_too_much_fails_and_may_be_insisted_on(client, served):
    add_cases(served.service.store, [NewCase("怎么退货", "refund", "手工")], "test")
    client.put("/api/v1/settings/gate", json={"allowed": 0})
    body = {"entries": [DELIVERY]}
    job = served.job(client, client.post(f"{BULK}?mode=replace", json=body))
    assert (job["state"], job["error"]["code"]) == ("failed", "would_break")
    assert [each["query"] for each in job["error"]["broken"]] == ["怎么退货"]
    job = served.job(client, client.post(f"{BULK}?mode=replace&insist=true", json=body))
    assert job["state"] == "done"


class Pausing:
    """The encoder, but the first text of an import waits until it is told to go on."""

    def __init__(self, encoder):
        self._encoder = encoder
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def encode(self, texts, *, progress=None, **more):
        if progress is None or len(texts) < 3:
            return self._encoder.encode(texts, **more)
        self.reached.set()
        assert self.go_on.wait(30)
        return self._encoder.encode(texts, progress=progress, **more)


def test_a_running_job_is_stopped_before_anything_is_written(client, served):
    current = served.service._current
    pausing = current.encoder = Pausing(current.encoder)
    running = client.post(BULK, json={"entries": [DELIVERY]})
    waiting = client.post(BULK, json={"entries": [{"question": "另一条", "answer": "答"}]})
    assert pausing.reached.wait(30)
    first, second = (f"/api/v1/jobs/{each.json()['id']}" for each in (running, waiting))
    assert client.get(first).json()["state"] == "running"
    assert client.get(second).json()["state"] == "waiting"
    assert client.delete(second).json()["state"] == "cancelled"
    assert client.delete(first).status_code == 202
    pausing.go_on.set()
    assert served.job(client, running)["state"] == "cancelled"
    assert client.get(first).json()["result"] is None
    assert client.get("/api/v1/revisions").json()["current"] == 1
    assert client.get(ENTRIES).json()["total"] == 4
    over = client.delete(first)
    assert (over.status_code, over.json()["error"]["code"]) == (409, "finished")
    # And the next one is done as if nothing had been.
    job = served.job(client, client.post(BULK, json={"entries": [DELIVERY]}))
    assert job["state"] == "done"
    assert [each["state"] for each in client.get("/api/v1/jobs").json()] == [
        "done",
        "cancelled",
        "cancelled",
    ]


def test_only_so_many_jobs_wait(client, served):
    current = served.service._current
    pausing = current.encoder = Pausing(current.encoder)
    body = {"entries": [DELIVERY]}
    client.post(BULK, json=body)
    assert pausing.reached.wait(30)
    codes = [client.post(BULK, json=body).status_code for _ in range(9)]
    assert codes == [202] * 8 + [429]
    pausing.go_on.set()


def test_an_unknown_job_is_told_so(client):
    assert client.get("/api/v1/jobs/none").status_code == 404
    assert client.delete("/api/v1/jobs/none").status_code == 404
