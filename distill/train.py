"""python -m distill train --shards shards/ --idf idf.tsv.gz --tokenizer tokenizer.json -o run/

The student learns to give each text the teacher's vector. Steps on labelled pairs and on noised
copies alternate with it where such data is given. Knobs: config.py.
"""

import csv
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from distill.config import LossConfig, TrainConfig
from distill.dataset import PairData, TrainingData, length_batches
from distill.errors import TrainingError
from distill.evaluate import spearman
from distill.student import BiLstmStudent
from distill.tokens import TokenBatch

CHECKPOINT, BEST, LOG = "checkpoint.pt", "best.pt", "log.csv"


def train(
    config: TrainConfig,
    data: TrainingData,
    output: Path,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> BiLstmStudent:
    """Train, resuming from ``output`` if it holds a checkpoint; return the best student.

    Best means the highest mean dev Spearman, or the last step without dev data.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    if data.vectors.vectors.shape[1] != config.student.dimension:
        raise TrainingError(
            f"the teacher's vectors have {data.vectors.vectors.shape[1]} dimensions, the config "
            f"says {config.student.dimension}: set student.dimension"
        )
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    student = BiLstmStudent(config.student, data.vocabulary, config.dropout).to(device)
    optimiser = torch.optim.AdamW(
        student.parameters(),
        lr=config.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=config.weight_decay,
    )
    step, best = _resume(output, config, student, optimiser, device)

    kinds = _schedule(config, data)
    batches = {
        "vectors": length_batches(data.vectors.texts.lengths, config.batch, config.seed),
        "pairs": _pair_batches(data.pairs, config.pair_batch, config.seed + 1),
        "copies": _pair_batches(data.copies, config.pair_batch, config.seed + 2),
    }
    for kind in kinds[:step]:  # a resumed run goes on where it stopped
        next(batches[kind])

    started, texts, losses = time.monotonic(), 0, []
    while step < config.steps:
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * rate(step, config)

        kind, encode = kinds[step], functools.partial(_encode, student, device, config.bfloat16)
        rows = next(batches[kind])
        if kind == "vectors":
            noised = np.random.default_rng((config.seed, step)).random() < config.noised_inputs
            source = data.vectors.noised if noised else data.vectors.texts
            rows = rows[source.lengths[rows] > 0]
            target = torch.from_numpy(data.vectors.vectors[rows].astype(np.float32)).to(device)
            loss = vector_loss(encode(source.batch(rows)), target, config.loss)
            texts += len(rows)
        else:
            pairs = data.pairs if kind == "pairs" else data.copies
            first, second = encode(pairs.first.batch(rows)), encode(pairs.second.batch(rows))
            labels = torch.from_numpy(pairs.labels[rows]).to(device)
            loss = pair_loss(first, second, labels, config.loss)
            texts += 2 * len(rows)

        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), config.clip)
        optimiser.step()
        losses.append((kind, loss.item()))
        step += 1

        if step % config.evaluate_every == 0 or step == config.steps:
            scores = dev_scores(student, data.dev, device)
            seconds = time.monotonic() - started
            row = {"step": step, "texts_per_second": texts / seconds}
            for name in ("vectors", "pairs", "copies"):
                values = [value for k, value in losses if k == name]
                row[f"loss_{name}"] = sum(values) / len(values) if values else math.nan
            row |= {f"dev_{name}": score for name, score in scores.items()}
            row["dev"] = sum(scores.values()) / len(scores) if scores else step
            report(row)
            _log(output / LOG, row)
            if row["dev"] > best:
                best = row["dev"]
                _save(output / BEST, {"student": student.state_dict(), "dev": best, "step": step})
            _save(
                output / CHECKPOINT,
                {
                    "student": student.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "random": torch.get_rng_state(),
                    "step": step,
                    "best": best,
                    "config": config.to_json(),
                },
            )
            started, texts, losses = time.monotonic(), 0, []

    return load_best(output, config, data.vocabulary)


def load_best(output: Path, config: TrainConfig, vocabulary: int) -> BiLstmStudent:
    """Return the best student of a run, on the CPU, ready to export."""
    student = BiLstmStudent(config.student, vocabulary)
    student.load_state_dict(_best(output)["student"])
    return student.eval()


def best_metrics(output: Path) -> dict[str, float]:
    """Return the mean dev Spearman × 100 of a run's best student, and its step."""
    state = _best(output)
    return {"mean_dev_spearman": round(float(state["dev"]), 2), "step": state["step"]}


def _best(output: Path) -> dict[str, Any]:
    path = output / BEST
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(
            f"{path}: no trained student here. Train one: python -m distill train … -o {output}"
        ) from error


def rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate as a share of the highest: linear warm-up, then cosine decay."""
    warmup = max(1, int(config.warmup * config.steps))
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, config.steps - warmup)
    return config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * done))


def vector_loss(student: torch.Tensor, teacher: torch.Tensor, weights: LossConfig) -> torch.Tensor:
    """Return how far the student's vectors (b, d) are from the teacher's (b, d), all unit length.

    Distance of each vector; InfoNCE among the batch's teacher vectors (van den Oord et al. 2018);
    distance of the similarity matrices (Passalis & Tefas 2018; relational distillation).
    """
    teacher = F.normalize(teacher, dim=-1)
    cross = student @ teacher.T  # (b, b), the diagonal is each text with its own teacher vector
    target = torch.arange(len(student), device=student.device)
    loss = weights.cosine * (1 - cross.diagonal()).mean()
    loss = loss + weights.contrast * F.cross_entropy(cross / weights.temperature, target)
    return loss + weights.similarity * F.mse_loss(student @ student.T, teacher @ teacher.T)


def pair_loss(
    first: torch.Tensor, second: torch.Tensor, labels: torch.Tensor, weights: LossConfig
) -> torch.Tensor:
    """Return the loss of labelled pairs: first, second (b, d) unit length, labels (b,) in 0 … 1.

    CoSENT (Su 2022): every pair should be nearer than every pair of a lower label. InfoNCE: the
    partner of a positive pair should be nearer than all other sentences of the batch.
    """
    cosines = (first * second).sum(-1) * weights.pair_scale
    wrong_way = cosines[None, :] - cosines[:, None]  # (i, j): how much nearer j is than i
    ordered = labels[:, None] > labels[None, :]
    wrong_way = wrong_way[ordered]
    order = torch.logsumexp(torch.cat([wrong_way.new_zeros(1), wrong_way]), dim=0)
    loss = weights.pair_order * order
    positive = torch.nonzero(labels >= 0.8).squeeze(-1)
    if len(positive) > 1:
        cross = first[positive] @ second.T / weights.temperature
        loss = loss + weights.pair_contrast * F.cross_entropy(cross, positive)
    return loss


@torch.inference_mode()
def dev_scores(
    student: BiLstmStudent, dev: Mapping[str, PairData], device: torch.device
) -> dict[str, float]:
    """Return Spearman × 100 of each dev set."""
    student.eval()
    scores = {}
    for name, pairs in dev.items():
        cosines = np.zeros(len(pairs.labels), dtype=np.float32)
        order = np.argsort(pairs.lengths)
        for i in range(0, len(order), 512):
            rows = order[i : i + 512]
            first = _encode(student, device, False, pairs.first.batch(rows))
            second = _encode(student, device, False, pairs.second.batch(rows))
            cosines[rows] = (first * second).sum(-1).cpu().numpy()
        scores[name] = 100 * spearman(cosines, pairs.labels)
    student.train()
    return scores


def _encode(
    student: BiLstmStudent, device: torch.device, bfloat16: bool, batch: TokenBatch
) -> torch.Tensor:
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16):
        vectors = student(
            torch.from_numpy(batch.input_ids).to(device),
            torch.from_numpy(batch.attention_mask).to(device),
            torch.from_numpy(batch.weights).to(device),
        )
    return F.normalize(vectors.float(), dim=-1)


def _pair_batches(data: PairData | None, size: int, seed: int) -> Iterator[np.ndarray]:
    return iter(()) if data is None else length_batches(data.lengths, size, seed)


def _schedule(config: TrainConfig, data: TrainingData) -> list[str]:
    """Say what each step trains on: drawn by share, the same for the same seed."""
    shares = {
        "vectors": config.vector_share,
        "pairs": config.pair_share if data.pairs else 0.0,
        "copies": config.noise_share if data.copies else 0.0,
    }
    chances = np.array(list(shares.values()))
    if chances.sum() <= 0:
        raise TrainingError("vector_share, pair_share and noise_share leave nothing to train on")
    draw = np.random.default_rng(config.seed).choice(3, config.steps, p=chances / chances.sum())
    return [list(shares)[i] for i in draw]


def _resume(
    output: Path,
    config: TrainConfig,
    student: BiLstmStudent,
    optimiser: torch.optim.Optimizer,
    device: torch.device,
) -> tuple[int, float]:
    path = output / CHECKPOINT
    if not path.exists():
        output.mkdir(parents=True, exist_ok=True)
        return 0, -math.inf
    state = torch.load(path, map_location=device, weights_only=True)
    if state["config"] != config.to_json():
        raise TrainingError(
            f"{path}: was made with another config. Give an empty -o directory, or the config "
            f"it was made with"
        )
    student.load_state_dict(state["student"])
    optimiser.load_state_dict(state["optimiser"])
    torch.set_rng_state(state["random"].cpu())
    return state["step"], state["best"]


def _save(path: Path, state: dict[str, object]) -> None:
    temporary = path.with_suffix(".part")
    torch.save(state, temporary)
    temporary.replace(path)


def _log(path: Path, row: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow({key: f"{value:.5g}" for key, value in row.items()})
