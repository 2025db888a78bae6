"""python benchmarks/pooling.py CORPUS TEACHER: which pooling is best, for teacher and student?

The method's claim is that token vectors weighted by word-level IDF make the best sentence vector.
Every pooling of one teacher, alone and as what a small student is trained to reproduce, on the
same texts, with the same steps and no labelled pairs. Spearman × 100 on the first pairs of each dev
split, which the students are not trained on. Needs `build/idf.tsv.gz` and `build/tokenizer.json`
from `make encoder`.
"""

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
from tqdm import tqdm

from distill.config import StudentConfig, TrainConfig
from distill.corpus import HeldOut, read_pairs, read_translations
from distill.dataset import read_training_data
from distill.evaluate import spearman
from distill.idf import WordIdf
from distill.shards import ShardPlan, corpus_digest, write_shards
from distill.teacher import load_teacher
from distill.train import train
from distill.weights import Weighting

ROOT = Path(__file__).parent.parent
BUILD, RESULT = ROOT / "build", ROOT / "benchmarks" / "results" / "pooling.json"
TEXTS = ("pair_questions", "zhihu_hot", "jddc_chat", "crosswoz", "simclue", "common_voice_zh")
ROWS_A_FILE, DEV_PAIRS = 8000, 1400
SETS = ("atec", "bq", "lcqmc", "stsb")
MEAN_STUDENT = 1e6  # smoothing beside which IDF is nothing: every character counts alike
CONFIG = TrainConfig(
    student=StudentConfig(hidden=128, embedding=128),
    steps=600,
    batch=256,
    vector_share=1.0,
    perturbed_share=0.0,
    noised_share=0.0,
    noised_rows=0.0,
    pair_share=0.0,
    centre=0.8,
    dev_pairs=DEV_PAIRS,
    evaluate_every=600,
    bfloat16=True,
)


def main(corpus: Path, checkpoint: str) -> None:
    """Measure, print and write the result file."""
    weighting = Weighting(WordIdf.load(BUILD / "idf.tsv.gz"))
    files = [corpus / "mono" / f"{name}.txt.xz" for name in TEXTS]
    texts = list(read_translations(files, HeldOut.read([corpus]), per_file=ROWS_A_FILE))
    dev = {name: corpus / "pairs" / name / "dev.tsv" for name in SETS}
    rows = []
    for pooling in ("cls", "first-last", "mean", "idf"):
        teacher = load_teacher(checkpoint, pooling, weighting, bfloat16=True)
        alone = {name: _teacher_score(teacher, path) for name, path in dev.items()}
        with tempfile.TemporaryDirectory() as directory:
            shards = Path(directory) / "shards"
            plan = ShardPlan(
                teacher=Path(checkpoint).name,
                teacher_sha256=teacher.sha256,
                pooling=pooling,
                prefix="",
                idf_sha256="",
                perturbations=0,
                corpus_sha256=corpus_digest(texts),
                rows=len(texts),
                shard_size=8192,
            )
            with tqdm(total=len(texts), desc=pooling) as bar:
                write_shards(shards, plan, texts, teacher.encode, bar.update)
            for student, smoothing in (("idf", CONFIG.smoothing), ("mean", MEAN_STUDENT)):
                scores = _student_scores(shards, dev.values(), smoothing, Path(directory) / student)
                row = {"teacher": pooling, "student": student, "teacher_spearman": alone}
                rows.append(row | {"student_spearman": scores})
                print(row, scores)
    result = {
        "what": "Spearman × 100 on dev pairs: a teacher's vectors by pooling, and a student's that "
        "was trained on them",
        "teacher": Path(checkpoint).name,
        "texts": len(texts),
        "dev_pairs": {name: min(DEV_PAIRS, len(list(read_pairs([p])))) for name, p in dev.items()},
        "config": json.loads(CONFIG.to_json()),
        "versions": {name: version(name) for name in ("torch", "transformers", "jieba")},
        "rows": rows,
    }
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _teacher_score(teacher, path: Path) -> float:  # noqa: ANN001
    pairs = list(read_pairs([path]))[:DEV_PAIRS]
    first = teacher.encode([pair.first for pair in pairs])[:, 0]
    second = teacher.encode([pair.second for pair in pairs])[:, 0]
    labels = np.array([pair.label for pair in pairs])
    return round(100 * spearman((first * second).sum(axis=1), labels), 2)


def _student_scores(shards: Path, dev, smoothing: float, run: Path) -> dict[str, float]:  # noqa: ANN001
    values = json.loads(CONFIG.to_json()) | {"smoothing": smoothing}
    config = TrainConfig.from_json(json.dumps(values))
    data = read_training_data(
        config,
        shards=[shards],
        idf=BUILD / "idf.tsv.gz",
        tokenizer=BUILD / "tokenizer.json",
        dev=list(dev),
        workers=2,
    )
    found: dict[str, float] = {}
    train(config, data, run, found.update)
    return {name: round(found[f"dev_{name}/dev"], 2) for name in SETS}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2])
