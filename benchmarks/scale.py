"""python benchmarks/scale.py CORPUS [PART …] [--rows 1000000] [--folder build/scale]

What do a thousand, ten thousand … a million questions cost? Parts, each written into
results/scale.json once it is measured: ``vectors`` (VectorIndex alone: build, memory, time, and
Recall@10 against all vectors in float32, the peer of the same run) and ``product`` (a database of
so many questions, five an entry, with answers: load, memory, time of an answer). Texts are distinct
real sentences; they are encoded once, into the folder, and a run that is broken off goes on where
it stopped: a million take some twelve minutes of a core, and up to 5 GB of memory to measure.
Needs two cores that do nothing else.
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from distill.corpus import read_sentences
from distill.encoder import Encoder
from distill.text import normalise, speaks
from faq_app.metrics import memory
from faq_app.service import Service
from faq_app.startup import uncollected
from indexer.build import publish
from indexer.records import Entry
from indexer.store import Store
from indexer.vector_index import SCANNED_UP_TO, VectorIndex

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "scale.json"
SOURCES = (
    *("pair_questions", "mrc_questions_passages", "kgclue_questions", "simclue", "qbqtc"),
    *("zhihu_hot", "taobao_chat", "jddc_chat", "insuranceqa_zh", "nlpcc_kbqa"),
    *("thucnews_headlines", "sohu_titles", "multicpr_ecom", "v2ex_posts"),
)
COUNTS = (1_000, 10_000, 100_000, 300_000, 1_000_000)
QUESTIONS = (1_000, 10_000, 100_000)
QUERIES, WARM, NEAR = 1000, 100, 60  # the product asks the vectors for so many
WORDINGS, SENTENCES = 5, 4  # of an entry, and of its answer
_PART = 1024  # texts encoded at a time


@dataclass(frozen=True)
class Sentences:
    """Texts, and the vectors of as many of the first as are encoded."""

    texts: Sequence[str]
    vectors: np.ndarray  # float16 (n, d), on disk

    def unit(self, rows: slice) -> np.ndarray:
        """Return vectors as float32 of unit length: half precision shortens them a little."""
        found = self.vectors[rows].astype(np.float32)
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        return found


def main() -> None:
    """Encode what is missing, measure, print and write the result file."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    encoder = Encoder.load(ROOT / "data" / "encoder")
    texts = _texts(options.corpus, options.folder / "texts.txt")
    for part in options.parts or PARTS:
        busy = round(os.getloadavg()[0], 1)
        for name, found in PARTS[part](texts, encoder, options.rows, options.folder):
            print(part, name, json.dumps(found), flush=True)
            _keep(part, name, found | {"load_average_before": busy}, encoder)


def _keep(part: str, name: str, found: dict[str, Any], encoder: Encoder) -> None:
    kept = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    kept |= {
        "what": "vectors: of distinct real sentences, none twice, kept in half precision until "
        f"then; queries are {QUERIES} others; peer: FAISS, all vectors in float32. product: "
        f"{WORDINGS} questions an entry, answers of {SENTENCES} sentences, queries each asked once",
        "timing": "search: milliseconds of one thread, ours and the peer's in turn; processor: "
        "what other work on the machine lengthens least; memory: resident, in a process of its own",
        "scanned_up_to": SCANNED_UP_TO,
        "cores": os.cpu_count(),
        "encoder": encoder.fingerprint,
        "versions": {n: version(n) for n in ("numpy", "onnxruntime", "faiss-cpu")},
    }
    kept[part] = {**kept.get(part, {}), name: found}
    kept[part] = {n: kept[part][n] for n in sorted(kept[part], key=int)}
    RESULT.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _texts(corpus: Path, kept: Path) -> list[str]:
    if not kept.exists():
        files = [corpus / "mono" / f"{name}.txt.xz" for name in SOURCES]
        found = dict.fromkeys(text for text in read_sentences(files) if 5 <= len(text) <= 40)
        texts = [text for text in found if speaks(normalise(text))]
        order = np.random.default_rng(0).permutation(len(texts))
        kept.write_text("\n".join(texts[i] for i in order), encoding="utf-8")
    return kept.read_text(encoding="utf-8").split("\n")


def _encoded(texts: Sequence[str], encoder: Encoder, rows: int, folder: Path) -> Sentences:
    """Encode so many texts, or as many as there are; go on where an earlier run stopped."""
    path, rows = folder / "vectors.f16.npy", min(rows + QUERIES, len(texts))
    if path.exists():
        vectors = np.load(path, mmap_mode="r+")
    else:
        shape = (len(texts), encoder.dimension)
        vectors = np.lib.format.open_memmap(path, "w+", np.float16, shape)
    done = int(np.searchsorted(-np.abs(vectors[:, 0]).astype(bool).astype(int), 0))
    done = max(0, min(done, rows) - _PART)  # the last part may have been cut short
    for start in range(done, rows, _PART):
        end = min(start + _PART, rows)
        vectors[start:end] = encoder.encode(texts[start:end])
    vectors.flush()
    return Sentences(texts[:rows], vectors[:rows])


def _vectors(
    texts: Sequence[str], encoder: Encoder, rows: int, folder: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    held = _encoded(texts, encoder, rows, folder)
    room = len(held.texts) - QUERIES
    for count in sorted({*(count for count in COUNTS if count <= room), room}):
        yield str(count), _apart(_measure_vectors, held.texts[:0], folder, count, room)


def _measure_vectors(_: Sequence[str], folder: Path, count: int, room: int) -> dict[str, Any]:
    held = Sentences((), np.load(folder / "vectors.f16.npy", mmap_mode="r"))
    queries = held.unit(slice(room, room + QUERIES))
    vectors = held.unit(slice(0, count))
    before, started, worked = memory(), time.perf_counter(), time.process_time()
    index = VectorIndex(vectors)
    built = time.perf_counter() - started, time.process_time() - worked
    grown = memory() - before
    peer = faiss.IndexFlatIP(vectors.shape[1])
    peer.add(vectors)
    faiss.omp_set_num_threads(1)
    ours, theirs, right = [], [], 0
    for query in queries:
        started = time.perf_counter()
        found = index.search(query, NEAR)
        ours.append(1000 * (time.perf_counter() - started))
        started = time.perf_counter()
        nearest = peer.search(query[None], NEAR)[1][0]
        theirs.append(1000 * (time.perf_counter() - started))
        right += len({*found[:10].tolist()} & {*nearest[:10].tolist()})
    return {
        "kind": "scan" if index.scanned else "cells",
        "build_seconds": round(built[0], 2),
        "build_processor_seconds": round(built[1], 2),
        "vectors_mb": round(vectors.nbytes / 1e6, 1),
        "index_mb": round(grown / 1e6, 1),
        "search_ms": _percentiles(ours),
        "peer_ms": _percentiles(theirs),
        "times_faster": round(float(np.median(theirs) / np.median(ours)), 1),
        "recall_at_10": round(right / (10 * len(queries)), 4),
        "queries": len(queries),
    }


def _product(
    texts: Sequence[str], encoder: Encoder, rows: int, folder: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    most = max(QUESTIONS)
    queries = texts[2 * most : 2 * most + WARM + QUERIES]
    for count in QUESTIONS:
        db = folder / f"faq-{count}.db"
        if not db.exists():
            unfinished = db.with_suffix(".part")
            unfinished.unlink(missing_ok=True)
            store = Store.create(unfinished)
            publish(store, store.snapshot(), encoder, list(_entries(texts, count)))
            store.close()
            unfinished.rename(db)
        yield str(count), _apart(_measure_product, queries, db, count, 0)


def _entries(texts: Sequence[str], count: int) -> Iterator[Entry]:
    for number in range(count // WORDINGS):
        question, *variants = texts[number * WORDINGS : (number + 1) * WORDINGS]
        said = count + SENTENCES * number
        answer = "。".join(texts[said : said + SENTENCES])
        yield Entry(key=str(number), question=question, variants=tuple(variants), answer=answer)


def _measure_product(queries: Sequence[str], db: Path, count: int, _: int) -> dict[str, Any]:
    encoder = Encoder.load(ROOT / "data" / "encoder")
    encoder.encode(["预热"])
    before, started, worked = memory(), time.perf_counter(), time.process_time()
    with uncollected():  # as the server does
        service = Service(Store.open(db), encoder, remembered=0)
    loaded = time.perf_counter() - started, time.process_time() - worked
    for query in queries[:WARM]:
        service.ask(query)
    times, processor = [], time.thread_time()
    for query in queries[WARM:]:
        started = time.perf_counter()
        service.ask(query)
        times.append(1000 * (time.perf_counter() - started))
    processor = 1000 * (time.thread_time() - processor) / len(times)
    resident = memory()
    service.close()
    return {
        "entries": count // WORDINGS,
        "database_mb": round(db.stat().st_size / 1e6, 1),
        "load_seconds": round(loaded[0], 2),
        "load_processor_seconds": round(loaded[1], 2),
        "memory_mb": round(resident / 1e6, 1),
        "memory_without_the_faq_mb": round(before / 1e6, 1),
        "ask_ms": _percentiles(times),
        "ask_processor_ms": round(processor, 3),
        "asked": len(times),
    }


def _apart(measure: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """Measure in a process that holds nothing else."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, *given).result()


def _percentiles(times: Sequence[float]) -> dict[str, float]:
    return {
        "p50": round(float(np.percentile(times, 50)), 3),
        "p99": round(float(np.percentile(times, 99)), 3),
    }


PARTS: dict[str, Callable[..., Iterator[tuple[str, dict[str, Any]]]]] = {
    "vectors": _vectors,
    "product": _product,
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []])
    parser.add_argument("--rows", type=int, default=max(COUNTS))
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "scale")
    return parser.parse_args()


if __name__ == "__main__":
    main()
