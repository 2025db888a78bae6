"""python benchmarks/finetune.py CORPUS [--general FILE …] [--config FILE]

What does fine-tuning on a FAQ's own questions bring, and what does it cost? The sample FAQ gives
the pairs. Before and after: its dev queries, none of which is trained on, and LCQMC's dev pairs for
what the encoder knew besides. FinetuneConfig's defaults were chosen by these figures.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines import cosines
from distill.config import FinetuneConfig
from distill.corpus import HeldOut, read_pairs
from distill.encoder import Encoder
from distill.evaluate import evaluate_pairs
from distill.export import export, load_student
from distill.finetune import finetune, tuned_manifest
from distill.finetune_data import read_finetune_data
from faq import Texts
from indexer.build import plan_import, publish, refresh
from indexer.evaluate import Case, LabelledQuery, measure_by_kind, read_queries, run_cases
from indexer.measures import measure
from indexer.search import Searcher
from indexer.store import Store
from indexer.table_import import read_table
from indexer.training_pairs import PairLimits, training_pairs

ROOT = Path(__file__).parent.parent
FAQ, QUERIES = ROOT / "data" / "faq.csv", ROOT / "data" / "queries.csv"
RESULT = ROOT / "benchmarks" / "results" / "finetune.json"
RESAMPLES = 10_000


def main() -> None:
    """Measure, fine-tune, measure again; print and write the result file."""
    parser = argparse.ArgumentParser(description="What does fine-tuning on a FAQ bring?")
    parser.add_argument("corpus", type=Path, help="Holds pairs/lcqmc/dev.tsv.")
    parser.add_argument("--encoder", type=Path, default=ROOT / "data" / "encoder")
    parser.add_argument("--general", type=Path, nargs="*", default=[], help="As of the command.")
    parser.add_argument("--config", type=Path, help="As of the command.")
    arguments = parser.parse_args()
    config = FinetuneConfig.load(arguments.config) if arguments.config else FinetuneConfig()
    held_out = HeldOut.read([QUERIES, *([arguments.corpus] if arguments.general else [])])
    queries = [query for query in read_queries(QUERIES, "dev") if query.entry_id]
    lcqmc = list(read_pairs([arguments.corpus / "pairs" / "lcqmc" / "dev.tsv"]))

    old = Encoder.load(arguments.encoder)
    with tempfile.TemporaryDirectory() as made:
        store = Store.create(Path(made) / "faq.db")
        empty = store.snapshot()
        publish(store, empty, old, plan_import(empty, read_table(FAQ), "replace").changes)
        before = _cases(store, old, queries)

        started = time.perf_counter()
        pairs = Path(made) / "pairs.tsv"
        with pairs.open("w", encoding="utf-8") as file:
            for pair in training_pairs(store, PairLimits()):
                file.write(f"{pair.first}\t{pair.second}\t{pair.label}\n")
        data = read_finetune_data(
            config, old.bundle, [pairs], general=arguments.general, excluded=held_out
        )
        tuned = finetune(config, load_student(old.bundle), data, print)
        path = Path(made) / "tuned"
        export(tuned.student, arguments.encoder, path, tuned_manifest(old.bundle, tuned, {}))
        seconds = time.perf_counter() - started

        new = Encoder.load(path)
        refresh(store, new)
        after = _cases(store, new, queries)
        store.close()
        spearman = [round(evaluate_pairs(encoder, lcqmc), 2) for encoder in (old, new)]
    result = {
        "what": "data/queries.csv, split dev, in-scope queries against data/faq.csv; LCQMC dev, "
        "Spearman × 100; before and after fine-tuning on pairs of data/faq.csv",
        "encoder": old.fingerprint,
        "config": asdict(config),
        "pairs": len(data.labels),
        "positive_pairs": int((data.labels == 1).sum()),
        "general": [path.name for path in arguments.general],
        "best_epoch": tuned.epoch,
        "seconds": round(seconds),
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in ("torch", "onnxruntime", "numpy")},
        "queries": len(queries),
        "search": {name: _compare(before[name], after[name]) for name in before},
        "held_out_questions": {
            name: [round(value, 2), round(tuned.after[name], 2)]
            for name, value in tuned.before.items()
        },
        "lcqmc_dev_spearman": spearman,
        "cosine_to_the_vectors_before": {
            name: round(float(values.mean()), 4) for name, values in tuned.moved.items()
        },
    }
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, ensure_ascii=False, indent=1))


def _cases(
    store: Store, encoder: Encoder, queries: Sequence[LabelledQuery]
) -> dict[str, list[Case]]:
    searcher, questions = Searcher.load(store, encoder), store.snapshot().questions
    wordings = Texts([q.text for q in questions], [q.entry_key for q in questions])
    vectors = wordings.search(lambda texts: cosines(encoder.encode, texts))
    return {
        "searcher": run_cases(searcher, queries),
        "vectors_only": run_cases(searcher, queries, search=vectors),
    }


def _compare(before: Sequence[Case], after: Sequence[Case]) -> dict[str, Any]:
    """Return measures as [before, after], and how sure the gain in Recall@1 is."""
    pair = [measure(cases) for cases in (before, after)]
    by_kind = [measure_by_kind(cases) for cases in (before, after)]
    gain = np.array([case.rank == 1 for case in after], float)
    gain -= [case.rank == 1 for case in before]
    drawn = np.random.default_rng(0).integers(len(gain), size=(RESAMPLES, len(gain)))
    low, high = np.quantile(gain[drawn].mean(axis=1), (0.025, 0.975))
    return {
        **{
            name: [round(getattr(measures, name), 4) for measures in pair]
            for name in ("recall_at_1", "recall_at_3", "mrr_at_10")
        },
        "recall_at_1_gain_95_percent": [round(float(low), 4), round(float(high), 4)],
        "recall_at_1_by_kind": {
            kind: [round(kinds[kind].recall_at_1, 4) for kinds in by_kind] for kind in by_kind[0]
        },
    }


if __name__ == "__main__":
    main()
