"""python benchmarks/soak.py FAQ.db [--asks 200000] [--seconds-between 5] [--threads 4]

Does it stay whole and small? Threads ask a copy of a database without end while a keyword's weight
changes every few seconds, each time together with the answer of one entry, which then names the
revision: a reply that mixes two revisions shows. Some six minutes at 600 asks a second; the
database that load.py builds will do.
"""

import argparse
import itertools
import json
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from distill.encoder import Encoder
from faq_app.metrics import memory
from faq_app.service import Service
from indexer.build import publish
from indexer.records import Entry
from indexer.store import Store

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "soak.json"
CANARY = Entry(key="canary", question="今天的口令是什么", answer="1")
FACTORS = (2.0, 0.5, 3.0, 0.25)
SHARE = 10  # one ask in so many is for the canary
WARM = 0.2  # of the asks, before memory is first looked at: memories of replies fill up, too


@dataclass
class Soak:
    """What was seen."""

    asks: int = 0
    revisions: int = 0
    canaries: int = 0
    mixed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    decisions: Counter[str] = field(default_factory=Counter)
    memory_mb: list[float] = field(default_factory=list)  # warm, and from then on


def soak(db: Path, encoder: Encoder, asks: int, pause: float, threads: int) -> Soak:
    """Ask ``asks`` times on ``threads`` while the weight changes every ``pause`` seconds."""
    store = Store.open(db)
    publish(store, store.snapshot(), encoder, [_canary(store)])
    service, seen = Service(store, encoder), Soak()
    queries = [q.text for q in service.searcher.questions]
    word = max(("花呗", "退货", "还款", "发票"), key=lambda w: sum(w in text for text in queries))
    counting, turns = threading.Lock(), itertools.count()

    def customer() -> None:
        while (turn := next(turns)) < asks:
            asked = (
                CANARY.question if turn % SHARE == 0 else f"{queries[turn % len(queries)]}{turn}"
            )
            try:
                reply = service.ask(asked)
            except Exception as error:  # whatever it is, it is what is looked for
                seen.errors.append(repr(error))
                continue
            with counting:
                seen.asks += 1
                seen.decisions[reply.decision] += 1
                if asked is CANARY.question:
                    seen.canaries += 1
                    if reply.answer != str(reply.revision):
                        seen.mixed.append(f"revision {reply.revision}: {reply.answer!r}")

    running = [threading.Thread(target=customer) for _ in range(threads)]
    for thread in running:
        thread.start()
    changed = time.monotonic()
    for factor in itertools.cycle(FACTORS):
        while any(thread.is_alive() for thread in running) and time.monotonic() < changed + pause:
            time.sleep(min(0.05, pause))
        if not any(thread.is_alive() for thread in running):
            break
        changed = time.monotonic()
        settings = {"keywords": {word: factor}}
        publish(store, store.snapshot(), encoder, [_canary(store)], settings)
        seen.revisions += 1
        if seen.asks >= WARM * asks:
            seen.memory_mb.append(round(memory() / 1e6, 1))
    seen.memory_mb.append(round(memory() / 1e6, 1))
    service.close()
    return seen


def _canary(store: Store) -> Entry:
    return replace(CANARY, answer=str(store.revision() + 1))


def main() -> None:
    """Soak, print and write the result file."""
    options = _options()
    busy = round(os.getloadavg()[0], 1)
    encoder = Encoder.load(ROOT / "data" / "encoder")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory:
        db = Path(shutil.copy(options.db, directory))
        seen = soak(db, encoder, options.asks, options.seconds_between, options.threads)
    result = {
        "what": "threads ask one service while a keyword's weight and an answer change; mixed: "
        "replies whose answer is another revision's than they say",
        "asks": seen.asks,
        "threads": options.threads,
        "seconds": round(time.perf_counter() - started, 1),
        "seconds_between_changes": options.seconds_between,
        "weight_changes": seen.revisions,
        "canaries": seen.canaries,
        "mixed": len(seen.mixed),
        "errors": len(seen.errors),
        "decisions": dict(sorted(seen.decisions.items())),
        "memory_mb": {"warm": seen.memory_mb[0], "end": seen.memory_mb[-1]},
        "memory_growth_mb": round(seen.memory_mb[-1] - seen.memory_mb[0], 1),
        "encoder": encoder.fingerprint,
        "load_average_before": busy,
    }
    print(json.dumps(result, ensure_ascii=False, indent=1))
    print(*seen.mixed[:5], *seen.errors[:5], sep="\n")
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("db", type=Path)
    parser.add_argument("--asks", type=int, default=200_000)
    parser.add_argument("--seconds-between", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=4)
    return parser.parse_args()


if __name__ == "__main__":
    main()
