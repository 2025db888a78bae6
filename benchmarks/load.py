"""python benchmarks/load.py CORPUS [PART …] [--folder build/load]

How fast is the product under load, at 10,000 questions? Parts, each a few minutes at most, each
written into results/load.json once it is measured: ``ask`` (in the process, and where its time
goes), ``http`` (start, requests a second, memory), ``workers`` (the same with processes that help
to answer), ``bert`` (the same server with BERT-base for an encoder; needs the distill extra). All
of them without naming any. Needs two cores that do nothing else.
"""

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from distill.encoder import Encoder
from faq_app.service import Service
from faq_app.startup import uncollected
from http_load import ask_all
from indexer.build import publish
from indexer.store import Store
from keyword_change import QUESTIONS, _entries, _texts
from stages import where_time_goes

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "load.json"
WORDINGS, ASKED, WARM = 5, 4000, 200
CONNECTIONS = (1, 8, 32)
BERT_ASKED = 160  # of BERT-base, at some 20 a second
PAGES = ("/", "/admin/login", "/healthz", "/readyz", "/metrics", "/api/openapi.json", "/widget.js")


def main() -> None:
    """Measure what is asked for, print it and put it into the result file."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    texts = _texts(options.corpus)
    db = options.folder / "faq.db"
    if not db.exists():
        _build(db, texts)
    # Not among the questions, nor among the sentences of the answers.
    queries = texts[QUESTIONS + 4 * QUESTIONS // WORDINGS :]
    for part in options.parts or PARTS:
        busy = round(os.getloadavg()[0], 1)
        found = PARTS[part](db, queries)
        print(part, json.dumps(found, ensure_ascii=False, indent=1), flush=True)
        _keep(part, found | {"load_average_before": busy})


def _keep(part: str, found: dict[str, Any]) -> None:
    kept = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    kept |= {
        "what": "10,000 real questions in 2,000 entries of five wordings, answers of four "
        "sentences; queries are other real questions, each asked once, so that none of them is "
        "remembered (but where it says so)",
        "timing": "ask: Service.ask on one thread, everything but the log's writing, which another "
        "thread does meanwhile; http: from the first byte of a request to the last of its reply, "
        "client and server on the same cores, keep-alive; start: from the process to its first "
        "answer, imports included; memory: resident, by /proc",
        "cores": os.cpu_count(),
        "encoder": Encoder.load(ROOT / "data" / "encoder").fingerprint,
        "versions": {"python": platform.python_version()}
        | {
            name: version(name)
            for name in ("numpy", "onnxruntime", "faiss-cpu", "uvicorn", "uvloop")
        },
        part: found,
    }
    RESULT.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _build(db: Path, texts: Sequence[str]) -> None:
    store = Store.create(db)
    encoder = Encoder.load(ROOT / "data" / "encoder")
    publish(store, store.snapshot(), encoder, list(_entries(texts, WORDINGS)))
    store.close()


def _ask(db: Path, queries: Sequence[str]) -> dict[str, Any]:
    """Ask in this process, one after another."""
    store = Store.open(db)
    with uncollected():  # as the server does
        service = Service(store, Encoder.load(ROOT / "data" / "encoder"), remembered=0)
    for query in queries[:WARM]:
        service.ask(query)
    times, processor = [], time.thread_time()
    for query in queries[WARM : WARM + ASKED]:
        started = time.perf_counter()
        service.ask(query)
        times.append(1000 * (time.perf_counter() - started))
    processor = 1000 * (time.thread_time() - processor) / ASKED
    revision = _mean_us(store.revision)
    service.close()
    return {
        "asked": ASKED,
        "p50_ms": round(float(np.percentile(times, 50)), 3),
        "p99_ms": round(float(np.percentile(times, 99)), 3),
        "processor_ms": round(processor, 3),
        "looking_for_a_new_revision_us": revision,
        "stages_us": where_time_goes(db, queries[WARM : WARM + ASKED // 4]),
    }


def _mean_us(call: Callable[[], Any], times: int = 2000) -> float:
    started = time.thread_time()
    for _ in range(times):
        call()
    return round(1e6 * (time.thread_time() - started) / times, 1)


def _http(db: Path, queries: Sequence[str]) -> dict[str, Any]:
    """Ask `python app.py` over loopback."""
    begun = time.perf_counter()
    found: dict[str, Any] = {}
    with _serving([sys.executable, "app.py", "--db", str(db)]) as (process, port):
        found["start_seconds"] = round(time.perf_counter() - begun, 2)
        asked = iter(queries)
        _take(asked, port, WARM, 1)
        for connections in CONNECTIONS:
            load = _take(asked, port, ASKED, connections)
            found[f"{connections} connections"] = load
        again = queries[:1000]
        ask_all(port, again, 8)
        found["asked_again"] = ask_all(port, again, 8).summary()
        for page in PAGES:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}") as response:
                response.read()
        found["memory_mb"] = _memory_mb(process.pid)
    return found


def _workers(db: Path, queries: Sequence[str]) -> dict[str, Any]:
    """Ask `python app.py --workers N`, a process for each core but one."""
    count = max(1, (os.cpu_count() or 1) - 1)
    command = [sys.executable, "app.py", "--db", str(db), "--workers", str(count)]
    found: dict[str, Any] = {"workers": count}
    with _serving(command) as (process, port):
        while _metric(port, "faq_answering_processes") < count:
            time.sleep(0.1)
        asked = iter(queries)
        _take(asked, port, WARM, 1)
        for connections in CONNECTIONS:
            found[f"{connections} connections"] = _take(asked, port, ASKED, connections)
        found["memory_mb"] = round(sum(map(_memory_mb, [process.pid, *_children(process.pid)])), 1)
    return found


def _metric(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        lines = response.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text(encoding="ascii").split()]


def _take(asked: Iterator[str], port: int, count: int, connections: int) -> dict[str, Any]:
    return ask_all(port, [next(asked) for _ in range(count)], connections).summary()


def _bert(db: Path, queries: Sequence[str]) -> dict[str, Any]:
    """Ask the same server with BERT-base of random weights for an encoder."""
    found = {}
    for name in ("onnxruntime", "pytorch"):
        command = [sys.executable, "benchmarks/bert_server.py", "--peer", name, "--db", str(db)]
        with _serving(command) as (_, port):
            ask_all(port, queries[:8], 8)
            load = ask_all(port, queries[8 : 8 + BERT_ASKED], 8)
        found[name] = load.summary()
    return found


@contextmanager
def _serving(command: Sequence[str]) -> Iterator[tuple[subprocess.Popen, int]]:
    """Start a server; it has answered once when this gives it out."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    process = subprocess.Popen(
        [*command, "--port", str(port)], cwd=ROOT, env=os.environ | {"PYTHONPATH": path}
    )
    try:
        while not _listens(port):
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(command)}: ended by itself")
            time.sleep(0.05)
        ask_all(port, ["怎么退货"], 1)
        yield process, port
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return round(kilobytes * 1024 / 1e6, 1)


PARTS: dict[str, Callable[[Path, Sequence[str]], dict[str, Any]]] = {
    "ask": _ask,
    "http": _http,
    "workers": _workers,
    "bert": _bert,
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "load")
    return parser.parse_args()


if __name__ == "__main__":
    main()
