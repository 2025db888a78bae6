import functools
import os
import shutil

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from faq_app import health
from faq_app.access import Access
from faq_app.api import errors
from faq_app.front import Load
from faq_app.keys import Keys
from faq_app.metrics import Metrics
from faq_app.service import Service
from indexer.build import publish
from indexer.errors import StoreError
from indexer.records import Entry
from indexer.store import Store

ENTRY = Entry(key="refund", question="如何申请退货？", answer="点「申请售后」。")


@pytest.fixture
def service(tmp_path, encoder):
    folder = tmp_path / "db"
    folder.mkdir()
    store = Store.create(folder / "faq.db")
    publish(store, store.snapshot(), encoder, [ENTRY])
    service = Service(store, encoder)
    yield service
    service.close()


@pytest.fixture
def load():
    return Load()


@pytest.fixture
def app(service, load):
    app = FastAPI()
    app.state.access = Access(Keys(service.store))
    errors.install(app)
    app.include_router(health.routes(service, Metrics(), load))
    return app


def client(app, address="127.0.0.1"):
    return TestClient(app, client=(address, 50000))


def test_ready_names_what_is_served(app, encoder):
    response = client(app).get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "revision": 1,
        "entry_count": 1,
        "encoder_fingerprint": encoder.fingerprint,
        "calibrated": False,
    }


def test_alive_asks_nobody(app, service, monkeypatch):
    monkeypatch.setattr(Store, "reading", None)
    assert client(app).get("/healthz").json() == {"status": "ok"}


def test_who_stops_is_not_ready_but_alive(app, load):
    load.stopping = True
    response = client(app).get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "not_ready", "reasons": ["正在停止"]}
    assert client(app).get("/healthz").status_code == 200


def test_a_database_that_cannot_be_read_is_a_reason(app, service, monkeypatch):
    def fail():
        raise StoreError("/secret/path: locked")

    monkeypatch.setattr(service.store, "revision", fail)
    response = client(app).get("/readyz")
    assert response.status_code == 503
    assert "数据库读不了" in response.text
    assert "secret" not in response.text


def test_a_disk_that_cannot_be_written_is_a_reason(app, service, monkeypatch):
    folder = service.store.path.parent
    assert health._writable(folder)
    assert set(os.listdir(folder)) <= {"faq.db", "faq.db-wal", "faq.db-shm"}  # nothing stays
    full = functools.partial(open, "/dev/full", "wb", 0)
    monkeypatch.setattr(health.tempfile, "TemporaryFile", lambda **_: full())
    response = client(app).get("/readyz")
    assert response.status_code == 503
    assert "写不了" in response.text
    monkeypatch.undo()
    shutil.rmtree(folder)
    assert not health._writable(folder)


def test_metrics_are_for_this_machine_or_a_key_of_that_scope(app, service):
    keys = app.state.access._keys
    right, wrong = (keys.create(scope, [scope], by="test") for scope in ("metrics", "publish"))
    local, far = client(app), client(app, "192.0.2.1")
    assert local.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")
    assert far.get("/metrics").status_code == 401
    for secret, status in ((right, 200), (wrong, 403), ("faq_x", 401)):
        headers = {"authorization": f"Bearer {secret}"}
        assert far.get("/metrics", headers=headers).status_code == status
    # A proxy on this machine asks for somebody.
    assert local.get("/metrics", headers={"x-forwarded-for": "192.0.2.1"}).status_code == 401
    assert local.get("/metrics", headers={"x-forwarded-for": "127.0.0.1"}).status_code == 200


def test_metrics_tell_of_the_real_service(app, service):
    service.ask("如何申请退货？")
    service.flush()
    text = client(app).get("/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["faq_revision"].samples[0].value == 1
    (reply,) = families["faq_replies"].samples
    assert (reply.labels, reply.value) == ({"decision": "answer", "reason": "exact"}, 1)
    assert families["faq_memory_bytes"].samples[0].value > 10**7
