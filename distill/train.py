"""python -m distill train --shards shards/ --idf idf.tsv.gz --tokenizer tokenizer.json -o run/
torchrun --nproc-per-node 2 -m distill train …    (several GPUs, or one process a core)

The student learns to give each text the teacher's vector: as it stands, with perturbed word
weights, and as customers type it. Steps on labelled pairs alternate with it where such data is
given. Knobs: config.py.
"""

import csv
import math
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed
from torch.nn import functional as F

from distill.bundle import MANIFEST, Bundle
from distill.config import TrainConfig
from distill.dataset import PairData, Ragged, TrainingData, length_batches
from distill.errors import TrainingError
from distill.evaluate import spearman
from distill.export import load_student
from distill.losses import pair_loss, vector_loss
from distill.processes import Process
from distill.student import Student, make_student
from distill.tokens import TokenBatch
from distill.widen import take_over

CHECKPOINT, BEST, LOG = "checkpoint.pt", "best.pt", "log.csv"
KINDS = ("vectors", "perturbed", "noised", "pairs")  # of steps


def train(
    config: TrainConfig,
    data: TrainingData,
    output: Path,
    report: Callable[[dict[str, float]], None] = lambda row: None,
    progress: Callable[[int, float], None] = lambda step, loss: None,
    *,
    init: Path | None = None,
) -> Student:
    """Train, resuming from ``output`` if it holds a checkpoint; return the best student.

    A new run begins with random weights, or with those of ``init``, a bundle or the best student of
    a run, widened if need be. Best means the highest mean dev Spearman, or the last step without
    dev data. ``report`` gets each
    evaluation, ``progress`` each step. Under torchrun each process takes its part of every batch,
    and gradients are averaged. Raises TrainingError.
    """
    process = Process.current(config.threads)
    rank, processes, device = process.number, process.count, process.device
    if processes > 1 and not distributed.is_initialized():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    dimension = data.vectors.vectors.shape[-1]
    if dimension != config.student.dimension:
        raise TrainingError(
            f"the teacher's vectors have {dimension} dimensions, the config "
            f"says {config.student.dimension}: set student.dimension"
        )
    torch.manual_seed(config.seed)
    student = make_student(config.student, data.vocabulary, config.dropout).to(device)
    if init:
        _begin_with(student, init)
    optimiser = torch.optim.AdamW(
        student.parameters(),
        lr=config.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=config.weight_decay,
    )
    step, best, waited = _resume(output, config, student, optimiser, device)
    kinds, batches = _schedule(config, data), _streams(config, data)
    for kind in kinds[:step]:  # a resumed run goes on where it stopped
        next(batches[kind])
    mean = torch.from_numpy(config.centre * data.vectors.mean).to(device)

    def encode(batch: TokenBatch) -> torch.Tensor:
        return _encode(student, device, config.bfloat16, batch)

    started, texts, losses = time.monotonic(), 0, []
    student.train()
    while step < config.steps and not (config.patience and waited >= config.patience):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * rate(step, config)
        # Dropout depends on the step alone, so a resumed run needs no saved random state.
        torch.manual_seed(hash((config.seed, step, rank)))
        kind = kinds[step]
        rows = next(batches[kind])
        rows = rows[rank::processes] if len(rows) >= processes else rows
        if kind == "pairs":
            first, second = (
                encode(data.pairs.first.batch(rows)),
                encode(data.pairs.second.batch(rows)),
            )
            labels = torch.from_numpy(data.pairs.labels[rows]).to(device)
            loss = pair_loss(first, second, labels, config.loss)
        else:
            ragged, variant = _form(data, kind, step)
            target = torch.from_numpy(data.vectors.vectors[rows, variant].astype(np.float32))
            loss = vector_loss(encode(ragged.batch(rows)), target.to(device) - mean, config.loss)
        texts += processes * len(rows) * (1 + (kind == "pairs"))

        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        _average_gradients(student, processes)
        norm = torch.nn.utils.clip_grad_norm_(student.parameters(), config.clip)
        value = loss.item()
        # The norm is that of all processes' gradients, so they stop together.
        if not math.isfinite(value) or not math.isfinite(norm):
            raise TrainingError(
                f"step {step + 1}: the loss of {kind} is {value}. Lower learning_rate, or train "
                f"without bfloat16, into another -o; the last checkpoint in {output} is whole"
            )
        optimiser.step()
        losses.append((kind, value))
        step += 1
        progress(step, value)

        if step % config.evaluate_every == 0 or step == config.steps:
            scores = dev_scores(student, data.dev, device)
            row = {"step": step, "texts_per_second": texts / (time.monotonic() - started)}
            for name in KINDS:
                values = [value for k, value in losses if k == name]
                row[f"loss_{name}"] = sum(values) / len(values) if values else math.nan
            row |= {f"dev_{name}": score for name, score in scores.items()}
            row["dev"] = sum(scores.values()) / len(scores) if scores else step
            better, best = row["dev"] > best, max(best, row["dev"])
            waited = 0 if better else waited + 1
            if rank == 0:
                report(row)
                _log(output / LOG, row)
                if better:
                    state = {"student": student.state_dict(), "dev": best, "step": step}
                    _save(output / BEST, state)
                state = {
                    "student": student.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step,
                    "best": best,
                    "waited": waited,
                    "config": config.to_json(),
                }
                _save(output / CHECKPOINT, state)
            started, texts, losses = time.monotonic(), 0, []

    if processes > 1:
        distributed.barrier()  # the first one may still be writing
    return load_best(output, config, data.vocabulary)


def load_best(output: Path, config: TrainConfig, vocabulary: int) -> Student:
    """Return the best student of a run, on the CPU, ready to export."""
    student = make_student(config.student, vocabulary)
    student.load_state_dict(_best(output)["student"])
    return student.eval()


def best_metrics(output: Path) -> dict[str, float]:
    """Return the mean dev Spearman × 100 of a run's best student, and its step."""
    state = _best(output)
    return {"mean_dev_spearman": round(float(state["dev"]), 2), "step": state["step"]}


def _best(output: Path) -> dict[str, Any]:
    path = output / BEST
    if not path.exists():
        raise TrainingError(
            f"{path}: no trained student here. Train one: python -m distill train … -o {output}"
        )
    return _load(path, torch.device("cpu"))


def rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate as a share of the highest: linear warm-up, then cosine decay."""
    warmup = max(1, int(config.warmup * config.steps))
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, config.steps - warmup)
    return config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * done))


@torch.inference_mode()
def dev_scores(
    student: Student, dev: Mapping[str, PairData], device: torch.device
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
    student: Student, device: torch.device, bfloat16: bool, batch: TokenBatch
) -> torch.Tensor:
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16):
        vectors = student(
            torch.from_numpy(batch.input_ids).to(device),
            torch.from_numpy(batch.attention_mask).to(device),
            torch.from_numpy(batch.weights).to(device),
        )
    return F.normalize(vectors.float(), dim=-1)


def _form(data: TrainingData, kind: str, step: int) -> tuple[Ragged, int]:
    """Return what the student reads in this step, and the number of the teacher's vector for it."""
    if kind == "perturbed":
        k = step % len(data.vectors.perturbed)
        return data.vectors.perturbed[k], 1 + k
    return (data.vectors.noised if kind == "noised" else data.vectors.texts), 0


def _streams(config: TrainConfig, data: TrainingData) -> dict[str, Iterator[np.ndarray]]:
    texts = data.vectors.texts.lengths
    noised = data.vectors.noised.lengths * (texts > 0)
    streams = {
        "vectors": length_batches(texts, config.batch, config.seed),
        "perturbed": length_batches(texts, config.batch, config.seed + 1),
        "noised": length_batches(noised, config.batch, config.seed + 2),
    }
    if data.pairs:
        streams["pairs"] = length_batches(data.pairs.lengths, config.pair_batch, config.seed + 3)
    return streams


def _schedule(config: TrainConfig, data: TrainingData) -> list[str]:
    """Say what each step trains on: drawn by share, the same for the same seed."""
    shares = {
        "vectors": config.vector_share,
        "perturbed": config.perturbed_share if data.vectors.perturbed else 0.0,
        "noised": config.noised_share if data.vectors.noised.lengths.any() else 0.0,
        "pairs": config.pair_share if data.pairs else 0.0,
    }
    chances = np.array([shares[kind] for kind in KINDS])
    if chances.sum() <= 0:
        raise TrainingError(
            "vector_share, perturbed_share, noised_share and pair_share leave nothing to train on"
        )
    draw = np.random.default_rng(config.seed).choice(
        len(KINDS), config.steps, p=chances / chances.sum()
    )
    return [KINDS[i] for i in draw]


def _average_gradients(student: Student, processes: int) -> None:
    if processes == 1:
        return
    gradients = [p.grad for p in student.parameters() if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)  # one message, not one a parameter
    flat /= processes
    position = 0
    for gradient in gradients:
        gradient.copy_(flat[position : position + gradient.numel()].view_as(gradient))
        position += gradient.numel()


def _begin_with(student: Student, init: Path) -> None:
    if (init / MANIFEST).exists():
        weights = load_student(Bundle.open(init)).state_dict()
    else:
        weights = _best(init)["student"]
    try:
        take_over(student, weights)
    except TrainingError as error:
        raise TrainingError(f"{init}: {error}") from error


def _resume(
    output: Path,
    config: TrainConfig,
    student: Student,
    optimiser: torch.optim.Optimizer,
    device: torch.device,
) -> tuple[int, float, int]:
    """Return steps done, the best dev score, and how many evaluations ago it was."""
    path = output / CHECKPOINT
    if not path.exists() or not (output / BEST).exists():
        output.mkdir(parents=True, exist_ok=True)
        return 0, -math.inf, 0
    state = _load(path, device)
    if state.get("config") != config.to_json():
        raise TrainingError(
            f"{path}: was made with another config. Give an empty -o directory, or the config "
            f"it was made with"
        )
    student.load_state_dict(state["student"])
    optimiser.load_state_dict(state["optimiser"])
    return state["step"], state["best"], state["waited"]


def _load(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        if zipfile.ZipFile(path).testzip():  # torch.load itself compares no checksums
            raise OSError("a checksum is wrong")
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises whatever its unpickler meets
        raise TrainingError(
            f"{path}: is damaged ({type(error).__name__}). Delete it and run the same "
            f"`python -m distill train` again: it starts anew"
        ) from error


def _save(path: Path, state: dict[str, object]) -> None:
    temporary = path.with_suffix(".part")
    try:
        torch.save(state, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        raise TrainingError(
            f"{path}: cannot be written ({error}). Make room and run the same command again: "
            f"it goes on from the last checkpoint"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _log(path: Path, row: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow({key: f"{value:.5g}" for key, value in row.items()})
