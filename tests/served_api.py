"""An API over a small FAQ, with a key for each scope: what tests of its routes share."""

import threading
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.testclient import TestClient

from faq_app import api
from faq_app.access import Access
from faq_app.keys import Keys
from faq_app.operations.desk import Desk
from faq_app.service import Service
from indexer.build import plan_import, publish
from indexer.store import Store
from indexer.table_import import read_table

SCOPES = ("ask", "embed", "read", "edit", "publish")


@dataclass
class Served:
    """A running API; ``secrets`` by scope, ``noted`` what the audit log would have been told."""

    app: FastAPI
    service: Service
    desk: Desk
    secrets: dict[str, str]
    noted: list[tuple[str, str, str]]

    def client(self, scope="publish"):
        """Return a client with a key of this scope; "" for none."""
        client = TestClient(self.app, raise_server_exceptions=False)
        if scope:
            client.headers["authorization"] = f"Bearer {self.secrets[scope]}"
        return client

    def job(self, client, response):
        """Return what became of the job that a response announces."""
        assert response.status_code == 202, response.text
        number = response.json()["id"]
        for thread in threading.enumerate():
            if thread.name == "jobs":
                thread.join(60)
        return client.get(f"/api/v1/jobs/{number}").json()


def serve(folder, encoder, faq):
    """Return an API over a database made of a FAQ table."""
    db = folder / "faq.db"
    store = Store.create(db)
    snapshot = store.snapshot()
    publish(store, snapshot, encoder, plan_import(snapshot, read_table(faq), "replace").changes)
    service = Service(store, encoder)
    keys, noted = Keys(store), []
    secrets = {scope: keys.create(f"程序-{scope}", [scope], by="test") for scope in SCOPES}
    app = FastAPI(title="FAQ")
    app.state.access = Access(keys, require_key=True)
    desk = Desk(service, lambda *what: noted.append(what))
    api.install(app, service, desk)
    return Served(app, service, desk, secrets, noted)
