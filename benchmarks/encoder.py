"""python benchmarks/encoder.py CORPUS: the bundled encoder on five test sets, its size and speed.

Spearman × 100 on the test splits, which nothing was trained on or selected by. Speed: one query
at a time on one thread, text in to vector out; BERT-base (random weights: as slow as trained ones)
reads the same queries on one thread in the same run, tokens in to vector out.
"""

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from distill.corpus import read_pairs
from distill.encoder import Encoder
from distill.evaluate import evaluate_pairs
from indexer.evaluate import read_queries

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "encoder.json"
SETS = ("atec", "bq", "lcqmc", "pawsx", "stsb")
QUERIES = 200


def main(corpus: Path) -> None:
    """Measure, print and write the result file."""
    encoder = Encoder.load(ROOT / "data" / "encoder")
    spearman, pairs = {}, {}
    for name in SETS:
        rows = list(read_pairs([corpus / "pairs" / name / "test.tsv"]))
        spearman[name], pairs[name] = round(evaluate_pairs(encoder, rows), 2), len(rows)
        print(name, spearman[name], len(rows))
    # Both splits: a text's encoding time is no secret of the test.
    texts = [q.query for q in read_queries(ROOT / "data" / "queries.csv") if q.entry_id][:QUERIES]
    ours, bert = _ours(encoder, texts), _bert_base(texts)
    result = {
        "what": "Spearman × 100 of cosines on the test split of each set",
        "encoder": encoder.fingerprint,
        "trained_on": {k: v for k, v in encoder.bundle.manifest.training.items() if k != "config"},
        "bundle_bytes": encoder.bundle.size,
        "model_bytes": (encoder.bundle.path / "model.onnx").stat().st_size,
        "dimension": encoder.dimension,
        "spearman": spearman,
        "pairs": pairs,
        "timing": f"median of {len(texts)} queries, one at a time, one thread; ours from text, "
        "BERT-base from tokens",
        "ours_ms": round(ours, 3),
        "bert_base_ms": round(bert, 3),
        "times_faster_than_bert_base": round(bert / ours, 1),
        "cores": os.cpu_count(),
        "versions": {
            name: version(name) for name in ("numpy", "onnxruntime", "tokenizers", "jieba", "torch")
        },
    }
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{encoder.bundle.size / 1e6:.2f} MB, {ours:.3f} ms, BERT-base {bert:.1f} ms")


def _ours(encoder: Encoder, texts: list[str]) -> float:
    encoder.encode(texts[:20], workers=1)  # warm up
    return _median_ms(lambda text: encoder.encode([text]), texts)


def _bert_base(texts: list[str]) -> float:
    import torch
    from transformers import BertConfig, BertModel

    torch.set_num_threads(1)
    model = BertModel(BertConfig()).eval()
    # One token a character, and [CLS] and [SEP]: what bert-base-chinese makes of Chinese.
    inputs = [torch.randint(1000, 20_000, (1, min(512, len(text) + 2))) for text in texts]
    with torch.inference_mode():
        for tokens in inputs[:5]:
            model(tokens)
        return _median_ms(lambda tokens: model(tokens), inputs)


def _median_ms(work, items) -> float:  # noqa: ANN001
    times = []
    for item in items:
        started = time.perf_counter()
        work(item)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
