"""How large is each method's model, and how long does it take for one text?

In: a workshop. Out: by method, parameters, megabytes in float32, and milliseconds of one text, from
its characters to its scores, at batch 1 on one thread. All models by turns, so that noise hits all
alike. What serves our encoder is onnxruntime with int8 weights: it stands beside, as ``served``.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from article_workshop import Workshop
from distill.compressors.compress import untrained
from distill.compressors.examples import Examples
from distill.compressors.methods import LABELS, METHODS
from distill.compressors.task_model import TaskModel
from distill.compressors.transformer import TransformerModel
from distill.speed import SAMPLE, cut

CHARACTERS, TEXTS, CLASSES = 16, 8, 15
SERVED = "ours_served"


def sizes_and_speeds(workshop: Workshop, rounds: int) -> dict[str, dict[str, float]]:
    """Return the figures of every method; ``times_faster`` is to the teacher in the same run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measured(workshop, rounds)
    finally:
        torch.set_num_threads(threads)


def _measured(workshop: Workshop, rounds: int) -> dict[str, dict[str, float]]:
    texts = cut(SAMPLE, CHARACTERS, TEXTS)
    found: dict[str, dict[str, float]] = {}
    calls: dict[str, Callable[[str], Any]] = {}
    for method in METHODS.values():
        # A method that is for pairs only reads one text of a pair by itself.
        pairs = LABELS not in method.tasks
        model = untrained(method, workshop.materials, CLASSES, pairs=pairs).eval()
        found[method.name] = size(model)
        if isinstance(model, TransformerModel):
            model.mixed = False  # one text in bfloat16 takes longer
        calls[method.name] = partial(_vector if pairs else _scores, model)
    encoder = workshop.encoder
    calls[SERVED] = lambda text: encoder.encode([text])
    found[SERVED] = {"megabytes": round(encoder.bundle.size / 1e6, 2)}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for text in texts[:2]:
        for call in calls.values():
            call(text)
    for turn in range(rounds):
        text = texts[turn % len(texts)]
        for name, call in calls.items():
            started = time.perf_counter()
            call(text)
            seconds[name].append(time.perf_counter() - started)
    median = {name: statistics.median(taken) for name, taken in seconds.items()}
    for name, taken in median.items():
        found[name]["ms"] = round(1000 * taken, 3)
        found[name]["times_faster"] = round(median["teacher"] / taken, 2)
    return found


def size(model: TaskModel) -> dict[str, float]:
    """Return how many parameters there are, with and without the table of word vectors."""
    tables = [m.weight for m in model.modules() if isinstance(m, torch.nn.Embedding)]
    words = max((table.numel() for table in tables), default=0)  # positions are the smaller table
    count = sum(p.numel() for p in model.parameters())
    return {
        "parameters": count,
        "parameters_without_words": count - words,
        "megabytes": round(4 * count / 1e6, 2),
    }


def _scores(model: TaskModel, text: str) -> np.ndarray:
    return model.score_all(model.read(Examples.of([text], np.zeros(1))))


def _vector(model: TransformerModel, text: str) -> np.ndarray:
    return model.vectors([text])
