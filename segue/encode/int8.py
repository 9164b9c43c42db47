"""From a float32 ONNX graph to an int8 one: a quarter of the size, and a text's vector does not depend on its batch.

Weights: one scale a column. Activations: one scale a *token* (Yao et al. 2022, ZeroQuant), not one a
tensor as in onnxruntime's `quantize_dynamic`, where the largest number anywhere in a batch sets the precision of every
text in it. Measured on 300 requests of CLINC150, MiniLM, x86 with VNNI, the graph alone:

| | cosine to float32 | in a batch of up to 64 of its length against alone: mean, lowest | ms a request |
|---|---|---|---|
| `quantize_dynamic`, per channel | .9929 | .9910, .9621 | 1.25 |
| here | .9967 | 1.0000, 1.0000 | 1.40 |

On x86 without VNNI (before 2019) the 8-bit product can saturate; weights within ±63 would prevent it, at .9954.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

_ZERO, _STEP, _LAST, _TINY = "int8/zero", "int8/step", "int8/last", "int8/tiny"
_TABLE_ROWS = 1_000
"""A lookup table smaller than this (token types, positions) is not worth a rounding error."""


def quantise(model: ModelProto) -> ModelProto:
    """A new model whose products with a constant matrix, and whose large lookup tables, are int8; the input is kept."""
    quantised = ModelProto()
    quantised.CopyFrom(model)
    graph = quantised.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[NodeProto] = []
    added = _shared_constants()
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in constants:
            made, tensors = _product(node, numpy_helper.to_array(constants[node.input[1]]))
        elif node.op_type == "Gather" and _is_table(constants.get(node.input[0])):
            made, tensors = _lookup(node, numpy_helper.to_array(constants[node.input[0]]))
        else:
            made, tensors = [node], []
        nodes += made
        added += tensors
    _replace(graph, nodes, added)
    if not any(used.domain == "com.microsoft" for used in quantised.opset_import):
        quantised.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.checker.check_model(quantised)
    return quantised


def scaled(matrix: NDArray[np.float32], *, axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """`matrix` ≈ int8 numbers × scale, the largest size along `axis` becoming 127; the scale keeps its dimension.

    >>> numbers, scale = scaled(np.array([[1.0, -4.0], [0.5, 2.0]], dtype=np.float32), axis=0)
    >>> numbers.tolist(), (scale * 127).tolist()
    ([[127, -127], [64, 64]], [[1.0, 4.0]])
    """
    largest = np.maximum(np.abs(matrix).max(axis=axis, keepdims=True), np.float32(1e-12))
    scale = (largest / np.float32(127)).astype(np.float32)
    return np.rint(matrix / scale).astype(np.int8), scale


def _product(node: NodeProto, weights: NDArray[np.float32]) -> tuple[list[NodeProto], list[TensorProto]]:
    """`x @ weights` with each token of x divided by its largest number, to fill -127…127, and multiplied back."""
    vectors, result = node.input[0], node.output[0]
    size, shrunk, rounded, product = (f"{result}/{part}" for part in ("size", "shrunk", "rounded", "product"))
    numbers, scale = scaled(weights, axis=0)
    matrix, columns = f"{result}/matrix", f"{result}/columns"
    nodes = [
        helper.make_node("Abs", [vectors], [f"{size}/all"]),
        helper.make_node("ReduceMax", [f"{size}/all", _LAST], [f"{size}/largest"], keepdims=1),
        helper.make_node("Max", [f"{size}/largest", _TINY], [size]),
        helper.make_node("Div", [vectors, size], [shrunk]),
        helper.make_node("QuantizeLinear", [shrunk, _STEP, _ZERO], [rounded]),
        helper.make_node(
            "MatMulIntegerToFloat", [rounded, matrix, _STEP, columns, _ZERO], [product], domain="com.microsoft"
        ),
        helper.make_node("Mul", [product, size], [result]),
    ]
    return nodes, [numpy_helper.from_array(numbers, matrix), numpy_helper.from_array(scale[0], columns)]


def _lookup(node: NodeProto, table: NDArray[np.float32]) -> tuple[list[NodeProto], list[TensorProto]]:
    """`table[ids]` with int8 rows and one scale a row."""
    ids, result = node.input[1], node.output[0]
    numbers, scale = scaled(table, axis=1)
    nodes = [
        helper.make_node("Gather", [f"{result}/table", ids], [f"{result}/row"]),
        helper.make_node("Cast", [f"{result}/row"], [f"{result}/float"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{result}/scales", ids], [f"{result}/scale"]),
        helper.make_node("Mul", [f"{result}/float", f"{result}/scale"], [result]),
    ]
    return nodes, [
        numpy_helper.from_array(numbers, f"{result}/table"),
        numpy_helper.from_array(scale, f"{result}/scales"),
    ]


def _shared_constants() -> list[TensorProto]:
    return [
        numpy_helper.from_array(np.array(128, dtype=np.uint8), _ZERO),
        numpy_helper.from_array(np.array(1 / 127, dtype=np.float32), _STEP),
        numpy_helper.from_array(np.array([-1], dtype=np.int64), _LAST),
        numpy_helper.from_array(np.array(1e-12, dtype=np.float32), _TINY),
    ]


def _is_table(tensor: TensorProto | None) -> bool:
    return tensor is not None and len(tensor.dims) == 2 and tensor.dims[0] >= _TABLE_ROWS


def _replace(graph: GraphProto, nodes: list[NodeProto], added: list[TensorProto]) -> None:
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used] + added
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
