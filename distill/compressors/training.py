"""How is a model of a task trained? A number of steps that is the same for every method.

In: a model, a loss of rows of its examples, a score on dev. Out: the model as it was at its best
evaluation; at the last step where nothing selects.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from distill.compressors.task_model import TaskModel
from distill.dataset import length_batches
from distill.errors import TrainingError


@dataclass(frozen=True)
class Budget:
    """What every method may spend on a task."""

    steps: int = 300
    batch: int = 32
    evaluations: int = 5  # on dev, evenly spread over the steps; the best is kept
    warmup: float = 0.1  # share of the steps
    clip: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Rates:
    """Highest learning rates: of what stands on top, and of all below it."""

    body: float
    head: float


@dataclass(frozen=True)
class Best:
    """The step that was kept, 0 for before the first; and its score on dev."""

    step: int
    dev: float


def fit(
    model: TaskModel,
    loss: Callable[[np.ndarray], torch.Tensor],
    lengths: np.ndarray,
    dev: Callable[[], float] | None,
    rates: Rates,
    budget: Budget,
) -> Best:
    """Train ``model`` where it stands; ``loss`` gets rows, drawn by ``lengths``, of one length.

    Raises TrainingError if the loss is not finite.
    """
    groups = _groups(model, rates)
    parameters = [p for group in groups for p in group["params"]]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    every = max(1, budget.steps // budget.evaluations)
    best = Best(0, dev()) if dev else None
    kept = _copied(model)
    batches = length_batches(lengths, budget.batch, budget.seed)
    model.train()
    for step in range(1, budget.steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = group["highest"] * rate(step / budget.steps, budget.warmup)
        value = loss(next(batches))
        if not math.isfinite(value.item()):
            raise TrainingError(f"第 {step} 步的损失是 {value.item()}。怎么办: 调低学习率 {rates}")
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(parameters, budget.clip)
        optimiser.step()
        if best and (step % every == 0 or step == budget.steps):
            found = dev()
            if found > best.dev:
                best, kept = Best(step, found), _copied(model)
    if not best:
        return Best(budget.steps, math.nan)
    with torch.no_grad():
        for name, parameter in model.learning().items():
            parameter.copy_(kept[name])
    model.eval()
    return best


def rate(done: float, warmup: float) -> float:
    """Return the learning rate as a share of the highest: linear up, then linear down to 0."""
    return min(done / warmup, (1 - done) / (1 - warmup)) if warmup else 1 - done


def _groups(model: TaskModel, rates: Rates) -> Sequence[dict]:
    head = {id(p) for p in model.head.parameters()}
    learning = list(model.learning().values())
    return [
        {"params": parameters, "highest": highest}
        for parameters, highest in (
            ([p for p in learning if id(p) not in head], rates.body),
            ([p for p in learning if id(p) in head], rates.head),
        )
        if parameters
    ]


def _copied(model: TaskModel) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.learning().items()}
