"""python benchmarks/typeahead.py CORPUS

How long does a suggestion take, and after how many keys is the question there? On 10,000 real
questions, each its own entry: 200 of them are typed key by key, in characters, in Pinyin, and by
the initials of their syllables; besides, with a character replaced by another of its sound.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from pypinyin import lazy_pinyin

from distill.corpus import read_sentences
from distill.encoder import Encoder
from distill.text import normalise
from indexer.build import publish
from indexer.records import Entry
from indexer.search import Searcher
from indexer.store import Store

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "typeahead.json"
QUESTIONS, TYPED, SHOWN = 10_000, 200, 8
KEYS = (2, 4, 6, 8)  # after which it is looked whether the question is among those shown


def main() -> None:
    """Measure, print and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    busy = round(os.getloadavg()[0], 1)
    lines = read_sentences([parser.parse_args().corpus / "mono" / "pair_questions.txt.xz"])
    texts = list(dict.fromkeys(line for line in lines if 5 <= len(line) <= 40))
    texts = [texts[i] for i in np.random.default_rng(0).permutation(len(texts))[:QUESTIONS]]
    encoder = Encoder.load(ROOT / "data" / "encoder")
    with tempfile.TemporaryDirectory() as directory:
        store = Store.create(Path(directory) / "faq.db")
        entries = [Entry(key=str(n), question=text, answer="。") for n, text in enumerate(texts)]
        publish(store, store.snapshot(), encoder, entries)
        searcher = Searcher.load(store, encoder)
        store.close()
    started = time.process_time()
    built = searcher.typeahead  # made by the first who types
    building = time.process_time() - started
    assert built
    found = {name: _measure(searcher, texts[:TYPED], spell) for name, spell in SPELLINGS.items()}
    result = {
        "what": "one suggestion of 8 questions, per key; 10,000 real questions, 200 of them typed",
        "timing": "one thread; milliseconds of its processor time, which other work on the machine "
        "lengthens least, and of the clock; not included: HTTP",
        "cores": os.cpu_count(),
        "load_average_before": busy,
        "build_ms": round(1000 * building, 1),
        "found_within_8_after_keys": {n: each.pop("found") for n, each in found.items()},
        "milliseconds": found,
    }
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, ensure_ascii=False, indent=1))


def _measure(searcher: Searcher, texts: list[str], spell: Callable[[str], str]) -> dict[str, Any]:
    clock, processor, there = [], [], {keys: 0 for keys in KEYS}
    for number, text in enumerate(texts):
        spelt = spell(normalise(text))
        for keys in range(1, min(len(spelt), 20) + 1):
            started, worked = time.perf_counter(), time.thread_time()
            shown = list(islice(_suggested(searcher, spelt[:keys]), SHOWN))
            processor.append(1000 * (time.thread_time() - worked))
            clock.append(1000 * (time.perf_counter() - started))
            if keys in there or keys == len(spelt):
                for wanted in there:
                    if keys == min(wanted, len(spelt)):
                        there[wanted] += str(number) in shown
    return {
        "processor": _percentiles(processor),
        "clock": _percentiles(clock),
        "found": {str(keys): round(count / len(texts), 3) for keys, count in there.items()},
    }


def _suggested(searcher: Searcher, typed: str) -> Iterator[str]:
    """Yield entries as the service does: those that hold it, then those most like it."""
    matches = (match.entry_id for match in searcher.typeahead.matches(typed))
    return iter(dict.fromkeys(islice(chain(matches, _alike(searcher, typed)), 2 * SHOWN)))


def _alike(searcher: Searcher, typed: str) -> Iterator[str]:
    yield from searcher.alike(typed, 2 * SHOWN)


def _percentiles(times: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(times, (50, 99))
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3), "keys": len(times)}


def _with_a_slip(text: str) -> str:
    """Return a text with another character of the same sound in it, where there is one."""
    sounds: dict[str, str] = {}
    for char in "式试事是时他她它在再的得地又有右做作座吗嘛买卖买":
        sounds.setdefault(lazy_pinyin(char)[0], char)
    at = next((n for n, c in enumerate(text) if lazy_pinyin(c)[0] in sounds), None)
    return text if at is None else text[:at] + sounds[lazy_pinyin(text[at])[0]] + text[at + 1 :]


SPELLINGS: dict[str, Callable[[str], str]] = {
    "characters": lambda text: text,
    "pinyin": lambda text: "".join(lazy_pinyin(text)),
    "initials": lambda text: "".join(part[:1] for part in lazy_pinyin(text)),
    "a slip": _with_a_slip,
}

if __name__ == "__main__":
    main()
