"""python benchmarks/build.py CORPUS --questions 100000

How long does it take to import a large FAQ, and how much memory? (A few minutes.)

`python -m indexer build` in a process of its own, into a database in which another process logs
what customers ask: the longest that a log row waits is how long the import holds the write lock.
The peer, in the same run: encoding the same texts, and nothing else. The questions are distinct
sentences that people wrote, taken from the corpus's mono folder; none of them is kept.
"""

import argparse
import csv
import json
import lzma
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from distill.bundle import Bundle
from distill.text import normalise, speaks
from indexer.errors import StoreError
from indexer.store import Store

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "build.json"
SOURCES = ("pair_questions", "jddc_chat", "taobao_chat", "zhihu_hot", "beike_chat")
AN_ENTRY = 5  # questions: one standard, four similar
PAUSE = 0.02  # seconds between two batches of the log
BATCH = 20

ENCODE = """
import sys
from pathlib import Path
from distill.encoder import Encoder
texts = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
encoder = Encoder.load(Path(sys.argv[2]))
encoder.encode(texts)
"""


def sentences(corpus: Path) -> Iterator[str]:
    """Yield distinct sentences, taking the sources in turn."""
    seen = set()
    with ExitStack() as stack:
        files = [
            stack.enter_context(
                lzma.open(corpus / "mono" / f"{name}.txt.xz", "rt", encoding="utf-8")
            )
            for name in SOURCES
        ]
        for lines in zip(*files, strict=False):  # until the shortest ends
            for line in lines:
                text = line.strip()
                if (key := normalise(text)) not in seen and speaks(key):
                    seen.add(key)
                    yield text


def write_faq(path: Path, questions: int, corpus: Path) -> list[str]:
    """Write a FAQ table of so many questions; return all its texts, answers too."""
    found, texts = sentences(corpus), []
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "category", "question", "similar_questions", "answer"])
        for number in range(questions // AN_ENTRY):
            own = [next(found) for _ in range(AN_ENTRY)]
            answer = f"{next(found)}。{next(found)}。"
            texts += [*own, answer]
            row = [f"k{number}", f"类{number % 50}", own[0], "##".join(own[1:]), answer]
            writer.writerow(row)
    return texts


@dataclass(frozen=True)
class Run:
    """What a process took."""

    seconds: float
    processor: float  # seconds of all cores, which other work on the machine lengthens least
    peak_mb: float
    printed: str


def measured(command: list[str]) -> Run:
    """Run a command to its end."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        printed = out.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{printed}")
    seconds = time.perf_counter() - started
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed)


class Customers:
    """Logs batches until told to stop, and remembers the longest that one took."""

    def __init__(self, db: Path) -> None:
        """Start at once."""
        self.longest, self.rows = 0.0, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._log, args=[Store.open(db)])
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._stop.set()
        self._thread.join()

    def _log(self, store: Store) -> None:
        row = {"query": "怎么退货", "decision": "reject", "reason": "low_score", "entry_key": ""}
        while not self._stop.wait(PAUSE):
            batch = [
                row | {"trace_id": str(self.rows + n), "hits": [], "revision": 1}
                for n in range(BATCH)
            ]
            started = time.perf_counter()
            with suppress(StoreError):  # it waited too long: again
                store.log_queries(batch)
                self.rows += BATCH
            self.longest = max(self.longest, time.perf_counter() - started)


def main() -> None:
    """Measure, print, write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--questions", type=int, default=100_000)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    bundle = ROOT / "data" / "encoder"
    python, load = sys.executable, round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        faq, db, lines = folder / "faq.csv", folder / "faq.db", folder / "texts.txt"
        texts = write_faq(faq, options.questions, options.corpus)
        lines.write_text("\n".join(texts), encoding="utf-8")
        (folder / "one.csv").write_text("id,question,answer\none,第一个问题,答案\n", "utf-8")
        build = [python, "-m", "indexer", "build", "--db", str(db), "--encoder", str(bundle)]
        measured([*build, str(folder / "one.csv")])
        customers = Customers(db)
        try:
            done = measured([*build, "--mode", "append", str(faq)])
        finally:
            customers.stop()
        bare = measured([python, "-c", ENCODE, str(lines), str(bundle)])
        with Store.open(db).reading() as reading:
            stored = reading.execute("select count(*) from questions").fetchone()[0]
        size = db.stat().st_size / 1e6
    result = {
        "what": "python -m indexer build: distinct real sentences, into a database in use",
        "timing": "the whole process, loading the encoder included; processor: seconds of all"
        " cores, which other work on the machine lengthens least; encoding alone: the same texts,"
        " a process of its own; times: in processor seconds; longest log wait: of batches of 20"
        " rows that another process writes meanwhile",
        "questions": stored,
        "entries": options.questions // AN_ENTRY,
        "texts": len(texts),
        "seconds": round(done.seconds, 1),
        "processor_seconds": round(done.processor, 1),
        "peak_mb": round(done.peak_mb),
        "database_mb": round(size),
        "encoding_alone": {
            "seconds": round(bare.seconds, 1),
            "processor_seconds": round(bare.processor, 1),
            "peak_mb": round(bare.peak_mb),
        },
        "times_encoding_alone": round(done.processor / bare.processor, 2),
        "longest_log_wait_seconds": round(customers.longest, 2),
        "rows_logged_meanwhile": customers.rows,
        "cores": os.cpu_count(),
        "load_average_before": load,
        "encoder": Bundle.open(bundle).fingerprint,
        "versions": {name: version(name) for name in ("numpy", "onnxruntime", "faiss-cpu")},
    }
    print(done.printed, json.dumps(result, ensure_ascii=False, indent=1), sep="\n")
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
