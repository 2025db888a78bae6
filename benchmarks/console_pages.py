"""python benchmarks/console_pages.py CORPUS

How long does an operator wait for a page of the console? On 10,000 real questions: each page's
first opening at once after a publish, its first opening after what pages need was made in the
background, and its second; and how long a customer waits meanwhile. The peer is one plain search.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from fastapi import FastAPI
from fastapi.testclient import TestClient

from distill.encoder import Encoder
from faq_app import console
from faq_app.accounts import Accounts, User
from faq_app.operations import words
from faq_app.operations.desk import Desk
from faq_app.service import Service
from indexer.build import publish
from indexer.store import Store
from keyword_change import _entries, _texts, _word

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "console_pages.json"
REPETITIONS = 2
LOGGED = 5_000  # rows of the query log, of 300 different queries
PAGES = {
    "关键词": "words", "知识管理": "entries", "未命中": "vain", "回归集": "cases",
    "统计": "figures", "版本": "revisions", "设置": "settings", "管理": "people",
}  # fmt: skip
USER = User("运营甲", "publisher", "2026-01-01T00:00:00+00:00")


def main() -> None:
    """Measure, print and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    busy = round(os.getloadavg()[0], 1)
    texts = _texts(parser.parse_args().corpus)
    encoder = Encoder.load(ROOT / "data" / "encoder")
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(Path(folder) / "faq.db")
        publish(store, store.snapshot(), encoder, list(_entries(texts, 5)), by="运营甲")
        service = Service(store, encoder)
        asked = texts[-300:]
        _log(service, asked)
        with _served(service) as (open_page, follow, desk):
            result = _measure(desk, open_page, follow, asked)
        service.close()
    result = {
        "what": "milliseconds from a click on a tab of the console until its reply is there, by "
        "HTTP in one process; without the browser's drawing, and the network",
        "timing": "at_once: the first opening as soon as a keyword's new weight is published, "
        "while what pages need is being made in the background; prepared: the first opening after "
        "that was made; again: the second opening. 设置 shows its curve in a second step, "
        "设置 (curve). customer: a search while that is made. ratio: to the median of "
        "search_ms, a plain search on a desk at rest, in the same run",
        "repetitions": REPETITIONS,
        "cores": os.cpu_count(),
        "load_average_before": busy,
        "encoder": encoder.fingerprint,
        "versions": {name: version(name) for name in ("gradio", "numpy", "onnxruntime")},
        **result,
    }
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, ensure_ascii=False, indent=1))


def _log(service: Service, asked: Sequence[str]) -> None:
    """Fill the query log with what the FAQ says to these queries, spread over a month."""
    now, store, rows = datetime.now(UTC), service.store, []
    replies = [service.ask(query) for query in asked]
    for number in range(LOGGED):
        reply = replies[number % len(replies)]
        at = now - timedelta(minutes=8 * number)
        rows.append(
            {
                "trace_id": f"t{number}",
                "query": reply.query,
                "text": reply.query,
                "decision": reply.decision,
                "reason": reply.reason,
                "entry_key": reply.entry_id,
                "hits": [],
                "revision": reply.revision,
                "milliseconds": 3.0,
                "asked_at": at.isoformat(timespec="milliseconds"),
            }
        )
    store.log_queries(rows)


@contextmanager
def _served(
    service: Service,
) -> Iterator[tuple[Callable[[str], float], Callable[[], float], Desk]]:
    """Serve the console to one who is logged in; yields what opens a page, in milliseconds."""
    accounts = Accounts(service.store)
    desk = Desk(service, accounts.audit)
    page = console.build(desk, accounts)
    page.queue()
    app = FastAPI()
    gr.mount_gradio_app(app, page, "/admin")
    with TestClient(_logged_in(app)) as client:
        config = client.get("/admin/config").json()
        named = {item["id"]: item for item in config["components"]}
        tabs = {
            item["props"].get("id"): item["id"]
            for item in config["components"]
            if item["type"] == "tabitem"
        }
        events = {
            tuple(target): event
            for event in config["dependencies"]
            for target in event["targets"]
            if target[1] == "select"
        }

        def call(event: Mapping[str, Any]) -> float:
            values = [named[number]["props"].get("value") for number in event["inputs"]]
            data = ["" if value is None else value for value in values]  # as a browser has it
            body = {"data": data, "fn_index": event["id"], "session_hash": "one"}
            started = time.perf_counter()
            reply = client.post("/admin/gradio_api/run/predict", json=body)
            milliseconds = 1000 * (time.perf_counter() - started)
            reply.raise_for_status()
            return milliseconds

        settings = events[(tabs["settings"], "select")]
        after = next(
            event for event in config["dependencies"] if event["trigger_after"] == settings["id"]
        )
        yield lambda name: call(events[(tabs[name], "select")]), lambda: call(after), desk


def _logged_in(app: FastAPI) -> Callable[..., Any]:
    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await app({**scope, "user": USER} if scope["type"] == "http" else scope, receive, send)

    return answer


def _measure(
    desk: Desk,
    open_page: Callable[[str], float],
    follow: Callable[[], float],
    asked: Sequence[str],
) -> dict[str, Any]:
    word = _word([question.text for question in desk.searcher.questions])
    factors = iter([round(0.5 + n / 100, 2) for n in range(1, 400)])

    def published() -> None:
        words.save(desk, word, next(factors), USER.name)

    def settle() -> None:
        while desk._warming is not None:
            time.sleep(0.02)

    def plain(query: str) -> float:
        started = time.perf_counter()
        desk.searcher.search(query)
        return 1000 * (time.perf_counter() - started)

    for name in PAGES.values():
        open_page(name)
    settle()
    search = [plain(query) for query in asked[:200]]
    opened: dict[str, dict[str, list[float]]] = {}
    customers = []

    def note(page: str, when: str, milliseconds: float) -> None:
        opened.setdefault(page, {}).setdefault(when, []).append(milliseconds)

    for _ in range(REPETITIONS):
        for page, name in PAGES.items():
            published()
            note(page, "at_once", open_page(name))
            if page == "设置":
                note("设置 (curve)", "at_once", follow())
            settle()
        published()
        while desk._warming is not None:
            customers.append(plain(asked[len(customers) % len(asked)]))
        for when in ("prepared", "again"):
            for page, name in PAGES.items():
                note(page, when, open_page(name))
            note("设置 (curve)", when, follow())
    peer = float(np.median(search))
    store = desk.service.store
    return {
        "rows": {
            "questions": len(desk.searcher.questions),
            "entries": len(desk.searcher.entries),
            "words": len(words.words(desk)),
            "logged_queries": LOGGED,
            "revisions": store.revision(),
        },
        "search_ms": round(peer, 2),
        "customer": {
            "median_ms": round(float(np.median(customers)), 1),
            "p95_ms": round(float(np.percentile(customers, 95)), 1),
            "ratio": round(float(np.median(customers)) / peer, 1),
        },
        "pages": {
            page: {
                when: {
                    "median_ms": round(float(np.median(times)), 1),
                    "max_ms": round(max(times), 1),
                    "ratio": round(float(np.median(times)) / peer, 1),
                }
                for when, times in whens.items()
            }
            for page, whens in opened.items()
        },
    }


if __name__ == "__main__":
    main()
