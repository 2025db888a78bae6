"""python benchmarks/speed.py [--rounds 15] [--encoder data/encoder]

How fast is the bundled encoder beside BERT-base, how does its cost grow, how much memory does it
take? BERT-base has random weights, which are as slow as trained ones. Needs the distill extra, 3 GB
of memory, and five minutes on two cores that do nothing else.
"""

import argparse
import csv
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import onnx

from distill.bundle import MODEL
from distill.encoder import Encoder
from distill.graph import read_weights
from distill.speed import GRAPH, INT8, OURS, TORCH, BertBase, Timing, measure

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "speed.json"
CHARACTERS, BATCHES, THREADS = (8, 16, 32, 64), (1, 64), (1, 2)
LARGE_ROUNDS = 3  # of 64 texts a call, where a round of BERT-base takes seconds
OURS_ALONE = """
from pathlib import Path
from distill.encoder import Encoder
Encoder.load(Path({encoder!r})).encode({texts!r})
"""
BERT_ALONE = """
import torch
from transformers import BertConfig, BertModel
torch.set_num_threads(2)
with torch.inference_mode():
    BertModel(BertConfig(), add_pooling_layer=False).eval()(torch.randint(1000, 20_000, (1, 18)))
"""


def main() -> None:
    """Measure, print and write the result file."""
    options = _options()
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"load average {load:.1f}: other work takes cores, the figures will not hold")
    encoder = Encoder.load(options.encoder)
    stream = _questions()
    timings: list[Timing] = []
    with tempfile.TemporaryDirectory() as directory:
        bert = BertBase(Path(directory))
        for threads in THREADS:
            for batch in BATCHES:
                for characters in CHARACTERS:
                    timings += measure(
                        encoder,
                        bert,
                        stream,
                        batch=batch,
                        characters=characters,
                        threads=threads,
                        rounds=options.rounds if batch == 1 else LARGE_ROUNDS,
                    )
                    _print(timings[-5:])
    graph = onnx.load(encoder.bundle.path / MODEL)
    result = {
        "what": "milliseconds a call; texts cut from the questions of data/faq.csv",
        "timing_includes": {
            OURS: "from str: normalise, cut into words, weigh, tokenise, graph; "
            "64 texts go through it one by one, on all threads",
            GRAPH: "the graph alone; one text takes one thread",
            "bert_base_*": "from token ids (characters + 2) to the last hidden states, one batch",
        },
        "encoder": encoder.fingerprint,
        "student": encoder.bundle.manifest.training.get("config", {}).get("student"),
        "rounds": {"1": options.rounds, "64": LARGE_ROUNDS},
        "times_faster": _times_faster(timings),
        "growth": _growth(timings),
        "bundle_bytes": encoder.bundle.size,
        "model_bytes": (encoder.bundle.path / MODEL).stat().st_size,
        "student_float32_bytes": sum(values.nbytes for values in read_weights(graph).values()),
        "peak_memory_mb": {
            "encode_only": _peak_mb(
                OURS_ALONE.format(encoder=str(options.encoder), texts=[stream[:16], stream[:64]])
            ),
            "bert_base_pytorch": _peak_mb(BERT_ALONE),
        },
        "timings": [asdict(timing) for timing in timings],
        "cores": os.cpu_count(),
        "load_average_before": round(load, 2),
        "processor": _processor(),
        "versions": {"python": platform.python_version()}
        | {n: version(n) for n in ("numpy", "onnxruntime", "tokenizers", "torch", "transformers")},
    }
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(
        json.dumps({k: result[k] for k in ("times_faster", "growth", "peak_memory_mb")}, indent=1)
    )


def _questions() -> str:
    """Return the FAQ's questions as one string of letters, digits and Han only."""
    with (ROOT / "data" / "faq.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    questions = (q for row in rows for q in (row["question"], row["similar_questions"]))
    return re.sub(r"[\W_]", "", "".join(questions))


def _times_faster(timings: Sequence[Timing]) -> Mapping[str, float]:
    """Return how many times as long the others take for texts of 16 characters."""
    taken = {(t.system, t.batch, t.threads): t.median_ms for t in timings if t.characters == 16}
    return {
        f"than {system}, {batch} a call, {threads} threads": round(
            taken[system, batch, threads] / taken[OURS, batch, threads], 1
        )
        for system, batch, threads in taken
        if system not in (OURS, GRAPH)
    }


def _growth(timings: Sequence[Timing]) -> Mapping[str, float]:
    """Return how cost grows with length, and what a text costs among 64 beside one alone."""
    taken = {
        (t.system, t.batch, t.characters): t.median_ms for t in timings if t.threads == THREADS[-1]
    }
    longest, shortest = CHARACTERS[-1], CHARACTERS[0]
    growth = {}
    for system in (OURS, GRAPH, TORCH, INT8):
        growth[f"{system}, {longest} characters ÷ {shortest}"] = (
            taken[system, 1, longest] / taken[system, 1, shortest]
        )
        growth[f"{system}, a text of 16 among 64 ÷ alone"] = (
            taken[system, 64, 16] / 64 / taken[system, 1, 16]
        )
    return {name: round(value, 3) for name, value in growth.items()}


def _peak_mb(code: str) -> float:
    """Return the most memory that a Python process of its own takes to run this, in MB."""
    tell = "print(*(l for l in open('/proc/self/status') if l.startswith('VmHWM')))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tell}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return round(int(done.stdout.split()[-2]) * 1024 / 1e6, 1)


def _processor() -> str:
    names = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return names[0] if names else platform.processor()


def _print(timings: Sequence[Timing]) -> None:
    first = timings[0]
    print(f"{first.threads} threads, {first.batch} × {first.characters} characters:", end="")
    print("".join(f"  {t.system} {t.median_ms:.3f}" for t in timings), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", type=Path, default=ROOT / "data" / "encoder")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each system, one a call")
    return parser.parse_args()


if __name__ == "__main__":
    main()
