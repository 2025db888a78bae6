"""python benchmarks/quality.py CORPUS [--float32 BUNDLE] [--teacher DIR]

How good is the bundled encoder beside plain methods and a static encoder of a transformer teacher?
Spearman × 100 on test splits of sentence pairs; Recall@1 and MRR@10 on FAQ tables whose queries are
other people's wordings. Everything here only reports: nothing was trained on it or selected by it.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from baselines import Encode, Scores, TfIdf, bm25, character_grams, cosines, words
from distill.bundle import IDF, TOKENIZER
from distill.corpus import LabelledPair, read_pairs, read_rows
from distill.encoder import Encoder
from distill.evaluate import spearman
from indexer.evaluate import DEPTH, LabelledQuery, read_queries
from indexer.table_import import read_table
from static_encoder import TEACHER, StaticEncoder

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "quality.json"
SETS = {
    "atec": "atec/test.tsv",
    "bq": "bq/test.tsv",
    "lcqmc": "lcqmc/test.tsv",
    "pawsx": "pawsx/test.tsv",
    "stsb": "stsb/test.tsv",
    "afqmc": "afqmc/dev.tsv",  # its test labels were never published
}
FAQS = ("derived_atec_test", "derived_bq_test", "derived_lcqmc_test")
RESAMPLES = 1000
CHUNK = 256  # queries scored at once: bounds the score matrix

Fit = Callable[[Sequence[str]], Encode]  # what a method may count on the texts it will compare


@dataclass(frozen=True)
class Faq:
    """A FAQ table: its questions and their entries, an entry's questions together; queries."""

    questions: Sequence[str]
    entries: Sequence[str]
    queries: Sequence[LabelledQuery]

    @classmethod
    def read_derived(cls, directory: Path) -> "Faq":
        """Read faq.csv (id, question, …) and queries.csv of the corpus."""
        header, *rows = read_rows(directory / "faq.csv")
        entry, question = header.index("id"), header.index("question")
        return cls(
            [row[question] for row in rows],
            [row[entry] for row in rows],
            read_queries(directory / "queries.csv"),
        )

    @classmethod
    def read_sample(cls) -> "Faq":
        """Read the project's own sample FAQ, and the queries of split test that it answers."""
        rows = read_table(ROOT / "data" / "faq.csv").rows
        wordings = [(text, row.key) for row in rows for text in (row.question, *row.variants)]
        queries = read_queries(ROOT / "data" / "queries.csv", "test")
        return cls(*map(list, zip(*wordings, strict=True)), [q for q in queries if q.entry_id])


def main() -> None:
    """Measure, print and write the result file."""
    options = _options()
    encoder = Encoder.load(ROOT / "data" / "encoder")
    sets = {
        name: list(read_pairs([options.corpus / "pairs" / file])) for name, file in SETS.items()
    }
    faqs = {name: Faq.read_derived(options.corpus / "faq" / name) for name in FAQS}
    faqs["sample"] = Faq.read_sample()
    texts = {
        text for pairs in sets.values() for pair in pairs for text in (pair.first, pair.second)
    }
    texts |= {text for faq in faqs.values() for text in faq.questions}
    texts |= {query.query for faq in faqs.values() for query in faq.queries}

    timed = {"ours": encoder.encode}
    methods: dict[str, Fit] = {"ours": _encoded_once(encoder.encode, texts)}
    if options.float32:
        exact = _same_student(encoder, options.float32)
        methods["ours_float32"] = _encoded_once(exact.encode, texts)
    try:
        static = StaticEncoder.distil(options.teacher, encoder.weighting.idf)
        methods["static"] = _encoded_once(static.encode, texts)
        timed["static"] = static.encode
    except FileNotFoundError as error:
        static = None
        print(f"without a static encoder: {error}")
    methods["character_tfidf"] = lambda texts: TfIdf.fit(texts, character_grams).encode
    methods["word_tfidf"] = lambda texts: TfIdf.fit(texts, words).encode
    for name in ("character_tfidf", "word_tfidf"):
        timed[name] = methods[name](faqs["sample"].questions)
    milliseconds = one_text_ms(timed, [query.query for query in faqs["sample"].queries])
    print("ms for one text", milliseconds)

    similarity = {name: {} for name in methods}
    interval = {}
    for set_name, pairs in sets.items():
        labels = np.array([pair.label for pair in pairs])
        for name, fit in methods.items():
            values = pair_cosines(fit, pairs)
            similarity[name][set_name] = round(100 * spearman(values, labels), 2)
            if name == "ours":
                interval[set_name] = confidence_interval(values, labels)
        print(set_name, {name: found[set_name] for name, found in similarity.items()})

    retrieval = {}
    for faq_name, faq in faqs.items():
        scorers = {
            name: partial(_fitted_cosines, fit)
            for name, fit in methods.items()
            if name != "word_tfidf"  # BM25 is the better use of words
        }
        scorers["bm25"] = bm25
        retrieval[faq_name] = {
            "entries": len(set(faq.entries)),
            "questions": len(faq.questions),
            "queries": len(faq.queries),
            "systems": {
                name: _measures(ranks(scorer(faq.questions), faq))
                for name, scorer in scorers.items()
            },
        }
        print(faq_name, retrieval[faq_name]["systems"])

    manifest = encoder.bundle.manifest
    result = {
        "what": "Spearman × 100 of cosines with labels (test splits; AFQMC: dev, in the place of "
        "its unpublished test), and retrieval of FAQ entries by vectors alone; nothing was "
        "trained on or selected by any of it",
        "encoder": encoder.fingerprint,
        "teacher": manifest.teacher,
        "trained_on": {k: v for k, v in manifest.training.items() if k not in ("config", "sha256")},
        "bundle_bytes": encoder.bundle.size,
        "dimension": encoder.dimension,
        "static": static
        and {
            "teacher": options.teacher.name,
            "words": len(static.rows),
            "dimension": static.vectors.shape[1],
            "bytes": static.size,
        },
        "tfidf": "IDF counted on the sentences of each set, or the questions of each FAQ",
        "interval": f"95 % percentile bootstrap over pairs, {RESAMPLES} resamples, of ours",
        "pairs": {name: len(pairs) for name, pairs in sets.items()},
        "spearman": similarity,
        "spearman_interval": interval,
        "retrieval": retrieval,
        "timing": "from text to vector, one at a time by turns, one thread, median of the sample's "
        "queries; for the orders of magnitude: speed.json compares with care",
        "one_text_ms": milliseconds,
        "segmenter": manifest.segmenter,
        "versions": {
            name: version(name) for name in ("numpy", "scipy", "onnxruntime", "tokenizers", "bm25s")
        },
    }
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def one_text_ms(timed: Mapping[str, Encode], texts: Sequence[str]) -> Mapping[str, float]:
    """Return the median milliseconds of each method for one text; they take turns at each."""
    seconds = {name: [] for name in timed}
    for text in texts:
        for name, encode in timed.items():
            started = time.perf_counter()
            encode([text])
            seconds[name].append(time.perf_counter() - started)
    return {name: round(1000 * float(np.median(found)), 3) for name, found in seconds.items()}


def pair_cosines(fit: Fit, pairs: Sequence[LabelledPair]) -> np.ndarray:
    """Return the cosine of each pair, float (n,), by a method that may count on these texts."""
    encode = fit(sorted({text for pair in pairs for text in (pair.first, pair.second)}))
    first, second = encode([p.first for p in pairs]), encode([p.second for p in pairs])
    return np.asarray((first * second).sum(axis=1))


def confidence_interval(values: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return the 95 % interval of Spearman × 100, by resampling pairs (percentile bootstrap)."""
    rng = np.random.default_rng(0)
    draws = (rng.integers(len(values), size=len(values)) for _ in range(RESAMPLES))
    found = [100 * spearman(values[rows], labels[rows]) for rows in draws]
    return [round(float(edge), 2) for edge in np.percentile(found, (2.5, 97.5))]


def ranks(scores: Scores, faq: Faq) -> np.ndarray:
    """Return the place of each query's entry, int (q,), from 1; 0 where it scores nothing.

    An entry scores as its best question; of equal entries the one that stands first leads.
    """
    starts = [
        row for row, entry in enumerate(faq.entries) if row == 0 or entry != faq.entries[row - 1]
    ]
    column = {faq.entries[row]: number for number, row in enumerate(starts)}
    found = []
    for start in range(0, len(faq.queries), CHUNK):
        queries = faq.queries[start : start + CHUNK]
        values = scores([query.query for query in queries])
        best = np.maximum.reduceat(values, starts, axis=1)  # (q, entries)
        right = np.array([[column[query.entry_id]] for query in queries])
        target = np.take_along_axis(best, right, axis=1)
        ahead = (best > target) | ((best == target) & (np.arange(len(starts)) < right))
        found.append(np.where(target[:, 0] > 0, 1 + ahead.sum(axis=1), 0))
    return np.concatenate(found)


def _measures(places: np.ndarray) -> Mapping[str, float]:
    listed = places[(places >= 1) & (places <= DEPTH)]
    return {
        "recall_at_1": round(float((places == 1).mean()), 4),
        "mrr_at_10": round(float((1 / listed).sum() / len(places)), 4),
    }


def _fitted_cosines(fit: Fit, questions: Sequence[str]) -> Scores:
    return cosines(fit(questions), questions)


def _encoded_once(encode: Encode, texts: set[str]) -> Fit:
    """Return a method that counts on nothing and looks its vectors up: sets share their texts."""
    row = {text: number for number, text in enumerate(sorted(texts))}
    vectors = encode(list(row))
    return lambda _: lambda wanted: vectors[[row[text] for text in wanted]]


def _same_student(encoder: Encoder, path: Path) -> Encoder:
    """Load the float32 form of this bundle; refuse that of another student."""
    exact = Encoder.load(path)
    ours, theirs = encoder.bundle.manifest, exact.bundle.manifest
    same = all(ours.sha256[part] == theirs.sha256[part] for part in (IDF, TOKENIZER))
    if not same or ours.training != theirs.training or ours.metrics != theirs.metrics:
        raise SystemExit(
            f"{path}: not the student of {encoder.bundle.path}. Export its run again: "
            f"python -m distill export RUN --float32 -o {path}"
        )
    return exact


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="the folder with pairs/ and faq/")
    parser.add_argument("--float32", type=Path, help="the same student exported with --float32")
    parser.add_argument("--teacher", type=Path, default=TEACHER, help="of the static encoder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
