"""python benchmarks/perturbation.py [BUNDLE]: does a keyword's weight act smoothly and predictably?

For random words of the sample FAQ, weighed at 0.25 … 4 times their IDF: the cosine of two questions
that share the word, and Recall@1 (vectors alone) of the dev queries that do not contain it.
"""

import json
import random
import sys
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np

from distill.encoder import Encoder
from distill.text import speaks
from indexer.evaluate import read_queries
from indexer.table_import import read_table

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "perturbation.json"
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
WORDS, PAIRS_A_WORD = 100, 20


def main(bundle: Path) -> None:
    """Measure, print and write the result file."""
    encoder = Encoder.load(bundle)
    rng = random.Random(7)
    questions, entries = [], []
    for row in read_table(ROOT / "data" / "faq.csv").rows:
        for text in (row.question, *row.variants):
            questions.append(text)
            entries.append(row.key)
    weighed = [encoder.weigh(text) for text in questions]
    holding: dict[str, list[int]] = {}
    for i, text in enumerate(weighed):
        for word in {word.text for word in text.words if speaks(word.text)}:
            holding.setdefault(word, []).append(i)
    # Two characters at least: what an operator would call a keyword.
    words = sorted(w for w, rows in holding.items() if len(w) > 1 and 2 <= len(rows) <= 200)
    words = rng.sample(words, WORDS)
    queries = [q for q in read_queries(ROOT / "data" / "queries.csv", "dev") if q.entry_id]
    asked = encoder.encode([query.query for query in queries])
    base = encoder.encode(questions)
    keys = np.array(entries)

    shared: list[list[float]] = []  # cosine by factor, a row for each pair of questions
    recalls = {factor: [] for factor in FACTORS}
    for word in words:
        rows = holding[word]
        tuned = {factor: encoder.with_keywords({word: factor}) for factor in FACTORS}
        vectors = {factor: tuned[factor].encode([questions[i] for i in rows]) for factor in FACTORS}
        unrelated = [i for i, query in enumerate(queries) if word not in query.query]
        for factor in FACTORS:
            index = base.copy()
            index[rows] = vectors[factor]
            best = (asked[unrelated] @ index.T).argmax(axis=1)
            right = keys[best] == [queries[i].entry_id for i in unrelated]
            recalls[factor].append(float(right.mean()))
        pairs = [(a, b) for a in range(len(rows)) for b in range(a)]
        for a, b in rng.sample(pairs, min(PAIRS_A_WORD, len(pairs))):
            shared.append([float(vectors[factor][a] @ vectors[factor][b]) for factor in FACTORS])
    cosines = np.array(shared)
    recall = [float(np.mean(recalls[factor])) for factor in FACTORS]
    result = {
        "what": f"{WORDS} random words of two characters or more that stand in 2 to 200 questions "
        "of data/faq.csv, weighed at factor × IDF",
        "encoder": encoder.fingerprint,
        "factors": FACTORS,
        "question_pairs": len(cosines),
        "mean_cosine_of_questions_sharing_the_word": [round(x, 4) for x in cosines.mean(axis=0)],
        "monotone_on_average": all(a < b for a, b in pairwise(cosines.mean(axis=0))),
        "pairs_that_rise_at_each_step": [
            round(float((cosines[:, i + 1] > cosines[:, i]).mean()), 3) for i in range(4)
        ],
        "dev_queries": len(queries),
        "recall_at_1_of_unrelated_queries": [round(x, 4) for x in recall],
        "largest_loss_of_recall_at_1_in_points": round(100 * (recall[2] - min(recall)), 2),
        "largest_loss_for_one_word_in_points": round(
            100 * max(max(np.array(recalls[1.0]) - recalls[f]) for f in FACTORS), 2
        ),
        "versions": {name: version(name) for name in ("numpy", "onnxruntime")},
    }
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "data" / "encoder")
