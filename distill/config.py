"""What is a run made of? Its settings, as frozen dataclasses with JSON in and out."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from distill.errors import TrainingError


@dataclass(frozen=True)
class StudentConfig:
    """The shape of the student. ``dimension`` is the teacher's."""

    embedding: int = 256
    hidden: int = 192  # per direction
    dimension: int = 384
    max_tokens: int = 128


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses, and their temperatures (lower is sharper)."""

    cosine: float = 1.0  # student's vector to the teacher's
    contrast: float = 0.5  # InfoNCE: the teacher's vector of this text among those of the batch
    similarity: float = 5.0  # squared distance of the batch's two similarity matrices
    temperature: float = 0.05
    pair_order: float = 0.3  # CoSENT over labelled pairs
    pair_contrast: float = 0.5  # InfoNCE over positive pairs and over a text and its noised copy
    pair_scale: float = 20.0  # CoSENT's λ


@dataclass(frozen=True)
class TrainConfig:
    """One training run; everything that decides its result, but the data."""

    student: StudentConfig = field(default_factory=StudentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    seed: int = 7
    steps: int = 1000
    batch: int = 384  # texts of one length with a teacher's vector, a step
    pair_batch: int = 96  # labelled pairs, or texts with a noised copy, a step
    # How often a step is of this kind: teacher's vectors, labelled pairs, noised copies.
    vector_share: float = 0.5
    pair_share: float = 0.25
    noise_share: float = 0.25
    buried_questions: float = 0.6  # share of questions whose noised copy stands in a story
    noised_inputs: float = 0.2  # share of teacher rows that the student reads with typos
    learning_rate: float = 2e-3
    warmup: float = 0.02  # share of all steps
    final_rate: float = 0.02  # share of learning_rate left at the end
    weight_decay: float = 0.01
    clip: float = 1.0
    dropout: float = 0.05  # of embeddings, while training
    evaluate_every: int = 250
    bfloat16: bool = False  # compute the student in bfloat16 where the processor has it
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
        except OSError as error:
            raise TrainingError(f"{path}: cannot be read ({error})") from error


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
        elif (known[name].type is bool) != isinstance(value, bool) or not isinstance(
            value, int | float
        ):
            kind = known[name].type.__name__
            raise TrainingError(f"{place}: {name} is of type {kind}, found {value!r}")
        else:
            built[name] = known[name].type(value)
    return cls(**built)
