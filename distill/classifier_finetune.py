"""How does a classifier learn when the encoder learns too, as BERT is fine-tuned?

In: the student of a bundle and a head that fits its vectors. Out: both as they were at the best
evaluation. Beginning with a fitted head keeps the first steps from spoiling the encoder (Kumar et
al. 2022: linear probing, then fine-tuning).
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F

from distill.bundle import IDF, TOKENIZER, Bundle
from distill.classification_scores import Scores
from distill.classifier import Head
from distill.classifier_training import selects
from distill.config import ClassifierConfig
from distill.dataset import Ragged, Tokeniser, length_batches
from distill.errors import TrainingError
from distill.idf import WordIdf
from distill.weights import Weighting


@dataclass(frozen=True)
class LabelledTokens:
    """Tokenised texts, and the number of each one's label, int64 (n,)."""

    texts: Ragged
    labels: np.ndarray


@dataclass(frozen=True)
class TunedClassifier:
    """Student and head of the best evaluation; ``step`` 0 is the head on the encoder as it was."""

    student: nn.Module
    head: Head
    step: int
    dev: Scores


def tokenised(bundle: Bundle, texts: Sequence[str], labels: np.ndarray) -> LabelledTokens:
    """Tokenise labelled texts as the bundle's student reads them."""
    weighting = Weighting(WordIdf.load(bundle.path / IDF), bundle.manifest.smoothing)
    tokenizer = Tokenizer.from_file(str(bundle.path / TOKENIZER))
    [ragged] = Tokeniser(weighting, tokenizer, bundle.manifest.max_tokens).ragged(texts)
    return LabelledTokens(ragged, labels)


def finetune_classifier(
    config: ClassifierConfig,
    student: nn.Module,
    head: Head,
    train: LabelledTokens,
    dev: LabelledTokens,
    *,
    balanced: bool = False,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> TunedClassifier:
    """Train copies of student and head; ``report`` gets each evaluation.

    Raises TrainingError if the loss is not finite.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    student = copy.deepcopy(student)
    student.dropout.p = config.dropout
    layer = nn.Linear(head.weights.shape[1], len(head.labels))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(head.weights / config.scale))
        layer.bias.copy_(torch.from_numpy(head.bias))
    weights = _class_weights(train.labels, len(head.labels)) if balanced else None
    parameters = [*student.parameters(), *layer.parameters()]
    optimiser = torch.optim.AdamW(parameters, config.learning_rate)
    steps = max(config.fewest_steps, config.epochs * -(-len(train.labels) // config.batch))
    every = max(1, steps // config.evaluations)
    best = TunedClassifier(
        copy.deepcopy(student).eval(), head, 0, _scores(student, layer, head.labels, dev, config)
    )
    batches = length_batches(train.texts.lengths, config.batch, config.seed)
    losses: list[float] = []
    for step in range(1, steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * _rate(step / steps, config.warmup)
        student.train()
        rows = next(batches)
        scores = layer(config.scale * _encode(student, train.texts, rows))
        loss = F.cross_entropy(scores, torch.from_numpy(train.labels[rows]), weights)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise TrainingError(
                f"第 {step} 步的损失是 {losses[-1]}, 什么也没有写。"
                f"怎么办: 调低 learning_rate, 现在是 {config.learning_rate}"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, config.clip)
        optimiser.step()
        if step % every and step != steps:
            continue
        found = _scores(student, layer, head.labels, dev, config)
        report(
            {
                "step": step,
                "loss": sum(losses) / len(losses),
                "accuracy": 100 * found.accuracy,
                "macro-F1": 100 * found.macro_f1,
            }
        )
        losses.clear()
        if selects(found, balanced) > selects(best.dev, balanced):
            whole = copy.deepcopy(student).eval()
            best = TunedClassifier(whole, _head(layer, head.labels, config), step, found)
        elif step - best.step > config.patience * every:
            break
    return best


def _rate(done: float, warmup: float) -> float:
    """Return the learning rate as a share of the highest: linear up, then linear down to 0."""
    return min(done / warmup, (1 - done) / (1 - warmup)) if warmup else 1 - done


def _class_weights(labels: np.ndarray, k: int) -> torch.Tensor:
    counts = np.bincount(labels, minlength=k)
    return torch.from_numpy((len(labels) / (k * np.maximum(counts, 1))).astype(np.float32))


def _encode(student: nn.Module, texts: Ragged, rows: np.ndarray) -> torch.Tensor:
    batch = texts.batch(rows)
    return student(
        torch.from_numpy(batch.input_ids),
        torch.from_numpy(batch.attention_mask),
        torch.from_numpy(batch.weights),
    )


def _head(layer: nn.Linear, labels: Sequence[str], config: ClassifierConfig) -> Head:
    weights = (layer.weight * config.scale).detach().numpy().copy()
    return Head(tuple(labels), weights, layer.bias.detach().numpy().copy())


@torch.inference_mode()
def _scores(
    student: nn.Module,
    layer: nn.Linear,
    labels: Sequence[str],
    dev: LabelledTokens,
    config: ClassifierConfig,
) -> Scores:
    student.eval()
    order = np.argsort(dev.texts.lengths, kind="stable")
    head = _head(layer, labels, config)
    predicted = np.empty(len(order), np.int64)
    for start in range(0, len(order), 256):
        rows = order[start : start + 256]
        predicted[rows] = head.predict(_encode(student, dev.texts, rows).numpy())
    return Scores.of(labels, dev.labels, predicted)
