"""python benchmarks/fuzz.py [--share 1.0] [--seed 20] [--only PART …] [--again]

Does anything fall over that people, programs and vandals send? Some 20,000 cases in ten parts, each
under a seed of its own: what reads texts and tables, every route of the API with every kind of key,
damaged uploads, made-up events of the pages, rubbish on a socket. A part that was done is not done
again (--again: is), so that a run which was broken off goes on where it stopped. The first failure
ends the run and is told with the case. (Some ten minutes.)
"""

import argparse
import json
import logging
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fuzz_parsers
import fuzz_server
import fuzz_wire

RESULT = Path(__file__).parent / "results" / "fuzz.json"
Part = Callable[[int, int, Callable[[str], None]], None]
PARTS: Mapping[str, tuple[Part, int]] = {
    "text": (fuzz_parsers.text, 5000),
    "vectors": (fuzz_parsers.vectors, 600),
    "table": (fuzz_parsers.table, 3000),
    "workbook": (fuzz_parsers.workbook, 1600),
    "keywords": (fuzz_parsers.keywords, 1400),
    "questions": (fuzz_parsers.questions, 1500),
    "api": (fuzz_server.api, 4500),
    "bodies": (fuzz_server.bodies, 1200),
    "uploads": (fuzz_server.uploads, 700),
    "pages": (fuzz_server.pages, 800),
    "wire": (fuzz_wire.wire, 1500),
}


def run(name: str, share: float, seed: int) -> dict[str, Any]:
    """Run one part and return what became of its cases; raises what a failing case raised."""
    part, cases = PARTS[name]
    outcomes: Counter[str] = Counter()
    started = time.perf_counter()
    part(max(round(cases * share), 1), seed, lambda outcome: outcomes.update([outcome]))
    return {
        "about": (part.__doc__ or "").strip(),
        "cases": outcomes.total(),
        "seed": seed,
        "seconds": round(time.perf_counter() - started, 1),
        "outcomes": dict(sorted(outcomes.items())),
        "failures": 0,
    }


def main() -> None:
    """Run the parts that are not done, and write down each as it ends."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--share", type=float, default=1.0, help="of the cases of each part")
    asked.add_argument("--seed", type=int, default=20)
    asked.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS))
    asked.add_argument("--again", action="store_true", help="parts that are done, too")
    given = asked.parse_args()
    logging.getLogger().setLevel(logging.WARNING)
    known = json.loads(RESULT.read_text(encoding="utf-8"))["parts"] if RESULT.exists() else {}
    for place, name in enumerate(PARTS):
        if name not in given.only or (name in known and not given.again):
            continue
        known[name] = run(name, given.share, given.seed + place)
        sys.stdout.write(f"{name}: {json.dumps(known[name]['outcomes'], ensure_ascii=False)}\n")
        sys.stdout.flush()
        parts = {name: known[name] for name in PARTS if name in known}
        found = {
            "python": platform.python_version(),
            "cases": sum(part["cases"] for part in parts.values()),
            "failures": sum(part["failures"] for part in parts.values()),
            "seconds": round(sum(part["seconds"] for part in parts.values()), 1),
            "parts": parts,
        }
        RESULT.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
