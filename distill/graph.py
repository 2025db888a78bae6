"""How does a student become an ONNX graph, and a graph a student again?

In: a student. Out: a graph from ``input_ids``, ``attention_mask`` int64 (b, t) and ``weights``
float32 (b, t) to ``vector`` float32 (b, d), and its int8 form. Whether that is good enough to serve
is decided in export.py.
"""

import itertools
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor_value_info
from onnx.numpy_helper import from_array, to_array

from distill.bundle import MODEL
from distill.student import BiLstmStudent, Student

INPUTS = ("input_ids", "attention_mask", "weights")
_OPSET, _IR_VERSION = 17, 8
_MICROSOFT = "com.microsoft"  # the domain of onnxruntime's own operators
_SMALL = 4096  # elements; rounding fewer saves nothing
_TO_ONNX, _TO_TORCH = (0, 3, 1, 2), (0, 2, 3, 1)  # an LSTM's gates: i f g o in torch, i o f g here


def to_onnx(student: Student) -> ModelProto:
    """Return the float32 graph; in it, a text's vector does not depend on its batch."""
    return _bilstm(student) if isinstance(student, BiLstmStudent) else _traced(student)


def quantise(model: ModelProto) -> ModelProto:
    """Return the int8 form of a float32 graph: a quarter of the size.

    LSTMs and the projection compute in int8 too, which is what makes one text fast. They round all
    activations of a call to one scale, so a text needs a call of its own: in a batch its vector
    would depend on its neighbours. Other weights are unpacked to float32, embeddings after they
    are looked up, the rest once at load.
    """
    exact = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
    matrices = {n: v for n, v in exact.items() if v.dtype == np.float32 and v.ndim > 1}
    nodes: list[NodeProto] = []
    int8: dict[str, np.ndarray] = {}
    for node in model.graph.node:
        if node.op_type == "LSTM":
            int8 |= _columns(matrices, node.input[1:3])
            nodes.append(_int8_lstm(node))
        elif node.op_type == "Gemm" and node.input[1] in matrices:
            int8 |= _columns(matrices, node.input[1:2])
            nodes.append(_int8_product(node))
        elif node.op_type == "Gather" and node.input[0] in matrices:
            int8 |= _rows(matrices, node.input[:1])
            nodes += _lookup(node)
        else:
            large = [n for n in node.input if n in matrices and matrices[n].size >= _SMALL]
            unpack = [_times_scale(name, name) for name in large if f"{name}.int8" not in int8]
            int8 |= _rows(matrices, large)
            nodes += [*itertools.chain.from_iterable(unpack), node]
    return _model(nodes, exact | int8, model.graph.input, model.graph.output)


def read_weights(model: ModelProto) -> dict[str, np.ndarray]:
    """Return a graph's weights, float32, under their names in the student; int8 is unpacked."""
    stored = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
    weights = {}
    for name, values in stored.items():
        if name.endswith(".int8"):
            name, scale = name.removesuffix(".int8"), stored[name.removesuffix("int8") + "scale"]
            if scale.ndim < values.ndim:  # columns
                values = (values * scale[..., np.newaxis, :]).swapaxes(-1, -2)
            else:
                values = values * scale
        elif values.dtype != np.float32 or name.endswith(".scale"):
            continue
        if "_lstm.bias_l" in name:
            for part, half in zip(("bias_ih", "bias_hh"), np.split(values[0], 2), strict=True):
                weights[name.replace("bias", part)] = _reorder(half, _TO_TORCH)
        elif "_lstm." in name:
            weights[name] = _reorder(values[0], _TO_TORCH)
        else:
            weights[name] = values
    return weights


def _bilstm(student: BiLstmStudent) -> ModelProto:
    """Write the graph by hand: 14 operators, where a trace has a hundred."""
    values = {
        name: tensor.numpy() for name, tensor in student.state_dict().items() if "lstm" not in name
    }
    values |= {"axis_1": np.array([1]), "axes_1_2": np.array([1, 2])}
    nodes = [
        make_node("Transpose", ["input_ids"], ["ids"], perm=[1, 0]),
        make_node("Gather", ["embedding.weight", "ids"], ["embedded"]),  # (t, b, e)
        make_node("ReduceSum", ["attention_mask", "axis_1"], ["length"], keepdims=0),
        make_node("Cast", ["length"], ["lengths"], to=TensorProto.INT32),
        *_lstms("forward_lstm", "forward", student.forward_lstm, values),
        *_lstms("backward_lstm", "reverse", student.backward_lstm, values),
        make_node("Unsqueeze", ["embedded", "axis_1"], ["states_0"]),  # (t, 1, b, e)
        make_node("Concat", ["states_0", "forward_lstm", "backward_lstm"], ["states"], axis=-1),
        make_node("Transpose", ["states"], ["by_text"], perm=[2, 1, 0, 3]),
        make_node("Unsqueeze", ["weights", "axes_1_2"], ["shares"]),
        make_node("MatMul", ["shares", "by_text"], ["sum"]),  # (b, 1, 1, t) @ (b, 1, t, e + 2h)
        make_node("Flatten", ["sum"], ["pooled"]),
        make_node("Gemm", ["pooled", "project.weight", "project.bias"], ["projected"], transB=1),
        make_node("LpNormalization", ["projected"], ["vector"], axis=-1),
    ]
    types = (TensorProto.INT64, TensorProto.INT64, TensorProto.FLOAT)
    inputs = [make_tensor_value_info(*p, ["b", "t"]) for p in zip(INPUTS, types, strict=True)]
    shape = ["b", student.project.out_features]
    return _model(
        nodes, values, inputs, [make_tensor_value_info("vector", TensorProto.FLOAT, shape)]
    )


def _lstms(
    stack: str, direction: str, lstm: torch.nn.LSTM, values: dict[str, np.ndarray]
) -> list[NodeProto]:
    """Write the layers of one direction; what the last one puts out, (t, 1, b, h), is ``stack``."""
    nodes, below = [], "embedded"
    for layer in range(lstm.num_layers):
        names = [f"{stack}.{part}_l{layer}" for part in ("weight_ih", "weight_hh", "bias")]
        parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        given, state, *biases = (
            _reorder(getattr(lstm, f"{part}_l{layer}").detach().numpy(), _TO_ONNX) for part in parts
        )
        for name, value in zip(names, (given, state, np.concatenate(biases)), strict=True):
            values[name] = value[np.newaxis]  # of one direction
        last = layer == lstm.num_layers - 1
        output = stack if last else f"{stack}.{layer}"
        inputs = [below, *names, "lengths"]
        settings = {"direction": direction, "hidden_size": lstm.hidden_size}
        nodes.append(make_node("LSTM", inputs, [output], **settings))
        if not last:
            below = f"{output}.below"
            nodes.append(make_node("Squeeze", [output, "axis_1"], [below]))
    return nodes


def _traced(student: Student) -> ModelProto:
    example = (
        torch.tensor([[2, 3, 4], [5, 6, 0]]),
        torch.tensor([[1, 1, 1], [1, 1, 0]]),
        torch.tensor([[0.2, 0.3, 0.5], [0.4, 0.6, 0.0]]),
    )
    with tempfile.TemporaryDirectory() as directory, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shapes taken as constant; export tries several
        # torch's own translation makes the length of the example that of all texts.
        torch.onnx.register_custom_op_symbolic("aten::unflatten", _unpack_attention, _OPSET)
        path = Path(directory) / MODEL
        torch.onnx.export(
            student.eval(),
            example,
            str(path),
            input_names=list(INPUTS),
            output_names=["vector"],
            dynamic_axes={name: {0: "b", 1: "t"} for name in INPUTS} | {"vector": {0: "b"}},
            opset_version=_OPSET,
            do_constant_folding=False,  # weights keep their names, so that they can be read back
            dynamo=False,
        )
        graph = onnx.load(path).graph
    # Equal weights were made one, with an Identity for each of the others; give each its own again.
    values = {tensor.name: to_array(tensor) for tensor in graph.initializer}
    shared = [n for n in graph.node if n.op_type == "Identity" and n.input[0] in values]
    values |= {node.output[0]: values[node.input[0]] for node in shared}
    nodes = [node for node in graph.node if node not in shared]
    return _model(nodes, values, graph.input, graph.output)


def _unpack_attention(graph: Any, packed: Any, *_: Any) -> Any:
    """Translate the one ``unflatten`` of a transformer: (b, t, 3h) → (b, t, 3, h)."""
    return graph.op("Reshape", packed, graph.op("Constant", value_t=torch.tensor([0, 0, 3, -1])))


def _int8_lstm(node: NodeProto) -> NodeProto:
    given, of_given, of_state, bias, lengths = node.input
    inputs = [given, f"{of_given}.int8", f"{of_state}.int8", bias, lengths, "", "", ""]
    for name in (of_given, of_state):
        inputs += [f"{name}.scale", f"{name}.zero"]
    made = make_node("DynamicQuantizeLSTM", inputs, node.output, domain=_MICROSOFT)
    made.attribute.extend(node.attribute)
    return made


def _int8_product(node: NodeProto) -> NodeProto:
    given, name, bias = node.input
    inputs = [given, f"{name}.int8", f"{name}.scale", f"{name}.zero", bias]
    return make_node("DynamicQuantizeMatMul", inputs, node.output, domain=_MICROSOFT)


def _lookup(node: NodeProto) -> list[NodeProto]:
    (name, ids), (output,) = node.input, node.output
    parts = [
        make_node("Gather", [f"{name}.{part}", ids], [f"{output}.{part}"])
        for part in ("int8", "scale")
    ]
    return [*parts, *_times_scale(output, output)]


def _times_scale(rounded: str, output: str) -> list[NodeProto]:
    # Cast and Mul rather than DequantizeLinear: onnxruntime folds these into a constant at load.
    return [
        make_node("Cast", [f"{rounded}.int8"], [f"{output}.cast"], to=TensorProto.FLOAT),
        make_node("Mul", [f"{output}.cast", f"{rounded}.scale"], [output]),
    ]


def _columns(matrices: Mapping[str, np.ndarray], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Round (…, out, in) to int8 (…, in, out) with a scale (…, out), for operators in int8.

    Seven bits, not eight: they are multiplied by unsigned 8-bit activations, and a CPU without
    VNNI adds two such products in 16 bits, which eight would overflow.
    """
    made = {}
    for name in names:
        rounded, scale = _round(matrices[name], -1, 63)
        made[f"{name}.int8"] = rounded.swapaxes(-1, -2)
        made[f"{name}.scale"] = scale[..., 0]
        made[f"{name}.zero"] = np.zeros(scale.shape[:-1], np.int8)
    return made


def _rows(matrices: Mapping[str, np.ndarray], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Round to int8 with a scale for each row of the first axis, for weights to be unpacked."""
    made = {}
    for name in names:
        axes = tuple(range(1, matrices[name].ndim))
        made[f"{name}.int8"], made[f"{name}.scale"] = _round(matrices[name], axes, 127)
    return made


def _round(values: np.ndarray, axes: int | tuple[int, ...], top: int) -> list[np.ndarray]:
    scale = np.maximum(np.abs(values).max(axis=axes, keepdims=True), 1e-12) / top
    return [np.rint(values / scale).astype(np.int8), scale.astype(np.float32)]


def _reorder(gates: np.ndarray, order: Sequence[int]) -> np.ndarray:
    parts = np.split(gates, 4)
    return np.concatenate([parts[place] for place in order])


def _model(
    nodes: Sequence[NodeProto],
    values: Mapping[str, np.ndarray],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
) -> ModelProto:
    """Put a graph together; of ``values``, those that are read and not computed are stored."""
    read = {name for node in nodes for name in node.input}
    computed = {name for node in nodes for name in node.output}
    stored = [
        from_array(np.ascontiguousarray(value), name)
        for name, value in values.items()
        if name in read - computed
    ]
    model = make_model(
        make_graph(nodes, "student", inputs, outputs, stored),
        opset_imports=[make_opsetid("", _OPSET), make_opsetid(_MICROSOFT, 1)],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model)
    return model
