"""How does a trained student become a bundle? ONNX, int8 weights, checked through the encoder.

In: a run directory. Out: a bundle, renamed into place only after the real encoder has given the
same vectors as torch, for texts alone and in a batch.
"""

import shutil
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from distill.bundle import IDF, MODEL, TOKENIZER, Bundle, Manifest, seal
from distill.encoder import Encoder
from distill.errors import TrainingError
from distill.student import BiLstmStudent
from distill.tokens import tokenise

_INPUTS = ("input_ids", "attention_mask", "weights")
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
    int8_cosine: float  # the lowest cosine of int8 against float32


def export(
    student: BiLstmStudent,
    source: Path,
    output: Path,
    manifest: Manifest,
    *,
    int8: bool = True,
    checks: Sequence[str] = _CHECKS,
) -> ExportReport:
    """Write a bundle from a student and the tokenizer and IDF table in ``source``.

    Raises TrainingError, and leaves ``output`` as it was, if the vectors differ from torch's.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as made:
        directory = Path(made) / "bundle"
        directory.mkdir()
        for name in (TOKENIZER, IDF):
            shutil.copyfile(source / name, directory / name)
        exact = _to_onnx(student)
        onnx.save(exact, directory / MODEL)
        encoder = Encoder.load(seal(directory, manifest).path)
        tokenizer = Tokenizer.from_file(str(directory / TOKENIZER))
        batch = tokenise(tokenizer, [encoder.weigh(t) for t in checks], manifest.max_tokens)
        with torch.inference_mode():
            wanted = student(*(torch.from_numpy(getattr(batch, name)) for name in _INPUTS)).numpy()
        alone = encoder.encode(checks)
        session = onnxruntime.InferenceSession(exact.SerializeToString())
        together = session.run(None, {name: getattr(batch, name) for name in _INPUTS})[0]
        difference = float(np.abs(alone - wanted).max())
        batch_difference = float(np.abs(alone - together).max())
        if max(difference, batch_difference) > 1e-5:
            raise TrainingError(
                f"export failed: ONNX differs from torch by {difference:.1e}, "
                f"alone from in a batch by {batch_difference:.1e}"
            )
        cosine = 1.0
        if int8:
            onnx.save(quantise_weights(exact), directory / MODEL)
            encoder = Encoder.load(seal(directory, manifest).path)
            cosine = float((encoder.encode(checks) * wanted).sum(-1).min())
            if cosine < 0.99:
                raise TrainingError(f"export failed: int8 moves a vector to cosine {cosine:.3f}")
        _put_in_place(directory, output)
    return ExportReport(Bundle.open(output), difference, batch_difference, cosine)


def _put_in_place(made: Path, output: Path) -> None:
    """Rename a directory to ``output``; the one that was there goes only once that is done."""
    aside = output.with_name(f".{output.name}-old")
    if output.exists():
        output.rename(aside)
    try:
        made.rename(output)
    except BaseException:
        if aside.exists():
            aside.rename(output)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def quantise_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store each weight matrix as int8 with a scale a row; computation stays float32.

    A quarter of the size, and no activation is rounded, so a text's vector still does not depend
    on its batch (dynamic int8 shares one activation scale in a batch). onnxruntime unpacks the
    matrices once at load, except the embedding, of which only the rows looked up are.
    """
    quantised = onnx.ModelProto()
    quantised.CopyFrom(model)
    graph = quantised.graph
    keep, nodes = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < 4096:
            keep.append(tensor)
            continue
        scale = np.maximum(np.abs(values).max(axis=-1, keepdims=True), 1e-12) / 127
        whole = np.rint(values / scale).astype(np.int8)
        name = tensor.name
        keep.append(numpy_helper.from_array(whole, f"{name}.int8"))
        keep.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"))
        users = [node for node in graph.node if name in node.input]
        if all(node.op_type == "Gather" for node in users):
            for node in users:
                nodes += _gather_then_unpack(node, name)
                graph.node.remove(node)
        else:
            nodes += _unpack(f"{name}.int8", f"{name}.scale", name, name)
    old = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(keep)
    graph.node.extend(nodes + old)
    onnx.checker.check_model(quantised)
    return quantised


def _gather_then_unpack(node: onnx.NodeProto, name: str) -> list[onnx.NodeProto]:
    output, indices = node.output[0], node.input[1]
    return [
        helper.make_node("Gather", [f"{name}.int8", indices], [f"{output}.int8"], axis=0),
        helper.make_node("Gather", [f"{name}.scale", indices], [f"{output}.scale"], axis=0),
        *_unpack(f"{output}.int8", f"{output}.scale", output, output),
    ]


def _unpack(whole: str, scale: str, output: str, prefix: str) -> list[onnx.NodeProto]:
    # Cast and Mul rather than DequantizeLinear: onnxruntime folds these into a constant at load.
    return [
        helper.make_node("Cast", [whole], [f"{prefix}.cast"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{prefix}.cast", scale], [output]),
    ]


def _to_onnx(student: BiLstmStudent) -> onnx.ModelProto:
    example = (
        torch.tensor([[2, 3, 4], [5, 6, 0]]),
        torch.tensor([[1, 1, 1], [1, 1, 0]]),
        torch.tensor([[0.2, 0.3, 0.5], [0.4, 0.6, 0.0]]),
    )
    with tempfile.TemporaryDirectory() as directory, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of LSTM batches; both are checked
        path = Path(directory) / MODEL
        torch.onnx.export(
            student.eval(),
            example,
            str(path),
            input_names=list(_INPUTS),
            output_names=["vector"],
            dynamic_axes={name: {0: "b", 1: "t"} for name in _INPUTS} | {"vector": {0: "b"}},
            opset_version=17,
            dynamo=False,
        )
        return onnx.load(path)
