"""How does a text get one of a few labels? Its vector, and a linear layer on top; no torch.

In: texts. Out: a probability for each label. On disk a classifier is a directory: ``head.npz``, the
layer; ``classifier.json``, which encoder it belongs to and how good it was; and, if the encoder
learnt too, that encoder's bundle. Nothing in it is pickled: loading it runs no code.
"""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distill.bundle import file_sha256
from distill.encoder import Encoder
from distill.errors import BundleError

FORMAT = 1
HEAD, MANIFEST, ENCODER = "head.npz", "classifier.json", "encoder"


@dataclass(frozen=True)
class Head:
    """A linear layer from vectors to labels."""

    labels: tuple[str, ...]  # k of them, sorted
    weights: np.ndarray  # float32 (k, d)
    bias: np.ndarray  # float32 (k,)

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """Return float32 (n, k), rows summing to 1, of vectors float32 (n, d)."""
        scores = vectors @ self.weights.T + self.bias
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Return the likeliest label's number, int64 (n,), of vectors float32 (n, d)."""
        return (vectors @ self.weights.T + self.bias).argmax(axis=1)


@dataclass(frozen=True)
class Classifier:
    """An encoder and the head that was trained on its vectors. Immutable, safe to share."""

    encoder: Encoder
    head: Head
    record: Mapping[str, object]  # how it was trained, and how good it was

    @classmethod
    def load(cls, path: Path, encoder: Path) -> "Classifier":
        """Open a classifier; ``encoder`` serves one that has none of its own.

        Raises BundleError where it is missing, damaged, of another version or of another encoder.
        """
        values = _read_manifest(path)
        bundle = path / ENCODER if values["fine_tuned"] else encoder
        model = Encoder.load(bundle)
        if model.fingerprint != values["encoder"]:
            raise BundleError(
                f"{path}: 是用编码器 {values['encoder']} 训练的, {bundle} 是 {model.fingerprint}, "
                f"向量不能混用。怎么办: 用 --encoder 给出那个编码器, 或重新训练: "
                f"python -m distill classify train 表格.csv --encoder {bundle} -o {path}"
            )
        head = _read_head(path, tuple(values["labels"]))
        if head.weights.shape != (len(head.labels), model.dimension):
            raise _damaged(path / HEAD, f"形状是 {head.weights.shape}")
        return cls(model, head, values["record"])

    def predict(
        self, texts: Sequence[str], progress: Callable[[int], None] = lambda texts: None
    ) -> np.ndarray:
        """Return the probability of each label, float32 (n, k); TextError for an empty text."""
        return self.head.probabilities(self.encoder.encode(texts, progress=progress))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a directory to write a classifier into, and put it in the place of ``path`` at the end.

    Raises BundleError at once if something else than a classifier stands there.
    """
    if path.exists() and not (path / MANIFEST).is_file():
        raise BundleError(f"{path}: 已经存在, 不是分类模型, 不会被覆盖。怎么办: 换一个 -o")
    if not path.resolve().parent.is_dir():
        raise BundleError(f"{path}: 没有上一级目录。怎么办: mkdir -p {path.parent}")
    making = path.resolve().with_name(f".{path.resolve().name}-making")
    shutil.rmtree(making, ignore_errors=True)  # of a run that was killed
    making.mkdir()
    try:
        yield making
        aside = making.with_name(f".{path.resolve().name}-old")
        shutil.rmtree(aside, ignore_errors=True)
        if path.exists():
            path.rename(aside)
        making.rename(path)
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def save(
    path: Path, head: Head, encoder: str, record: Mapping[str, object], *, fine_tuned: bool
) -> None:
    """Write head and manifest into a directory; ``encoder`` is the fingerprint it belongs to."""
    np.savez(path / HEAD, weights=head.weights, bias=head.bias)
    values = {
        "format": FORMAT,
        "encoder": encoder,
        "fine_tuned": fine_tuned,
        "labels": list(head.labels),
        "sha256": file_sha256(path / HEAD),
        "record": dict(record),
    }
    text = json.dumps(values, ensure_ascii=False, indent=1) + "\n"
    (path / MANIFEST).write_text(text, encoding="utf-8")


def _read_manifest(path: Path) -> dict:
    file = path / MANIFEST
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(
            f"{path}: 这里没有分类模型。怎么办: python -m distill classify train 表格.csv -o {path}"
        ) from None
    except (OSError, ValueError) as error:
        raise _damaged(file, str(error)) from error
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT:
        raise BundleError(
            f"{file}: 是版本 {found} 的分类模型, 这个程序只读版本 {FORMAT}。怎么办: 用同一个程序"
            f"重新训练: python -m distill classify train 表格.csv -o {path}"
        )
    kinds = {"encoder": str, "fine_tuned": bool, "labels": list, "sha256": str, "record": dict}
    for name, kind in kinds.items():
        if not isinstance(values.get(name), kind):
            raise _damaged(file, f"{name} 缺失或不对")
    return values


def _read_head(path: Path, labels: tuple[str, ...]) -> Head:
    file = path / HEAD
    manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    try:
        if file_sha256(file) != manifest["sha256"]:
            raise _damaged(file, "校验和不对")
        with np.load(file, allow_pickle=False) as arrays:
            return Head(labels, arrays["weights"], arrays["bias"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _damaged(file, str(error)) from error


def _damaged(file: Path, why: str) -> BundleError:
    return BundleError(f"{file}: 已损坏 ({why})。怎么办: 重新训练, 或从备份恢复")
