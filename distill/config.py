"""What is a run made of? Its settings, as frozen dataclasses with JSON in and out."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from distill.errors import TrainingError


@dataclass(frozen=True)
class StudentConfig:
    """The shape of the student. ``dimension`` is the teacher's."""

    kind: str = "bilstm"  # or textcnn, transformer; see student.py
    embedding: int = 256
    hidden: int = 192  # per direction, window, or a transformer's width
    layers: int = 1
    dimension: int = 384
    max_tokens: int = 128


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses, and their temperatures (lower is sharper)."""

    cosine: float = 1.0  # student's vector to the teacher's
    squared: float = 0.0  # the same as squared distance
    contrast: float = 0.5  # InfoNCE: the teacher's vector of this text among those of the batch
    similarity: float = 5.0  # squared distance of the batch's two similarity matrices
    temperature: float = 0.05
    pair_order: float = 0.3  # CoSENT over labelled pairs
    pair_contrast: float = 0.5  # InfoNCE over positive pairs
    pair_scale: float = 20.0  # CoSENT's λ


@dataclass(frozen=True)
class TrainConfig:
    """One training run; everything that decides its result, but the data."""

    student: StudentConfig = field(default_factory=StudentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    seed: int = 7
    steps: int = 1000
    batch: int = 384  # texts of one length with a teacher's vector, a step
    pair_batch: int = 96  # labelled pairs, a step
    # How often a step is of this kind: the teacher's vectors for plain texts, for texts with
    # perturbed word weights, for texts as customers type them; labelled pairs.
    vector_share: float = 0.5
    perturbed_share: float = 0.1
    noised_share: float = 0.15
    pair_share: float = 0.25
    noised_rows: float = 0.3  # share of texts that also come as customers type them
    buried_questions: float = 0.4  # share of those questions that stand in a story
    # The teacher's vectors share a direction that says nothing; this much of it is taken out.
    centre: float = 0.0
    smoothing: float = 0.5  # of the word weights (Weighting); very large: a plain mean of tokens
    learning_rate: float = 2e-3
    warmup: float = 0.02  # share of all steps
    final_rate: float = 0.02  # share of learning_rate left at the end
    weight_decay: float = 0.01
    clip: float = 1.0
    dropout: float = 0.05  # of embeddings, while training
    evaluate_every: int = 250
    dev_pairs: int = 4000  # pairs of each dev set that select the best step
    patience: int = 0  # stop after so many evaluations without a better one; 0: never
    bfloat16: bool = False  # mixed precision: matrix products in bfloat16
    threads: int = 0  # 0: torch's own choice

    def to_json(self) -> str:
        """Return all settings as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str, place: str = "config") -> "TrainConfig":
        """Read settings; those left out keep their default, an unknown one is a TrainingError."""
        try:
            return _build(cls, json.loads(text), place)
        except ValueError as error:
            raise TrainingError(f"{place}: not JSON ({error})") from error

    @classmethod
    def load(cls, path: Path) -> "TrainConfig":
        """Read settings from a file."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise TrainingError(f"{path}: cannot be read ({error})") from error


@dataclass(frozen=True)
class FinetuneLossConfig(LossConfig):
    """The same, with what serves fine-tuning; see benchmarks/results/LOG.md."""

    pair_order: float = 0.0
    pair_contrast: float = 1.0


@dataclass(frozen=True)
class FinetuneConfig:
    """Fine-tuning of an encoder on pairs; everything that decides its result, but the data."""

    loss: FinetuneLossConfig = field(default_factory=FinetuneLossConfig)
    seed: int = 7
    epochs: int = 6
    batch: int = 64  # pairs a step, no meaning twice
    learning_rate: float = 1e-3
    warmup: float = 0.1  # share of all steps
    clip: float = 1.0
    # How much vector_loss to the vectors before counts, beside the loss of the pairs:
    own_weight: float = 0.5  # the pairs' own texts
    general_weight: float = 1.0  # general sentences, where they are given
    general_batch: int = 128  # general sentences, a step
    general_texts: int = 20_000  # of them, drawn by their text
    blend: float = 0.8  # share of the tuned weights in the result; the rest are the old ones
    held_out: float = 0.1  # share of the texts, whole meanings, that selects the best epoch
    patience: int = 2  # epochs without a better one before it stops
    threads: int = 0  # 0: torch's own choice

    @classmethod
    def load(cls, path: Path) -> "FinetuneConfig":
        """Read JSON; what is left out keeps its default, an unknown setting is a TrainingError."""
        try:
            return _build(cls, json.loads(path.read_text(encoding="utf-8")), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise TrainingError(f"{path}: cannot be read ({error})") from error
        except ValueError as error:
            raise TrainingError(f"{path}: not JSON ({error})") from error


@dataclass(frozen=True)
class ClassifierConfig:
    """Fine-tuning of an encoder with labels; everything that decides its result, but the data."""

    seed: int = 7
    batch: int = 32
    epochs: int = 8
    fewest_steps: int = 300  # where the epochs of a small table have fewer
    evaluations: int = 10  # on the dev texts, evenly spread over the steps; the best is kept
    patience: int = 4  # evaluations without a better one before it stops
    learning_rate: float = 1e-3
    warmup: float = 0.1  # share of all steps
    clip: float = 1.0
    dropout: float = 0.2  # of embeddings, while training
    scale: float = 16.0  # of the vectors before the head learns on: their elements are small
    threads: int = 0  # 0: torch's own choice


def _build(cls: type, values: object, place: str) -> object:
    if not isinstance(values, dict):
        raise TrainingError(f"{place}: expected an object of settings, found {values!r}")
    known = {f.name: f for f in dataclasses.fields(cls)}
    if unknown := values.keys() - known.keys():
        raise TrainingError(
            f"{place}: unknown setting {', '.join(sorted(unknown))}; known: {', '.join(known)}"
        )
    built = {}
    for name, value in values.items():
        nested = known[name].default_factory
        if nested is not dataclasses.MISSING:
            built[name] = _build(nested, value, f"{place}: {name}")
        elif not _fits(value, known[name].type):
            kind = known[name].type.__name__
            raise TrainingError(f"{place}: {name} is of type {kind}, found {value!r}")
        else:
            built[name] = known[name].type(value)
    return cls(**built)


def _fits(value: object, kind: type) -> bool:
    if kind in (bool, str) or isinstance(value, bool):
        return isinstance(value, kind)
    return isinstance(value, int | float)
