"""How does a trained student become a bundle, and a bundle a student that can learn on?

In: a student and its run's directory. Out: a bundle that gives torch's vectors through the real
encoder, or what was there before: never half a bundle, even if killed or on a full disk.
"""

import ctypes
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from tokenizers import Tokenizer

from distill.bundle import IDF, MANIFEST, MODEL, TOKENIZER, Bundle, Manifest, seal
from distill.config import StudentConfig
from distill.encoder import Encoder
from distill.errors import BundleError, TrainingError
from distill.graph import INPUTS, quantise, read_weights, to_onnx
from distill.idf import WordIdf
from distill.student import Student, make_student
from distill.tokens import PADDING, UNKNOWN, tokenise

_CHECKS = (
    "怎么申请退货",
    "请问iphone15的电子发票什么时候能开,我等了3天了还没有收到",
    "运费",
    "好😀",
)


@dataclass(frozen=True)
class ExportReport:
    """How far the exported model is from torch, over the check sentences."""

    bundle: Bundle
    largest_difference: float  # float32 ONNX against torch, any element
    batch_difference: float  # a text alone against the same text in a padded batch
    int8_cosine: float  # the lowest cosine of what is served against torch


def export(
    student: Student,
    source: Path,
    output: Path,
    manifest: Manifest,
    *,
    int8: bool = True,
    checks: Sequence[str] = _CHECKS,
) -> ExportReport:
    """Write a bundle from a student and the tokenizer and IDF table in ``source``.

    Raises TrainingError or BundleError, and leaves ``output`` as it was, if the vectors differ
    from torch's, the tokenizer or the table is not the student's, or ``output`` is no bundle.
    """
    _require_parts(student.eval(), source)
    target = output.resolve()
    if target.exists() and not (target / MANIFEST).exists() and any(target.iterdir()):
        raise TrainingError(f"{output}: is not a bundle and is not replaced. Give another -o")
    making = target.with_name(f".{target.name}-making")
    shutil.rmtree(making, ignore_errors=True)  # of an export that was killed
    try:
        if target.exists():
            shutil.copytree(target, making)  # for what lies beside the parts: a model card, say
        making.mkdir(parents=True, exist_ok=True)
        for name in (TOKENIZER, IDF):
            shutil.copyfile(source / name, making / name)
        exact = to_onnx(student)
        encoder = _save(exact, making, manifest)
        tokenizer = Tokenizer.from_file(str(making / TOKENIZER))
        batch = vars(tokenise(tokenizer, [encoder.weigh(t) for t in checks], manifest.max_tokens))
        with torch.inference_mode():
            wanted = student(*(torch.from_numpy(batch[name]) for name in INPUTS)).numpy()
        alone = encoder.encode(checks)
        together = onnxruntime.InferenceSession(exact.SerializeToString()).run(None, batch)[0]
        difference = float(np.abs(alone - wanted).max())
        batch_difference = float(np.abs(alone - together).max())
        if not (difference <= 1e-5 and batch_difference <= 1e-6):  # nor if one is NaN
            raise TrainingError(
                f"export failed: ONNX differs from torch by {difference:.1e}, "
                f"alone from in a batch by {batch_difference:.1e}"
            )
        cosine = 1.0
        if int8:
            encoder = _save(quantise(exact), making, manifest)
            cosine = float((encoder.encode(checks) * wanted).sum(-1).min())
            if not cosine >= 0.99:
                raise TrainingError(f"export failed: int8 moves a vector to cosine {cosine:.3f}")
        _put_in_place(making, target)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return ExportReport(Bundle.open(output), difference, batch_difference, cosine)


def load_student(bundle: Bundle) -> Student:
    """Rebuild the student that a bundle was made from; weights are those of the bundle, rounded.

    Raises BundleError if the manifest does not tell its shape, or the graph holds other weights.
    """
    training = bundle.manifest.training
    try:
        config = StudentConfig(**training["config"]["student"])
        student = make_student(config, training["vocabulary"])
        weights = read_weights(onnx.load(bundle.path / MODEL))
        student.load_state_dict({name: torch.tensor(v) for name, v in weights.items()})
    except (KeyError, TypeError, RuntimeError, TrainingError) as error:
        reason = " ".join(str(error).split())  # torch writes a line for each weight
        raise BundleError(
            f"{bundle.path}: holds no student that can learn on ({reason}). "
            f"Export its run again: python -m distill export RUN -o {bundle.path}"
        ) from error
    return student.eval()


def _require_parts(student: Student, source: Path) -> None:
    """Refuse a tokenizer or an IDF table that the student was not trained with."""
    WordIdf.load(source / IDF)
    file, remedy = source / TOKENIZER, "Put back the one that the run was trained with"
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises nothing narrower
        raise TrainingError(f"{file}: not a tokenizer ({error}). {remedy}") from error
    lacking = [token for token in (PADDING, UNKNOWN) if tokenizer.token_to_id(token) is None]
    if lacking:
        raise TrainingError(f"{file}: has no token {' and no '.join(lacking)}. {remedy}")
    ours, theirs = student.embedding.num_embeddings, tokenizer.get_vocab_size()
    if ours != theirs:
        raise TrainingError(f"{file}: has {theirs} tokens, the student knows {ours}. {remedy}")


def _save(model: onnx.ModelProto, directory: Path, manifest: Manifest) -> Encoder:
    onnx.save(model, directory / MODEL)
    return Encoder.load(seal(directory, manifest).path)


def _put_in_place(made: Path, output: Path) -> None:
    """Rename a directory to ``output``; one that was there stays until that is done."""
    if not output.exists():
        made.rename(output)
    elif not _exchange(made, output):
        aside = output.with_name(f".{output.name}-old")
        shutil.rmtree(aside, ignore_errors=True)
        output.rename(aside)
        try:
            made.rename(output)
        except BaseException:
            aside.rename(output)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two paths in a single step, which no kill can halve; False where that is impossible."""
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and not rename(here, bytes(one), here, bytes(other), swap)
