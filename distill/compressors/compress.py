"""How does a method make a model of a task? One function a method, and the names they go by.

In: a ``Problem``, a teacher, a bundle, a ``Budget``. Out: ``Compressed``: what scores examples, and
the model where one was trained. Learning rates and weights of losses are those of the papers or
usual for such networks; none was chosen by any figure of a test part.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional as F

from distill.bundle import Bundle
from distill.classifier import Head
from distill.classifier_finetune import LabelledTokens, finetune_classifier
from distill.classifier_training import FittedHead, LabelledVectors, fit_head
from distill.compressors.augmentation import augmented
from distill.compressors.examples import Examples, Problem
from distill.compressors.methods import Method
from distill.compressors.objectives import (
    direction,
    patient,
    score_distance,
    softened,
    spread,
    transformer_distance,
)
from distill.compressors.small import SCALE, CosineModel, SmallModel, bilstm, cnn, reader
from distill.compressors.task_model import Outputs, TaskModel, lengths_of
from distill.compressors.training import Best, Budget, Rates, fit
from distill.compressors.transformer import Checkpoint, TransformerModel, some_layers
from distill.config import ClassifierConfig, LossConfig
from distill.errors import TrainingError
from distill.evaluate import spearman
from distill.export import load_student
from distill.losses import pair_loss

REVISION = 1  # of all that decides a result here; one more where a change makes other results
SMALL, TRANSFORMER, OURS = Rates(2e-3, 2e-3), Rates(1e-4, 1e-3), Rates(5e-4, 5e-4)
_UNSEEN = -10.0  # score of a label that no row has: low, but nothing to be imitated at any price
_ORDER = LossConfig(pair_order=1.0, pair_contrast=0.0)
OUR_VECTORS = "ours"

Scores = Callable[[Examples], np.ndarray]  # float32 (n, k)
Loss = Callable[[np.ndarray], torch.Tensor]


@dataclass(frozen=True)
class Materials:
    """What methods are made from.

    ``embed`` gives unit vectors of texts: of the teacher by its pooling, of the bundled encoder by
    ``OUR_VECTORS``. They are asked for often, so whoever calls may remember them.
    """

    bundle: Bundle
    checkpoint: Checkpoint
    embed: Callable[[str, Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Tutor:
    """The teacher after it was fine-tuned on the task; ``scores`` may remember what it said."""

    model: TransformerModel
    scores: Scores


@dataclass(frozen=True)
class Compressed:
    """What a method made; ``model`` is None where vectors were left as they are."""

    scores: Scores
    best: Best
    model: TaskModel | None = None


def compress(
    method: Method,
    problem: Problem,
    materials: Materials,
    budget: Budget,
    tutor: Callable[[], Tutor],
) -> Compressed:
    """Make a model; ``tutor`` is called only by methods that are ``taught``."""
    task = "pairs" if problem.train.pairs else "labels"
    if task not in method.tasks:
        raise TrainingError(f"{method.title} 不用于这种任务 ({task})")
    taught = tutor() if method.taught else None
    torch.manual_seed(budget.seed)
    if not method.trained:
        return _on_frozen_vectors(method, problem, materials)
    if method.kind == "ours" and not problem.train.pairs:
        return _ours_on_labels(problem, materials, budget)
    model = untrained(method, materials, problem.classes, pairs=problem.train.pairs)
    run = _Run(model, problem, budget)
    if method.kind == "teacher":
        best = _teacher(method, run, materials)
    else:
        best = _STUDENTS[method.name](run, taught)
    return Compressed(lambda given: model.score_all(model.read(given)), best, model.eval())


def untrained(method: Method, materials: Materials, classes: int, *, pairs: bool) -> TaskModel:
    """Return the method's kind of model, as it is before the first step."""
    bundle, checkpoint = materials.bundle, materials.checkpoint
    if method.kind == "ours":
        student, reads = load_student(bundle), reader(bundle)
        if pairs:
            return CosineModel(reads, student)
        return SmallModel(reads, student, bundle.manifest.dimension, classes, pairs=False)
    if method.kind == "small":
        return (cnn if method.name == "cnn" else bilstm)(bundle, classes, pairs=pairs)
    layers = None
    if method.kind == "layers":
        layers = taken_layers(method, checkpoint.layers)
    return TransformerModel(
        checkpoint, classes, method.pooling, layers=layers, apart=method.name == "dse"
    )


def taken_layers(method: Method, among: int) -> list[int]:
    """Return which of the teacher's layers, from 0, a student begins with."""
    count = max(1, among // (3 if method.name == "tinybert" else 2))
    return list(range(count)) if method.name == "pkd" else spread(count, among)


def pair_scores(scores: np.ndarray) -> np.ndarray:
    """Return how much two texts mean the same, float (n,), from scores of no and yes."""
    return scores[:, 1] - scores[:, 0]


def quality(scores: np.ndarray, examples: Examples) -> float:
    """Return what selects: accuracy of labels, rank correlation of pairs."""
    if examples.pairs:
        return spearman(pair_scores(scores), examples.labels)
    return float((scores.argmax(axis=1) == examples.labels).mean())


class _Run:
    """A model in training on a problem: its tokens, and the losses that every method knows."""

    def __init__(self, model: TaskModel, problem: Problem, budget: Budget) -> None:
        self.model, self.problem, self.budget = model, problem, budget
        self.tokens, self._dev = model.read(problem.train), model.read(problem.dev)

    def dev(self) -> float:
        return quality(self.model.score_all(self._dev), self.problem.dev)

    def scored(self, rows: np.ndarray) -> torch.Tensor:
        return self.model(self.tokens, rows).scores

    def labelled(self, scores: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
        return F.cross_entropy(scores, torch.from_numpy(self.problem.train.labels[rows]))

    def fit(self, loss: Loss, rates: Rates, steps: int = 0, *, selects: bool = True) -> Best:
        budget = replace(self.budget, steps=steps or self.budget.steps)
        dev = self.dev if selects else None
        return fit(self.model, loss, lengths_of(self.tokens), dev, rates, budget)


def _fitted_head(source: str, problem: Problem, materials: Materials) -> FittedHead:
    names = [str(i) for i in range(problem.classes)]
    train, dev = (
        LabelledVectors(materials.embed(source, part.texts), part.labels)
        for part in (problem.train, problem.dev)
    )
    fitted = fit_head(names, train, dev)
    bias = np.maximum(fitted.head.bias, _UNSEEN)
    return replace(fitted, head=replace(fitted.head, bias=bias))


def _source(method: Method) -> str:
    return OUR_VECTORS if method.kind == "ours" else method.pooling


def _on_frozen_vectors(method: Method, problem: Problem, materials: Materials) -> Compressed:
    """Fit a linear layer to vectors that stay as they are; of pairs the cosine is enough."""
    source = _source(method)
    if problem.train.pairs:

        def cosines(given: Examples) -> np.ndarray:
            first, second = (materials.embed(source, side) for side in (given.texts, given.others))
            cosine = (first * second).sum(axis=1)
            return np.stack([-cosine, cosine], axis=1) / 2

        return Compressed(cosines, Best(0, quality(cosines(problem.dev), problem.dev)))
    head = _fitted_head(source, problem, materials).head

    def scores(given: Examples) -> np.ndarray:
        return materials.embed(source, given.texts) @ head.weights.T + head.bias

    return Compressed(scores, Best(0, quality(scores(problem.dev), problem.dev)))


def _put_head(model: TaskModel, head: Head) -> None:
    with torch.no_grad():
        model.head.weight.copy_(torch.from_numpy(head.weights / SCALE))
        model.head.bias.copy_(torch.from_numpy(head.bias))


def _teacher(method: Method, run: _Run, materials: Materials) -> Best:
    """Fine-tune all layers; labels begin with the linear layer that fits the frozen vectors."""
    if not run.problem.train.pairs:
        _put_head(run.model, _fitted_head(_source(method), run.problem, materials).head)
    return run.fit(lambda rows: run.labelled(run.scored(rows), rows), TRANSFORMER)


def _ours_on_labels(problem: Problem, materials: Materials, budget: Budget) -> Compressed:
    """Fine-tune as ``classify train --fine-tune`` does, for the steps of all others."""
    reads = reader(materials.bundle)
    train, dev = (
        LabelledTokens(reads.ragged(part.texts)[0], part.labels)
        for part in (problem.train, problem.dev)
    )
    config = ClassifierConfig(
        seed=budget.seed,
        batch=budget.batch,
        epochs=0,  # the number of steps is the budget's
        fewest_steps=budget.steps,
        evaluations=budget.evaluations,
        patience=budget.evaluations,
    )
    head = _fitted_head(OUR_VECTORS, problem, materials).head
    tuned = finetune_classifier(config, load_student(materials.bundle), head, train, dev)
    dimension = materials.bundle.manifest.dimension
    model = SmallModel(reads, tuned.student, dimension, problem.classes, pairs=False)
    _put_head(model, tuned.head)
    best = Best(tuned.step, tuned.dev.accuracy)
    return Compressed(lambda given: model.score_all(model.read(given)), best, model.eval())


def _ours_on_pairs(run: _Run, tutor: Tutor | None) -> Best:
    """Bring pairs into their order by cosine (CoSENT)."""
    run.model.network.dropout.p = 0.1

    def loss(rows: np.ndarray) -> torch.Tensor:
        first, second = (run.model.vectors(side, rows) for side in run.tokens)
        labels = torch.from_numpy(run.problem.train.labels[rows].astype(np.float32))
        return pair_loss(first, second, labels, _ORDER)

    return run.fit(loss, OURS)


def _lstm(run: _Run, tutor: Tutor | None) -> Best:
    return run.fit(lambda rows: run.labelled(run.scored(rows), rows), SMALL)


def _distilled_bilstm(run: _Run, tutor: Tutor) -> Best:
    """Imitate the teacher's scores, of the texts and of texts made from them; no labels."""
    train, budget = run.problem.train, run.budget
    train = train.joined(augmented(train, budget.steps * budget.batch // 2, budget.seed))
    run.tokens = run.model.read(train)
    return _imitate(run, tutor, SMALL, train)


def _imitate(run: _Run, tutor: Tutor, rates: Rates, given: Examples | None = None) -> Best:
    """Bring scores near the teacher's, of the examples that the run's tokens are of."""
    wanted = torch.from_numpy(tutor.scores(given or run.problem.train))
    return run.fit(lambda rows: score_distance(run.scored(rows), wanted[rows]), rates)


def _cnn(run: _Run, tutor: Tutor) -> Best:
    return _imitate(run, tutor, SMALL)


def _soft_labels(run: _Run, tutor: Tutor) -> Best:
    wanted = torch.from_numpy(tutor.scores(run.problem.train))

    def loss(rows: np.ndarray) -> torch.Tensor:
        scores = run.scored(rows)
        return 0.3 * run.labelled(scores, rows) + 0.7 * softened(scores, wanted[rows], 4.0)

    return run.fit(loss, SMALL)


def _dse(run: _Run, tutor: Tutor) -> Best:
    """Read each text by itself, and imitate the scores of a teacher that reads both together."""
    return _imitate(run, tutor, TRANSFORMER)


def _pkd(run: _Run, tutor: Tutor) -> Best:
    """Begin with the first half of the layers; follow the teacher's [CLS] of every second."""
    layers = spread(len(run.model.bert.encoder.layer), tutor.model.checkpoint.layers)

    def loss(rows: np.ndarray) -> torch.Tensor:
        own, theirs = run.model(run.tokens, rows, inside=True), _told(run, tutor, rows)
        soft = softened(own.scores, theirs.scores, 5.0)
        far = patient(own.states, theirs.states, layers)
        return 0.5 * run.labelled(own.scores, rows) + 0.5 * soft + 10 * far

    return run.fit(loss, TRANSFORMER)


def _distilbert(run: _Run, tutor: Tutor) -> Best:
    """Begin with every second layer of the fine-tuned teacher, and with what stands on top."""
    count, among = len(run.model.bert.encoder.layer), tutor.model.checkpoint.layers
    taken = some_layers(tutor.model.bert, spread(count, among))
    run.model.bert.load_state_dict(taken.state_dict())
    run.model.head.load_state_dict(tutor.model.head.state_dict())

    def loss(rows: np.ndarray) -> torch.Tensor:
        own, theirs = run.model(run.tokens, rows, inside=True), _told(run, tutor, rows)
        soft = softened(own.scores, theirs.scores, 2.0)
        far = direction(own.states[-1], theirs.states[-1], own.mask)
        return 0.5 * run.labelled(own.scores, rows) + 0.5 * soft + far

    return run.fit(loss, TRANSFORMER)


def _tinybert(run: _Run, tutor: Tutor) -> Best:
    """Half of the steps for what stands inside, half for the scores."""
    layers = spread(len(run.model.bert.encoder.layer), tutor.model.checkpoint.layers)
    for model in (run.model, tutor.model):
        model.show_attention()

    def inside(rows: np.ndarray) -> torch.Tensor:
        own, theirs = run.model(run.tokens, rows, inside=True), _told(run, tutor, rows)
        states, attentions = (own.states, theirs.states), (own.attentions, theirs.attentions)
        return transformer_distance(states, attentions, own.mask, layers)

    half = run.budget.steps // 2
    run.fit(inside, TRANSFORMER, half, selects=False)
    wanted = torch.from_numpy(tutor.scores(run.problem.train))
    best = run.fit(
        lambda rows: softened(run.scored(rows), wanted[rows], 1.0),
        TRANSFORMER,
        run.budget.steps - half,
    )
    return Best(half + best.step, best.dev)


@torch.no_grad()
def _told(run: _Run, tutor: Tutor, rows: np.ndarray) -> Outputs:
    """Return what the teacher holds inside for these rows: it reads the same tokens."""
    return tutor.model.eval()(run.tokens, rows, inside=True)


_STUDENTS: dict[str, Callable[[_Run, Tutor], Best]] = {
    "lstm": _lstm,
    "distilled_bilstm": _distilled_bilstm,
    "soft_labels": _soft_labels,
    "cnn": _cnn,
    "dse": _dse,
    "pkd": _pkd,
    "distilbert": _distilbert,
    "tinybert": _tinybert,
    "ours": _ours_on_pairs,
}
