"""python benchmarks/grouping.py CORPUS

How well are customers' queries grouped by meaning, and how long does it take? Texts whose groups
are known are grouped as unanswered queries are, and both partitions compared. Which quantile the
threshold follows was chosen on the sets under "dev"; the others are read off once.

Groups of the corpus's sets are clusters of pairs that were judged to mean the same; pairs that
nobody judged count as different, so that what is right may count as wrong there.
"""

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import comb
from pathlib import Path
from typing import Any

import numpy as np

from distill.encoder import Encoder
from distill.grouping import group_by_meaning
from indexer.evaluate import read_queries, split_of
from indexer.masking import as_asked
from indexer.table_file import read_rows
from indexer.table_import import read_table
from indexer.unanswered import MOST_QUERIES, SAMPLE, centred

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "grouping.json"
DEV, REPORTED = (
    ("derived_bq_dev", "derived_oppo_dev"),
    (
        "derived_bq_test",
        "derived_lcqmc_test",
        "derived_atec_test",
    ),
)
QUANTILES = (0.1, 0.25, 0.5)
FIXED = (0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class KnownGroups:
    """Texts and the group of each, and the standard questions of the FAQ they are asked of."""

    groups: Mapping[str, str]
    standard: Sequence[str]


def adjusted_rand_index(known: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """Return how far two partitions agree on pairs: 1 wholly, 0 as by chance.

    Hubert, Arabie: Comparing partitions (1985).
    """
    both = sum(comb(n, 2) for n in Counter(zip(known, found, strict=True)).values())
    one, other = (sum(comb(n, 2) for n in Counter(part).values()) for part in (known, found))
    chance = one * other / comb(len(known), 2)
    most = (one + other) / 2
    return 1.0 if most == chance else (both - chance) / (most - chance)


def purity(known: Sequence[Hashable], found: Sequence[Hashable]) -> float:
    """Return the share of texts that belong to the most frequent known group of their own."""
    largest: dict[Hashable, int] = {}
    for (_, group), count in Counter(zip(known, found, strict=True)).items():
        largest[group] = max(largest.get(group, 0), count)
    return sum(largest.values()) / len(known)


def of_sample(split: str) -> KnownGroups:
    """Return the in-scope queries of data/queries.csv of a split, grouped by their entry."""
    queries = read_queries(ROOT / "data" / "queries.csv", split)
    standard = [row.question for row in read_table(ROOT / "data" / "faq.csv").rows]
    return KnownGroups({as_asked(q.query): q.entry_id for q in queries if q.entry_id}, standard)


def of_wordings(split: str) -> KnownGroups:
    """Return the questions of half the entries of data/faq.csv, grouped by their entry."""
    rows = read_table(ROOT / "data" / "faq.csv").rows
    groups = {
        as_asked(text): row.key
        for row in rows
        if split_of(row.key) == split
        for text in (row.question, *row.variants)
    }
    return KnownGroups(groups, [row.question for row in rows])


def of_corpus(folder: Path) -> KnownGroups:
    """Return the queries of a set of the corpus, and the question of each one's entry."""
    questions = {row.cells[0]: row.cells[1] for row in read_rows(folder / "faq.csv").rows}
    groups = {}
    for query in read_queries(folder / "queries.csv"):
        groups[as_asked(query.query)] = query.entry_id
        groups.setdefault(as_asked(questions[query.entry_id]), query.entry_id)
    step = -(-len(questions) // SAMPLE)
    return KnownGroups(groups, list(questions.values())[::step])


def measured(encoder: Encoder, given: KnownGroups, *, choosing: bool) -> dict[str, Any]:
    """Group the texts and compare; with ``choosing`` also by what was not chosen."""
    texts, known = list(given.groups), list(given.groups.values())
    asked = encoder.encode(texts, workers=1)
    standard = encoder.encode(list(given.standard), workers=1)
    vectors, threshold = centred(asked, standard)
    found = group_by_meaning(vectors, threshold).tolist()
    result = {
        "texts": len(texts),
        "known_groups": len(set(known)),
        "found_groups": len(set(found)),
        "threshold": round(threshold, 3),
        "adjusted_rand_index": round(adjusted_rand_index(known, found), 3),
        "purity": round(purity(known, found), 3),
        "inverse_purity": round(purity(found, known), 3),
    }
    if choosing:

        def index(some: np.ndarray, at: float) -> float:
            return round(adjusted_rand_index(known, group_by_meaning(some, at).tolist()), 3)

        result["adjusted_rand_index_by_quantile"] = {
            quantile: index(*centred(asked, standard, quantile)) for quantile in QUANTILES
        }
        result["adjusted_rand_index_at_a_fixed_threshold"] = {
            at: index(vectors, at) for at in FIXED
        }
        result["adjusted_rand_index_without_taking_the_mean_away"] = {
            at: index(asked, at) for at in FIXED
        }
    return result


def scale(encoder: Encoder, folders: Sequence[Path]) -> dict[str, Any]:
    """Time the grouping of as many real questions as are ever grouped at once."""
    texts = dict.fromkeys(
        as_asked(row.cells[1]) for folder in folders for row in read_rows(folder / "faq.csv").rows
    )
    texts = list(texts)[:MOST_QUERIES]
    started = time.perf_counter()
    asked = encoder.encode(texts, workers=1)
    encoded = time.perf_counter()
    vectors, threshold = centred(asked, asked[:: -(-len(asked) // SAMPLE)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    centre = time.perf_counter()
    groups = group_by_meaning(vectors, threshold)
    done = time.perf_counter()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "texts": len(texts),
        "groups": int(groups.max()) + 1,
        "seconds_to_encode": round(encoded - started, 1),
        "seconds_to_group": round(done - centre, 1),
        "megabytes_more_at_peak": round((after - before) / 1024, 1),
        "megabytes_of_the_vectors": round(vectors.nbytes / 2**20, 1),
    }


def main(corpus: Path) -> None:
    """Measure, print and write the result file."""
    encoder = Encoder.load(ROOT / "data" / "encoder")
    faq = corpus / "faq"
    timed = scale(encoder, [faq / "derived_atec_test", faq / "derived_lcqmc_test"])
    dev = {"data/queries.csv dev": of_sample("dev"), "data/faq.csv dev": of_wordings("dev")}
    dev |= {name: of_corpus(faq / name) for name in DEV}
    reported = {
        "data/queries.csv test": of_sample("test"),
        "data/faq.csv test": of_wordings("test"),
    }
    reported |= {name: of_corpus(faq / name) for name in REPORTED}
    result = {
        "what": "indexer.unanswered's grouping of texts whose groups are known. The quantile was "
        "chosen on the sets under dev; entries of data/faq.csv were halved by their key. Groups of "
        "derived sets are clusters of judged pairs: pairs nobody judged count as different",
        "encoder": encoder.fingerprint,
        "dev": {name: measured(encoder, given, choosing=True) for name, given in dev.items()},
        "reported": {
            name: measured(encoder, given, choosing=False) for name, given in reported.items()
        },
        "scale": timed,
        "versions": {name: version(name) for name in ("numpy", "onnxruntime")},
    }
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "faq").is_dir():
        raise SystemExit("usage: python benchmarks/grouping.py CORPUS (a folder with faq/)")
    main(Path(sys.argv[1]))
