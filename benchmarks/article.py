"""python benchmarks/article.py CORPUS [--teacher MODEL] [--methods …] [--sets …] [--hours H]

Which way to compress BERT is best for a task? Every method learns the same tasks from the same
teacher in the same number of steps: classification by labelled rows, and pairs. Finished cells are
kept in build/article and in results/article.json, and never computed again: stop it at any time.
The most telling cells come first. `--hours 0` writes the result from what is finished.
"""

import argparse
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from article_models import SPAN, sizes_and_speeds
from article_tasks import CLASS_SETS, PAIR_SETS, PAIRS, TITLES, Most, Task, read_task
from article_workshop import Workshop
from cells import Cell, Cells, Figures, digest, means
from class_sets import reported_texts
from distill.bundle import IDF
from distill.compressors.methods import METHODS, Method
from distill.compressors.training import Budget
from distill.compressors.transformer import Checkpoint
from distill.encoder import Encoder
from distill.errors import DistillError
from distill.files import write_whole
from distill.idf import WordIdf
from distill.weights import Weighting

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "article.json"
WORK = ROOT / "build" / "article"
ALL = 0  # rows: as many as there are
ROWS, PAIR_ROWS, SEEDS = (1000, 100, 300, ALL), (1000, ALL), (0, 1, 2)
COSTLY = ("teacher_cls", "teacher_idf")  # beyond the first round they come last


@dataclass(frozen=True)
class Run:
    """One cell to come: a method on some rows of a task."""

    method: Method
    task: Task
    rows: int
    seed: int


@dataclass(frozen=True)
class Size:
    """How large a comparison is."""

    budget: Budget
    most: Most
    rows: tuple[int, ...]
    pair_rows: tuple[int, ...]
    seeds: tuple[int, ...]
    rounds: int  # of measuring speed


FULL = Size(Budget(), Most(), ROWS, PAIR_ROWS, SEEDS, 20)
QUICK = Size(Budget(10, 16, 1), Most(1000, 100, 100), (100,), (100,), (0,), 3)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure what is not measured yet, print, and write the result file."""
    options = _options(arguments)
    logging.basicConfig(level=logging.WARNING)
    until = time.monotonic() + 3600 * options.hours
    size = QUICK if options.quick else FULL
    if options.rows:
        size = replace(size, rows=tuple(options.rows), pair_rows=tuple(options.rows))
    if options.seeds:
        size = replace(size, seeds=tuple(options.seeds))
    encoder = Encoder.load(ROOT / "data" / "encoder")
    idf = WordIdf.load(encoder.bundle.path / IDF)
    weighting = Weighting(idf, encoder.bundle.manifest.smoothing)
    checkpoint = Checkpoint.load(str(options.teacher), weighting, options.prefix)
    work = WORK / "quick" if options.quick else WORK
    workshop = Workshop(encoder, checkpoint, size.budget, work)
    cells = Cells(work / "cells", [] if options.quick else committed(RESULT))
    held_out = reported_texts(options.corpus)
    every = options.sets if options.quick else (*CLASS_SETS, *PAIR_SETS)
    tasks = [read_task(options.corpus, name, held_out, size.most) for name in every]
    speeds = {"models": _models_key(workshop), "rounds": size.rounds, "span": SPAN}
    if options.hours:
        cells.get(speeds, lambda: sizes_and_speeds(workshop, size.rounds))
    chosen = [task for task in tasks if task.name in options.sets]
    planned = list(grid(chosen, [METHODS[name] for name in options.methods], size))
    try:
        for number, run in enumerate(planned, 1):
            settings = workshop.settings(**vars(run))
            if cells.find(settings) is not None:
                continue
            if time.monotonic() > until:
                print(f"time is up: {number - 1} of {len(planned)} cells")
                break
            figures = cells.get(settings, lambda run=run: workshop.measure(**vars(run)))
            print(f"{number}/{len(planned)}", json.dumps(settings), json.dumps(figures), flush=True)
    finally:
        result = gathered(workshop, tasks, cells, speeds)
        if not options.quick:
            write_whole(RESULT, as_json(result).encode())
    return result


def grid(tasks: Sequence[Task], methods: Sequence[Method], size: Size) -> Iterator[Run]:
    """Yield all cells, the most telling first: every method once at the first number of rows."""
    cells = []
    for task in tasks:
        wanted = size.pair_rows if task.kind == PAIRS else size.rows
        for method in methods:
            if task.kind not in method.tasks:
                continue
            for place, rows in enumerate(wanted):
                count = rows if rows != ALL else len(task.train)
                if count > len(task.train) or (rows == ALL and count in wanted):
                    continue
                for seed in size.seeds:
                    # Vectors left as they are learn nothing of pairs; all rows are the same rows.
                    if not method.trained and (
                        (seed != size.seeds[0] and (rows == ALL or task.kind == PAIRS))
                        or (place and task.kind == PAIRS)
                    ):
                        continue
                    first = place == 0 and seed == size.seeds[0]
                    late = method.name in COSTLY and not first
                    turn = (late, seed != size.seeds[0], place, seed, tasks.index(task))
                    costly = method.name in COSTLY
                    order = (*turn, costly, method.taught, methods.index(method))
                    cells.append((order, Run(method, task, count, seed)))
    cells.sort(key=lambda each: each[0])
    return (cell for _, cell in cells)


def committed(path: Path) -> list[Cell]:
    """Return the cells of a result file; none if there is no file."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"] if path.exists() else []


def gathered(
    workshop: Workshop, tasks: Sequence[Task], cells: Cells, speeds: Mapping[str, object]
) -> dict[str, Any]:
    """Return the result: means over the seeds that are finished, and all finished cells.

    Cells of other texts, another budget, teacher or encoder are left out.
    """
    by_name = {task.name: task for task in tasks}
    places = [[*by_name], [*METHODS]]
    finished = []
    for cell in cells.all():
        settings = cell["settings"]
        method, task = METHODS.get(settings.get("method")), by_name.get(settings.get("task"))
        if method and task:
            rows, seed = settings["rows"], settings["seed"]
            if settings == workshop.settings(method, task, rows, seed):
                order = (places[0].index(task.name), places[1].index(method.name), rows, seed)
                finished.append((order, cell))
    finished = [cell for _, cell in sorted(finished, key=lambda each: each[0])]
    seeds: dict[tuple[str, str, str], list[Figures]] = {}
    for cell in finished:
        settings = cell["settings"]
        key = (settings["method"], settings["task"], str(settings["rows"]))
        seeds.setdefault(key, []).append(cell["figures"])
    models = cells.find(speeds) or {}
    if models:
        finished.append({"settings": dict(speeds), "figures": models})
    quality: dict[str, Any] = {}
    for (method, task, rows), found in seeds.items():
        quality.setdefault(method, {}).setdefault(task, {})[rows] = {
            name: each for name, each in means(found).items() if name not in ("step", "threshold")
        }
    return {
        "what": "Every method with the same teacher, texts and steps; best step by dev, test read "
        "once; mean, sample standard deviation and number of seeds by method, set and labelled "
        "rows. Of a text its first characters are read, the same for all. Of the teacher's word "
        "vectors, shared by all that are made of its layers, nothing is trained. Pairs: accuracy "
        "at the threshold that is best on dev; lcqmc is read by the model that learnt from bq, "
        "with that threshold; transformers read both texts together, but dse, frozen vectors and "
        "small networks each by itself. The bundled encoder was distilled on 1.3 million "
        "texts before it learnt any of this, saw the training pairs of bq and atec then, with all "
        "their labels, and was selected by dev pairs of atec, bq, lcqmc and stsb: on pairs its "
        "labelled rows are more than the rows named. The other students have no such time before: "
        "the small ones begin at random, those made of the teacher's layers with its weights, and "
        "neither distilbert nor tinybert is distilled in general first. Teacher and ours begin "
        "with a linear head fitted to dev. Only distilled_bilstm augments its texts; cnn is given "
        "no further unlabelled ones. Transformers train in bfloat16, small networks in float32. "
        "pkd matches [CLS] states and scores by their mean; dse has half of the teacher's layers; "
        "tinybert matches attention after softmax. dse needs pairs, and is not used for "
        "classification. Rows whose texts occur in any test part of the corpus were dropped, "
        "compared at full length",
        "encoder": workshop.encoder.fingerprint,
        "teacher": {
            "name": Path(workshop.checkpoint.name).name,
            "sha256": workshop.checkpoint.sha256,
            "prefix": workshop.checkpoint.prefix,
        },
        "budget": {name: v for name, v in asdict(workshop.budget).items() if name != "seed"},
        "sets": {
            task.name: {
                "title": TITLES[task.name],
                "task": task.kind,
                "labels": task.classes,
                "train": len(task.train),
                "dev": len(task.dev),
                "tests": {name: len(test) for name, test in task.tests.items()},
                "dropped": task.dropped,
            }
            for task in tasks
        },
        "models": models,
        "quality": quality,
        "versions": {
            name: version(name) for name in ("torch", "transformers", "scikit-learn", "numpy")
        },
        "cells": finished,
    }


def as_json(result: Mapping[str, Any]) -> str:
    """Return the result as JSON, one cell a line."""
    lines = [json.dumps(cell, ensure_ascii=False) for cell in result["cells"]]
    head = json.dumps({**result, "cells": []}, ensure_ascii=False, indent=1)
    assert head.endswith(' "cells": []\n}')
    cells = ",\n  ".join(lines)
    return head.removesuffix("[]\n}") + (f"[\n  {cells}\n ]\n}}\n" if lines else "[]\n}\n")


def _models_key(workshop: Workshop) -> str:
    manifest = workshop.encoder.bundle.manifest
    student = manifest.training["config"]["student"]
    return digest(workshop.checkpoint.sha256, student, manifest.sha256, list(METHODS))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sets = (*CLASS_SETS, *PAIR_SETS)
    parser.add_argument("corpus", type=Path, help="the folder with class/ and pairs/")
    parser.add_argument(
        "--teacher",
        default=ROOT / "build" / "encoder" / "multilingual-e5-small",
        help="a BERT-family model, by path or name, e.g. bert-base-chinese",
    )
    parser.add_argument("--prefix", default="query: ", help="before each text read alone; '' none")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--sets", nargs="+", choices=sets, default=None)
    parser.add_argument("--rows", nargs="+", type=int, help="labelled rows; 0: all")
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--hours", type=float, default=1000.0, help="begin no cell after so long")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: its own choice")
    parser.add_argument(
        "--quick", action="store_true", help="two sets, 100 rows, few steps; writes nothing"
    )
    options = parser.parse_args(arguments)
    options.sets = options.sets or ((sets[0], "bq") if options.quick else sets)
    if options.threads:
        torch.set_num_threads(options.threads)
    return options


if __name__ == "__main__":
    try:
        main()
    except DistillError as error:
        raise SystemExit(f"Error: {error}") from error
