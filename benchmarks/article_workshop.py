"""How does one cell of the comparison come about? A method is trained on a task, and tested once.

In: a teacher, the bundled encoder, a folder for what several methods use: the fine-tuned teachers,
what they said of texts, and the vectors of texts. Out: a cell's figures.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from article_tasks import PAIRS, TRANSFER, Task
from cells import Figures, digest
from distill.bundle import IDF, TOKENIZER
from distill.classification_scores import Scores
from distill.compressors.compress import (
    OUR_VECTORS,
    REVISION,
    Compressed,
    Materials,
    Tutor,
    compress,
    pair_scores,
    untrained,
)
from distill.compressors.examples import CHARACTERS, Examples
from distill.compressors.methods import METHODS, Method
from distill.compressors.small import shape
from distill.compressors.training import Best, Budget
from distill.compressors.transformer import Checkpoint, TransformerModel
from distill.encoder import Encoder
from distill.evaluate import spearman


@dataclass
class Workshop:
    """What all cells are made with."""

    encoder: Encoder
    checkpoint: Checkpoint
    budget: Budget
    folder: Path
    _tutor: tuple[str, Tutor] | None = field(default=None, init=False)  # the one used last
    _readers: dict[str, TransformerModel] = field(default_factory=dict, init=False)

    @property
    def materials(self) -> Materials:
        """Return what methods are made from."""
        return Materials(self.encoder.bundle, self.checkpoint, self.embed)

    def settings(self, method: Method, task: Task, rows: int, seed: int) -> dict[str, object]:
        """Return what a cell is called by; ``key`` changes with whatever decides its figures."""
        bundle = self.encoder.bundle
        reading = [bundle.manifest.sha256[TOKENIZER], bundle.manifest.sha256[IDF]]
        decisive: dict[str, object] = {
            "texts": task.digest,
            "budget": asdict(self.budget),
            "revision": [REVISION, CHARACTERS],
        }
        if method.encoder_matters:
            decisive["encoder"] = self.encoder.fingerprint
        if method.kind == "small":
            decisive["small"] = [*reading, bundle.manifest.smoothing, asdict(shape(bundle))]
        if method.pooling == "idf":
            decisive["idf"] = [reading[1], bundle.manifest.smoothing]
        if method.teacher_matters:
            decisive["teacher"] = [self.checkpoint.sha256, self.checkpoint.prefix]
        return {
            "task": task.name, "method": method.name, "rows": rows, "seed": seed,
            "key": digest(decisive),
        }  # fmt: skip

    def measure(self, method: Method, task: Task, rows: int, seed: int) -> Figures:
        """Make the model, and read the test parts once."""
        started = time.perf_counter()
        if method.name == "teacher":
            tutor, best = self._fine_tuned(task, rows, seed)
            made = Compressed(tutor.scores, best, tutor.model)
        else:
            made = compress(
                method,
                task.problem(rows, seed),
                self.materials,
                self._budget(seed),
                lambda: self._fine_tuned(task, rows, seed)[0],
            )
        figures = of_pairs(made, task) if task.kind == PAIRS else of_labels(made, task)
        figures |= {"dev": made.best.dev, "step": made.best.step}
        figures["seconds"] = round(time.perf_counter() - started, 1)
        return {name: round(float(value), 4) for name, value in figures.items()}

    def embed(self, source: str, texts: Sequence[str]) -> np.ndarray:
        """Return unit vectors, remembered in the folder."""
        key = self.encoder.fingerprint if source == OUR_VECTORS else self.checkpoint.sha256[:16]
        # Only one kind of pooling asks for the weights of words; a word more does not harm.
        weights = self.encoder.bundle.manifest.sha256[IDF], self.encoder.bundle.manifest.smoothing
        name = f"{source}-{digest(key, self.checkpoint.prefix, weights, texts)}"
        return self._remembered(f"vectors/{name}", partial(self._embed, source, texts))

    def _embed(self, source: str, texts: Sequence[str]) -> np.ndarray:
        if source == OUR_VECTORS:
            return self.encoder.encode(texts, workers=1)
        if source not in self._readers:
            self._readers[source] = TransformerModel(self.checkpoint, 2, source).eval()
        return self._readers[source].vectors(texts)

    def _fine_tuned(self, task: Task, rows: int, seed: int) -> tuple[Tutor, Best]:
        """Return the teacher after this task: trained once, kept in half precision."""
        method = METHODS["teacher"]
        key = digest(self.settings(method, task, rows, seed))
        file = self.folder / "tutors" / f"{key}.safetensors"
        if not file.exists():
            made = compress(
                method, task.problem(rows, seed), self.materials, self._budget(seed), _nobody
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            half = {name: p.detach().half() for name, p in made.model.learning().items()}
            part = file.with_suffix(".part")
            save_file(half, part, {"step": str(made.best.step), "dev": str(made.best.dev)})
            part.replace(file)
        with safe_open(file, "pt") as weights:
            best = Best(int(weights.metadata()["step"]), float(weights.metadata()["dev"]))
            if not self._tutor or self._tutor[0] != key:
                model = untrained(method, self.materials, task.classes, pairs=task.kind == PAIRS)
                with torch.no_grad():
                    for name, parameter in model.learning().items():
                        parameter.copy_(weights.get_tensor(name))
                model.eval()
                self._tutor = (key, Tutor(model, partial(self._said, key, model)))
        return self._tutor[1], best

    def _said(self, key: str, model: TransformerModel, given: Examples) -> np.ndarray:
        return self._remembered(
            f"tutors/{key}-{digest(given.texts, given.others)}",
            lambda: model.score_all(model.read(given)),
        )

    def _remembered(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        file = self.folder / f"{name}.npy"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part.npy")
            np.save(part, make())
            part.replace(file)
        return np.load(file)

    def _budget(self, seed: int) -> Budget:
        return Budget(**{**asdict(self.budget), "seed": seed})


def of_labels(made: Compressed, task: Task) -> dict[str, float]:
    """Return how often the test part's labels are found."""
    [test] = task.tests.values()
    names = [str(i) for i in range(task.classes)]
    scores = Scores.of(names, test.labels, made.scores(test).argmax(axis=1))
    return {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1}


def of_pairs(made: Compressed, task: Task) -> dict[str, float]:
    """Return accuracy at the threshold that is best on dev, and rank correlation."""
    threshold = best_threshold(pair_scores(made.scores(task.dev)), task.dev.labels)
    figures = {"threshold": threshold}
    for name, test in task.tests.items():
        found = pair_scores(made.scores(test))
        prefix = f"{name}_" if name == TRANSFER.get(task.name) else ""
        figures[f"{prefix}accuracy"] = float(((found > threshold) == test.labels).mean())
        figures[f"{prefix}spearman"] = spearman(found, test.labels)
    return figures


def best_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the threshold above which "the same" is right most often; between two scores."""
    order = np.argsort(scores, kind="stable")
    ranked, right = scores[order], labels[order].astype(int)
    # Cut i: those before i are "not the same". The first and the last say so of none or of all.
    hits = np.concatenate([[0], np.cumsum(1 - right)]) + (right.sum() - np.r_[0, np.cumsum(right)])
    middle = (ranked[1:] + ranked[:-1]) / 2
    cuts = np.concatenate([[ranked[0] - 1], middle, [ranked[-1] + 1]])
    possible = np.r_[True, ranked[1:] > ranked[:-1], True]  # equal scores stay together
    return float(cuts[np.where(possible, hits, -1).argmax()])


def _nobody() -> Tutor:
    raise AssertionError("the teacher has no teacher")
