"""python benchmarks/keyword_change.py CORPUS

How long until customers are answered by a keyword's new weight? On 10,000 real questions, of which
1 % hold the word: publishing it, and loading the new revision as the server does, with the one
before at hand. Also the preview of the same change, which publishes nothing, and one edited entry.
"""

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from distill.corpus import read_sentences
from distill.encoder import Encoder
from distill.text import segment
from indexer.build import publish
from indexer.records import Entry
from indexer.rehearsal import Rehearsal
from indexer.search import Searcher
from indexer.store import Store

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "keyword_change.json"
QUESTIONS = 10_000
SHARE = 0.01  # of the questions that hold the word
FACTORS = (2.0, 0.5, 3.0, 0.25, 4.0, 0.0, 1.5, 5.0, 0.75, 2.5)


@dataclass(frozen=True)
class Times:
    """Seconds of each repetition: of each part by the clock, of both on all cores together."""

    publish: Sequence[float]
    load: Sequence[float]
    processor: Sequence[float]

    def summary(self) -> dict[str, dict[str, float]]:
        """Return median and maximum of each."""
        total = [a + b for a, b in zip(self.publish, self.load, strict=True)]
        return {
            name: {"median": round(float(np.median(times)), 3), "max": round(max(times), 3)}
            for name, times in {**vars(self), "total": total}.items()
        }


def main() -> None:
    """Measure, print and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    busy = round(os.getloadavg()[0], 1)
    texts = _texts(parser.parse_args().corpus)
    encoder = Encoder.load(ROOT / "data" / "encoder")
    found = {}
    for wordings in (5, 1):
        entries = list(_entries(texts, wordings))
        name = f"{len(entries)} entries of {wordings}"
        found[name] = _measure(entries, encoder)
        print(name, json.dumps(found[name], ensure_ascii=False), flush=True)
    result = {
        "what": "seconds from a keyword's new weight to a loaded Searcher of the new revision; "
        "real questions, answers of four sentences",
        "timing": "one process; publish: reading the FAQ, finding and encoding the texts that hold "
        "the word, one commit on disk; load: reading the FAQ, indexes from those of the revision "
        "before; preview: the same in memory; total: publish and load; processor: seconds of all "
        "cores, which other work on the machine lengthens least. Not included: loading the encoder "
        "and the first revision",
        "repetitions": len(FACTORS),
        "cores": os.cpu_count(),
        "load_average_before": busy,
        "encoder": encoder.fingerprint,
        "versions": {name: version(name) for name in ("numpy", "onnxruntime", "faiss-cpu")},
        "seconds": found,
    }
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _texts(corpus: Path) -> list[str]:
    lines = read_sentences([corpus / "mono" / "pair_questions.txt.xz"])
    texts = list(dict.fromkeys(line for line in lines if 5 <= len(line) <= 40))
    return [texts[i] for i in np.random.default_rng(0).permutation(len(texts))]


def _entries(texts: Sequence[str], wordings: int) -> Iterator[Entry]:
    for i in range(QUESTIONS // wordings):
        question, *variants = texts[i * wordings : (i + 1) * wordings]
        answer = "。".join(texts[QUESTIONS + 4 * i : QUESTIONS + 4 * i + 4])
        yield Entry(key=str(i), question=question, variants=tuple(variants), answer=answer)


def _measure(entries: Sequence[Entry], encoder: Encoder) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        store = Store.create(Path(directory) / "faq.db")
        publish(store, store.snapshot(), encoder, entries)
        searcher = Searcher.load(store, encoder)
        questions = [question.text for question in searcher.questions]
        word = _word(questions)
        encoded = []

        def change(target: Store, factor: float) -> None:
            settings = {"keywords": {word: factor}}
            done = publish(target, target.snapshot(), encoder, settings=settings)
            encoded.append(done.encoded)

        def edit(target: Store, number: float) -> None:
            entry = target.snapshot().entries["0"]
            changed = replace(entry, variants=(*entry.variants, f"第 {number} 种说法"))
            publish(target, target.snapshot(), encoder, [changed])

        below = Rehearsal(store)
        Searcher.load(below, encoder, searcher)
        preview, _ = _time(change, lambda: Rehearsal(below), encoder, searcher)
        keyword, searcher = _time(change, lambda: store, encoder, searcher)
        edited, _ = _time(edit, lambda: store, encoder, searcher)
        store.close()
    return {
        "word": word,
        "questions": len(questions),
        "questions_with_the_word": sum(word in text for text in questions),
        "texts_encoded": max(encoded),  # answers that hold it, too
        "keyword": keyword.summary(),
        "preview": preview.summary(),
        "edited_entry": edited.summary(),
    }


def _time(
    act: Callable[[Store, float], None],
    store_of: Callable[[], Store],
    encoder: Encoder,
    searcher: Searcher,
) -> tuple[Times, Searcher]:
    """Act and load with every factor; return the seconds, and the last searcher."""
    publishing, loading, processor = [], [], []
    for factor in FACTORS:
        store = store_of()
        started, worked = time.perf_counter(), time.process_time()
        act(store, factor)
        published = time.perf_counter()
        searcher = Searcher.load(store, encoder, searcher)
        loading.append(time.perf_counter() - published)
        processor.append(time.process_time() - worked)
        publishing.append(published - started)
    return Times(publishing, loading, processor), searcher


def _word(questions: Sequence[str]) -> str:
    """Return the word whose share of questions is nearest to ``SHARE``."""
    words = Counter(
        word
        for question in questions
        for word in {word.text for word in segment(question) if len(word.text) > 1}
    )
    wanted = SHARE * len(questions)
    near = [word for word, count in words.items() if 0.5 * wanted <= count <= 1.5 * wanted]
    return min(near, key=lambda word: abs(sum(word in text for text in questions) - wanted))


if __name__ == "__main__":
    main()
