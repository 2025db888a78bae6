"""python benchmarks/downstream.py CORPUS [--systems ours character_tfidf static teacher] [--quick]

What do the vectors serve besides search? On six labelled sets: a linear layer on frozen vectors, by
the number of labelled rows; and how well groups of vectors follow the labels. How strongly a layer
is held back is chosen on dev; the test part is read once. Finished cells are not computed again.
"""

import argparse
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, v_measure_score

from baselines import Encode, TfIdf, Vectors, character_grams
from cells import Cells, Figures, digest, means
from class_sets import (
    MOST_DEV,
    MOST_TEST,
    MOST_TRAIN,
    NAMES,
    ClassSet,
    read_class_set,
    reported_texts,
)
from distill.bundle import IDF, file_sha256
from distill.classification_scores import Scores
from distill.classifier_training import STRENGTHS, LabelledVectors, fit_head
from distill.encoder import Encoder
from distill.grouping import group_by_meaning
from distill.idf import WordIdf
from distill.text_groups import THRESHOLD
from static_encoder import StaticEncoder

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "downstream.json"
WORK = ROOT / "build" / "downstream"
SYSTEMS = ("ours", "character_tfidf", "static", "teacher")
ROWS = (100, 300, 1000, MOST_TRAIN)
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class System:
    """Turns texts into vectors; ``key`` changes whenever they would."""

    name: str
    key: str
    encode: Encode | None  # None: fitted on what is learnt from


def main() -> None:
    """Measure what is not measured yet, print, and write the result file."""
    options = _options()
    logging.basicConfig(level=logging.WARNING)
    encoder = Encoder.load(ROOT / "data" / "encoder")
    held_out = reported_texts(options.corpus)
    sets = [read_class_set(options.corpus, name, held_out) for name in options.sets]
    cells = Cells(WORK / "cells")
    rows, seeds = (ROWS[:1], SEEDS[:1]) if options.quick else (ROWS, SEEDS)
    found: dict[str, dict[str, Any]] = {
        name: {"accuracy": {}, "clustering": {}} for name in options.systems
    }
    for name in options.systems:
        system = _system(name, encoder, options.teacher)
        for each in sets:
            measured = of_set(system, each, cells, rows, seeds)
            for task, figures in measured.items():
                found[name][task][each.name] = figures
            print(name, each.name, json.dumps(measured), flush=True)
    if not options.quick:
        _write(encoder, sets, found)


def of_set(
    system: System, given: ClassSet, cells: Cells, rows: Sequence[int], seeds: Sequence[int]
) -> dict[str, Any]:
    """Return a system's figures on a set: by the number of labelled rows, and of its groups."""
    vectors, whole = _remembered(system, given), len(given.train.texts)
    accuracy = {}
    for count in rows:
        if count >= whole and count != MOST_TRAIN:
            continue
        drawn = seeds if count < whole else seeds[:1]  # all rows are the same rows each time
        accuracy[str(min(count, whole))] = means([
            cells.get(
                _settings(system, given, "frozen", count, seed, strengths=STRENGTHS),
                partial(frozen, system, given, vectors, count, seed),
            )
            for seed in drawn
        ])  # fmt: skip
    clustering = means([
        cells.get(
            _settings(system, given, "groups", 0, seed, threshold=THRESHOLD),
            partial(clustered, system, given, vectors, seed),
        )
        for seed in seeds
    ])  # fmt: skip
    return {"accuracy": accuracy, "clustering": clustering}


def frozen(
    system: System, given: ClassSet, vectors: Mapping[str, Vectors], count: int, seed: int
) -> Figures:
    """Fit a linear layer on ``count`` rows, choose its strength on dev, and read the test once."""
    train = given.train.draw(count, seed)
    if system.encode is None:
        fitted = TfIdf.fit(train.texts, character_grams)
        here, there, test = (fitted.encode(part.texts) for part in (train, given.dev, given.test))
    else:
        row = {text: i for i, text in enumerate(given.train.texts)}
        here = vectors["train"][[row[text] for text in train.texts]]
        there, test = vectors["dev"], vectors["test"]
    head = fit_head(
        given.labels,
        LabelledVectors(here, train.labels),
        LabelledVectors(there, given.dev.labels),
    )
    scores = Scores.of(given.labels, given.test.labels, head.head.predict(test))
    return {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1, "strength": head.strength}


def clustered(
    system: System, given: ClassSet, vectors: Mapping[str, Vectors], seed: int
) -> Figures:
    """Group the test part: as many groups as labels, and as many as are found."""
    labels = given.test.labels
    if system.encode is None:
        points = TfIdf.fit(given.test.texts, character_grams).encode(given.test.texts)
    else:
        points = _unit(vectors["test"] - vectors["test"].mean(axis=0))
    means = KMeans(len(given.labels), n_init=1, random_state=seed).fit(points)
    figures = {
        "v_measure": v_measure_score(labels, means.labels_),
        "ami": adjusted_mutual_info_score(labels, means.labels_),
    }
    if not issparse(points):
        groups = group_by_meaning(points.astype(np.float32), THRESHOLD)
        figures |= {
            "groups_found": int(groups.max()) + 1,
            "v_measure_found": v_measure_score(labels, groups),
            "ami_found": adjusted_mutual_info_score(labels, groups),
        }
    return {name: float(value) for name, value in figures.items()}


def _settings(
    system: System, given: ClassSet, task: str, rows: int, seed: int, **more: object
) -> dict[str, object]:
    parts = [digest(p.texts, p.labels.tolist()) for p in (given.train, given.dev, given.test)]
    return {
        "task": task, "system": system.name, "key": system.key, "set": given.name,
        "texts": parts, "rows": rows, "seed": seed, **more,
    }  # fmt: skip


def _system(name: str, encoder: Encoder, teacher: Path) -> System:
    if name == "ours":
        return System(name, encoder.fingerprint, encoder.encode)
    if name == "character_tfidf":
        return System(name, "1-2 grams", None)
    weights = file_sha256(teacher / "model.safetensors")[:16]
    if name == "static":
        idf = WordIdf.load(encoder.bundle.path / IDF)
        static = cache(partial(StaticEncoder.distil, teacher, idf))
        return System(name, weights, lambda texts: static().encode(texts))

    @cache
    def loaded() -> Callable[[Sequence[str]], np.ndarray]:
        from distill.teacher import load_teacher  # torch: only where vectors are missing

        model = load_teacher(str(teacher), "mean", prefix="query: ")
        return lambda texts: model.encode(texts)[:, 0]

    return System(name, weights, lambda texts: loaded()(texts))


def _remembered(system: System, given: ClassSet) -> Mapping[str, Vectors]:
    """Return the vectors of a set's parts, from WORK if they are there."""
    if system.encode is None:
        return {}
    vectors = {}
    for name in ("train", "dev", "test"):
        texts = getattr(given, name).texts
        file = WORK / f"{system.name}-{digest(system.key, texts)}.npy"
        if not file.exists():
            WORK.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part.npy")
            np.save(part, system.encode(texts))
            part.replace(file)
        vectors[name] = np.load(file)
    return vectors


def _write(encoder: Encoder, sets: Sequence[ClassSet], found: Mapping[str, Any]) -> None:
    result = {
        "what": "A linear layer (logistic regression) on frozen vectors: accuracy and macro-F1 on "
        "the test part by the number of labelled rows, strength of regularisation chosen on dev; "
        "and k-means on the test part into as many groups as labels (one start a seed), and groups "
        "as `distill cluster` finds them: V-measure and adjusted mutual information. Rows of train "
        "and dev that occur in any test part of the corpus were dropped",
        "encoder": encoder.fingerprint,
        "drawn": {"train": MOST_TRAIN, "dev": MOST_DEV, "test": MOST_TEST},
        "sets": {
            each.name: {
                "title": NAMES[each.name],
                "labels": len(each.labels),
                **{part: len(getattr(each, part).texts) for part in ("train", "dev", "test")},
                "dropped": each.dropped,
            }
            for each in sets
        },
        "seeds": len(SEEDS),
        "systems": found,
        "versions": {name: version(name) for name in ("numpy", "scikit-learn", "onnxruntime")},
    }
    RESULT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path, help="the folder with class/, pairs/ and faq/")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--sets", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--quick", action="store_true", help="100 rows, one seed; writes nothing")
    parser.add_argument(
        "--teacher", type=Path, default=ROOT / "build" / "encoder" / "multilingual-e5-small"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
