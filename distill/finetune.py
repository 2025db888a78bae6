"""python -m distill finetune pairs.tsv --encoder data/encoder -o build/tuned

The student of a bundle learns on from labelled pairs, while the vectors it gave before hold it back
from forgetting what else it knows. Texts held out by meaning, or dev files, say which epoch was
best. Knobs: FinetuneConfig.
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from distill.bundle import Bundle, Manifest
from distill.config import FinetuneConfig
from distill.dataset import Ragged, length_batches
from distill.errors import TrainingError
from distill.evaluate import spearman
from distill.finetune_data import FinetuneData, pair_batches
from distill.losses import pair_loss, vector_loss


@dataclass(frozen=True)
class Finetuned:
    """The student of the best epoch, its measures × 100 before and after, how far vectors moved."""

    student: nn.Module
    epoch: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    moved: Mapping[str, np.ndarray]  # cosine of each text's new vector to its old one


def finetune(
    config: FinetuneConfig,
    student: nn.Module,
    data: FinetuneData,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> Finetuned:
    """Train a copy of ``student``; ``report`` gets each epoch.

    Raises TrainingError if the loss is not finite, or no epoch is better than ``student`` was.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    old, student = student.eval(), copy.deepcopy(student)
    anchors = _encode_all(old, data.texts)
    before = after = _measure(old, data)
    best, best_epoch = old, 0
    if data.general:
        general_anchors = _encode_all(old, data.general)
        general = length_batches(data.general.lengths, config.general_batch, config.seed)
    optimiser = torch.optim.AdamW(student.parameters(), config.learning_rate, weight_decay=0.0)
    epochs = [list(pair_batches(data, config, epoch)) for epoch in range(config.epochs)]
    step, steps = 0, sum(map(len, epochs))
    for epoch, batches in enumerate(epochs, 1):
        losses = []
        student.train()
        for rows in batches:
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * _rate(step / steps, config.warmup)
            both = np.concatenate([data.first[rows], data.second[rows]])
            vectors = _encode(student, data.texts, both)  # (2b, d)
            loss = pair_loss(*vectors.chunk(2), torch.from_numpy(data.labels[rows]), config.loss)
            if config.own_weight:
                loss = loss + config.own_weight * vector_loss(vectors, anchors[both], config.loss)
            if data.general:
                rows = next(general)
                vectors = _encode(student, data.general, rows)
                kept = vector_loss(vectors, general_anchors[rows], config.loss)
                loss = loss + config.general_weight * kept
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                raise TrainingError(
                    f"epoch {epoch}: the loss is {losses[-1]}, so nothing is written. "
                    f"Lower learning_rate, now {config.learning_rate}"
                )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), config.clip)
            optimiser.step()
            step += 1
        candidate = _blend(old, student, config.blend)
        scores = _measure(candidate, data)
        report({"epoch": epoch, "loss": sum(losses) / len(losses), **scores})
        if _selects(scores) > _selects(after):
            best, best_epoch, after = candidate, epoch, scores
        elif epoch - best_epoch >= config.patience:
            break
    if best_epoch == 0:
        raise TrainingError(
            f"no epoch was better than the encoder as it is ({_in_words(before)}), so nothing is "
            f"written. Give more pairs, or lower learning_rate, now {config.learning_rate}"
        )
    moved = {"texts of the pairs": _cosines(anchors, _encode_all(best, data.texts))}
    if data.general:
        moved["general"] = _cosines(general_anchors, _encode_all(best, data.general))
    return Finetuned(best, best_epoch, before, after, moved)


def tuned_manifest(
    bundle: Bundle, tuned: Finetuned, record: Mapping[str, object], name: str = ""
) -> Manifest:
    """Return the manifest of what ``bundle`` became; how that one was made stays on record."""
    old = bundle.manifest
    tuning = {
        "from": bundle.fingerprint,
        **record,
        "epoch": tuned.epoch,
        "before": {name: round(value, 2) for name, value in tuned.before.items()},
    }
    return replace(
        old,
        name=name or f"{old.name}-tuned",
        training={**old.training, "finetuned": [*old.training.get("finetuned", []), tuning]},
        metrics={name: round(value, 2) for name, value in tuned.after.items()},
    )


def _rate(done: float, warmup: float) -> float:
    """Return the learning rate as a share of the highest: linear up, then linear down to 0."""
    return min(done / warmup, (1 - done) / (1 - warmup)) if warmup else 1 - done


def _blend(old: nn.Module, new: nn.Module, share: float) -> nn.Module:
    """Return a copy with ``share`` of the new weights and the rest of the old (Wortsman 2022)."""
    blended = copy.deepcopy(new).eval()
    with torch.no_grad():
        for ours, before in zip(blended.parameters(), old.parameters(), strict=True):
            ours.lerp_(before, 1 - share)
    return blended


def _measure(student: nn.Module, data: FinetuneData) -> dict[str, float]:
    """Return Spearman of each dev set, or else how well held-out texts find their partners."""
    if data.dev:
        return {
            f"Spearman {name}": 100
            * spearman(
                _cosines(_encode_all(student, pairs.first), _encode_all(student, pairs.second)),
                pairs.labels,
            )
            for name, pairs in data.dev.items()
        }
    vectors = _encode_all(student, data.texts).numpy()
    ranks = []
    for row in data.held_out:
        cosines = vectors @ vectors[row]
        alike = data.meaning == data.meaning[row]
        nearest = np.delete(cosines, row)[np.delete(alike, row)].max()
        ranks.append(1 + (cosines[~alike] > nearest).sum())
    ranks = np.array(ranks)
    return {"Recall@1": 100 * float((ranks == 1).mean()), "MRR": 100 * float((1 / ranks).mean())}


def _selects(scores: Mapping[str, float]) -> float:
    """Return the one number that says which epoch is best."""
    return scores["MRR"] if "MRR" in scores else sum(scores.values()) / len(scores)


def _in_words(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in scores.items())


def _cosines(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    return (a * b).sum(-1).numpy()


def _encode(student: nn.Module, texts: Ragged, rows: np.ndarray) -> torch.Tensor:
    batch = texts.batch(rows)
    vectors = student(
        torch.from_numpy(batch.input_ids),
        torch.from_numpy(batch.attention_mask),
        torch.from_numpy(batch.weights),
    )
    return F.normalize(vectors.float(), dim=-1)


@torch.inference_mode()
def _encode_all(student: nn.Module, texts: Ragged) -> torch.Tensor:
    """Return float32 (n, d); a text with nothing to encode has a vector of zeros."""
    rows = np.argsort(texts.lengths, kind="stable")
    rows = rows[texts.lengths[rows] > 0]
    parts = [rows[i : i + 256] for i in range(0, len(rows), 256)]
    found = torch.cat([_encode(student, texts, part) for part in parts])
    vectors = torch.zeros(len(texts), found.shape[1])
    vectors[rows] = found
    return vectors
