"""How large is each method's model, and how long does it take for one text?

In: a workshop. Out: by method, parameters, megabytes in float32, and milliseconds of one text, from
its characters to its scores, at batch 1 on one thread. All models by turns, so that noise hits all
alike, and each reads for a while in its turn: a process that serves has one model, and finds it in
the caches. What serves our encoder is onnxruntime with int8 weights: it stands beside, as
``served``.
"""

import statistics
from collections.abc import Callable
from functools import partial
from itertools import chain, cycle
from typing import Any

import numpy as np
import torch

from article_workshop import Workshop
from distill.compressors.compress import untrained
from distill.compressors.examples import Examples
from distill.compressors.methods import LABELS, METHODS
from distill.compressors.task_model import TaskModel
from distill.compressors.transformer import TransformerModel
from distill.speed import SAMPLE, cut, turn

CHARACTERS, TEXTS, CLASSES = 16, 8, 15
SPAN = 0.1  # seconds of a turn; the slowest models read some texts in it
SERVED = "ours_served"


def sizes_and_speeds(workshop: Workshop, rounds: int) -> dict[str, dict[str, float]]:
    """Return the figures of every method; ``times_faster`` is to the teacher in the same run.

    ``ms`` is the median of all calls, ``first_ms`` that of the first calls of each turn, which find
    the caches filled by other models; so does ``first_times_faster``.
    """
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
    seconds: dict[str, list[list[float]]] = {name: [] for name in calls}
    for call in calls.values():
        call(texts[0])
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(turn(map(call, cycle(texts)).__next__, SPAN))
    every = {name: statistics.median(chain.from_iterable(turns)) for name, turns in seconds.items()}
    first = {name: statistics.median(each[0] for each in turns) for name, turns in seconds.items()}
    for prefix, median in (("", every), ("first_", first)):
        for name, taken in median.items():
            found[name][f"{prefix}ms"] = round(1000 * taken, 3)
            found[name][f"{prefix}times_faster"] = round(median["teacher"] / taken, 2)
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
