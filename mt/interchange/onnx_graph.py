"""A graph of ONNX operations as it is written: values with operators, so that formulas read as they do in torch.

Every dimension that a caller names stays open, because sizes are read from the running tensors and never from examples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

OPSET = 17  # of 2022: LayerNormalization; what runs it is everywhere
IR_VERSION = 8  # the file format of that opset
FLOAT, INT, BOOL, INT8 = "float32", "int64", "bool", "int8"
INT8_RANGE = 127
Number = int | float


@dataclass(frozen=True)
class Value:
    """A tensor in a graph, and its type: FLOAT, INT or BOOL."""

    graph: Graph
    name: str
    type: str

    def op(
        self, kind: str, *others: Value | Number | Sequence[int], type: str | None = None, **attributes: Any
    ) -> Value:
        """The result of an operation on this value and others; a number becomes a constant of this value's type."""
        inputs = [other if isinstance(other, Value) else self.graph.constant(other, self.type) for other in others]
        return self.graph.op(kind, self, *inputs, type=type or self.type, **attributes)

    def __add__(self, other: Value | Number) -> Value:
        return self.op("Add", other)

    def __sub__(self, other: Value | Number) -> Value:
        return self.op("Sub", other)

    def __mul__(self, other: Value | Number) -> Value:
        return self.op("Mul", other)

    def __truediv__(self, other: Value | Number) -> Value:
        return self.op("Div", other)

    def __floordiv__(self, other: Value | Number) -> Value:
        """Of whole numbers from 0 on."""
        return self.op("Div", other)

    def __pow__(self, other: Value | Number) -> Value:
        return self.op("Pow", other)

    def __neg__(self) -> Value:
        return self.op("Neg")

    def __matmul__(self, other: Value) -> Value:
        return self.op("MatMul", other)

    def __and__(self, other: Value) -> Value:
        return self.op("And", other)

    def __or__(self, other: Value) -> Value:
        return self.op("Or", other)

    def __invert__(self) -> Value:
        return self.op("Not")

    def __lt__(self, other: Value | Number) -> Value:
        return self.op("Less", other, type=BOOL)

    def __le__(self, other: Value | Number) -> Value:
        return self.op("LessOrEqual", other, type=BOOL)

    def __gt__(self, other: Value | Number) -> Value:
        return self.op("Greater", other, type=BOOL)

    def __ge__(self, other: Value | Number) -> Value:
        return self.op("GreaterOrEqual", other, type=BOOL)

    def equals(self, other: Value | Number) -> Value:
        return self.op("Equal", other, type=BOOL)

    def exp(self) -> Value:
        return self.op("Exp")

    def log(self) -> Value:
        return self.op("Log")

    def sqrt(self) -> Value:
        return self.op("Sqrt")

    def abs(self) -> Value:
        return self.op("Abs")

    def sigmoid(self) -> Value:
        return self.op("Sigmoid")

    def relu(self) -> Value:
        return self.op("Relu")

    def tanh(self) -> Value:
        return self.op("Tanh")

    def least(self, number: Value | Number) -> Value:
        """The larger of both."""
        return self.op("Max", number)

    def most(self, number: Value | Number) -> Value:
        """The smaller of both."""
        return self.op("Min", number)

    def to_float(self) -> Value:
        return self.graph.op("Cast", self, type=FLOAT, to=self.graph.number(FLOAT))

    def to_int(self) -> Value:
        return self.graph.op("Cast", self, type=INT, to=self.graph.number(INT))

    def to_bool(self) -> Value:
        return self.graph.op("Cast", self, type=BOOL, to=self.graph.number(BOOL))

    def softmax(self, axis: int = -1) -> Value:
        return self.op("Softmax", axis=axis)

    def sum(self, axis: int = -1) -> Value:
        """Over an axis, which stays with size 1."""
        return self.op("ReduceSum", self.graph.ints(axis), keepdims=1)

    def mean(self, axis: int = -1) -> Value:
        return self.op("ReduceMean", axes=[axis], keepdims=1)

    def max(self, axis: int = -1) -> Value:
        return self.op("ReduceMax", axes=[axis], keepdims=1)

    def min(self, axis: int = -1) -> Value:
        return self.op("ReduceMin", axes=[axis], keepdims=1)

    def any(self, axis: int = -1) -> Value:
        return self.to_int().max(axis).to_bool()

    def cumsum(self, axis: int, *, reverse: bool = False) -> Value:
        return self.op("CumSum", self.graph.constant(axis, INT), reverse=int(reverse))

    def where(self, condition: Value, otherwise: Value | Number) -> Value:
        """This value where the condition holds."""
        other = otherwise if isinstance(otherwise, Value) else self.graph.constant(otherwise, self.type)
        return self.graph.op("Where", condition, self, other, type=self.type)

    def hidden(self, seen: Value | None) -> Value:
        """Scores, minus infinity where a mask does not hold."""
        return self if seen is None else self.where(seen, -np.inf)

    def size(self, axis: int) -> Value:
        """The size of an axis, from 0, as one number in a list of one."""
        return self.graph.op("Shape", self, type=INT, start=axis, end=axis + 1)

    def reshape(self, *sizes: int | Value) -> Value:
        """0 keeps an axis, -1 is what is left, a value is a list of one size."""
        parts = [one if isinstance(one, Value) else self.graph.ints(one) for one in sizes]
        shape = parts[0] if len(parts) == 1 else self.graph.op("Concat", *parts, type=INT, axis=0)
        return self.op("Reshape", shape)

    def transpose(self, *axes: int) -> Value:
        return self.op("Transpose", perm=list(axes))

    def unsqueeze(self, *axes: int) -> Value:
        return self.op("Unsqueeze", self.graph.ints(*axes))

    def squeeze(self, *axes: int) -> Value:
        return self.op("Squeeze", self.graph.ints(*axes))

    def slice(self, axis: int, start: int | Value, end: int | Value = 2**62) -> Value:
        begin, stop = (one if isinstance(one, Value) else self.graph.ints(one) for one in (start, end))
        return self.op("Slice", begin, stop, self.graph.ints(axis))

    def split(self, axis: int, *sizes: int) -> tuple[Value, ...]:
        return self.graph.ops("Split", self, self.graph.ints(*sizes), count=len(sizes), type=self.type, axis=axis)

    def gather(self, indices: Value, axis: int = 0) -> Value:
        """Entries of an axis by their numbers."""
        return self.op("Gather", indices, axis=axis)

    def gather_along(self, indices: Value, axis: int = -1) -> Value:
        """torch.gather."""
        return self.op("GatherElements", indices, axis=axis)

    def expand(self, shape: Value) -> Value:
        return self.op("Expand", shape)

    def repeat_heads(self, times: int) -> Value:
        """B G S K -> B (G times) S K: each head as often, side by side."""
        if times == 1:
            return self
        groups = self.size(1)
        wide = self.unsqueeze(2).expand(self.graph.joined(self.size(0), groups, times, self.size(2), self.size(3)))
        return wide.reshape(self.size(0), -1, self.size(2), self.size(3))


class Graph:
    """A graph that grows by calls; `quantization` int8 rounds matrices to 8 bits, with a scale for each row.

    Rounded matrices are multiplied by their scales when the graph is loaded: products stay in float32.
    """

    def __init__(self, *, quantization: str | None = None):
        import onnx

        self.onnx, self.quantization = onnx, quantization
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.count = 0
        self.known: dict[Any, Value] = {}

    def number(self, type: str) -> int:
        """The number that ONNX has for a type."""
        return int(self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(type)))

    def input(self, name: str, type: str, shape: Sequence[int | str]) -> Value:
        self.inputs.append(self.onnx.helper.make_tensor_value_info(name, self.number(type), list(shape)))
        return Value(self, name, type)

    def output(self, name: str, value: Value, shape: Sequence[int | str]) -> None:
        self.nodes.append(self.onnx.helper.make_node("Identity", [value.name], [name], name=name))
        self.outputs.append(self.onnx.helper.make_tensor_value_info(name, self.number(value.type), list(shape)))

    def ops(self, kind: str, *inputs: Value | None, count: int, type: str, **attributes: Any) -> tuple[Value, ...]:
        """The `count` results of an operation."""
        names = []
        for _ in range(count):
            self.count += 1
            names.append(f"{kind.lower()}_{self.count}")
        given = ["" if one is None else one.name for one in inputs]
        self.nodes.append(self.onnx.helper.make_node(kind, given, names, name=names[0], **attributes))
        return tuple(Value(self, name, type) for name in names)

    def op(self, kind: str, *inputs: Value | None, type: str, **attributes: Any) -> Value:
        return self.ops(kind, *inputs, count=1, type=type, **attributes)[0]

    def constant(self, value: Any, type: str) -> Value:
        """A number or an array of numbers."""
        array = np.asarray(value, np.dtype(type))
        key = (array.tobytes(), array.shape, type)
        if key not in self.known:
            self.known[key] = self.named(f"constant_{len(self.initializers)}", array)
        return self.known[key]

    def ints(self, *numbers: int) -> Value:
        return self.constant(list(numbers), INT)

    def joined(self, *sizes: int | Value) -> Value:
        """Sizes as one shape."""
        return self.op(
            "Concat", *(one if isinstance(one, Value) else self.ints(one) for one in sizes), type=INT, axis=0
        )

    def named(self, name: str, array: np.ndarray) -> Value:
        """An array under its own name."""
        if name not in self.initializers:
            self.initializers[name] = self.onnx.numpy_helper.from_array(np.array(array, order="C"), name)
        return Value(self, name, str(array.dtype))

    def vector(self, name: str, array: np.ndarray) -> Value:
        """Weights that are never rounded."""
        return self.named(name, array.astype(np.float32))

    def matrix(self, name: str, array_OI: np.ndarray, *, turned: bool = False) -> Value:
        """A matrix, rounded where that is asked for; `turned`: as I x O, for a product from the right."""
        key = ("matrix", name, turned)
        if key in self.known:
            return self.known[key]
        if self.quantization is None:
            found = self.vector(f"{name}.turned" if turned else name, array_OI.T if turned else array_OI)
        else:
            scale_O1 = np.abs(array_OI).max(axis=1, keepdims=True) / INT8_RANGE
            rounded_OI = np.rint(array_OI / np.where(scale_O1 > 0, scale_O1, 1)).astype(np.int8)
            scale, rounded = (one.T if turned else one for one in (scale_O1, rounded_OI))
            whole = self.named(f"{name}.int8", rounded)
            found = self.op("Cast", whole, type=FLOAT, to=self.number(FLOAT)) * self.vector(f"{name}.scale", scale)
        self.known[key] = found
        return found

    def range(self, end: Value, start: Value | int = 0) -> Value:
        """start, start + 1, … end - 1; both are lists of one number."""
        first = start.squeeze(0) if isinstance(start, Value) else self.constant(start, INT)
        return self.op("Range", first, end.squeeze(0), self.constant(1, INT), type=INT)

    def branch(self, condition: Value, then: Sequence[Value], make: Callable[[], Sequence[Value]]) -> list[Value]:
        """`then` (values of this graph) where the condition holds, else what `make` computes, and only then."""
        helper, before, known = self.onnx.helper, self.nodes, dict(self.known)
        self.nodes = []
        results = make()
        inner, self.nodes = self.nodes, before
        # what was computed inside is not known outside
        self.known = known | {key: value for key, value in self.known.items() if value.name in self.initializers}
        kept = [f"kept_{one.name}" for one in results]
        names = [f"chosen_{one.name}" for one in results]
        copies = [helper.make_node("Identity", [one.name], [name]) for one, name in zip(then, kept, strict=True)]
        graphs = {
            f"{name}_branch": helper.make_graph(nodes, name, [], [self._about(one, of) for one, of in values])
            for name, nodes, values in (
                ("then", copies, [*zip(kept, then, strict=True)]),
                ("else", inner, [(one.name, one) for one in results]),
            )
        }
        self.nodes.append(helper.make_node("If", [condition.name], names, name=names[0], **graphs))
        return [Value(self, name, one.type) for name, one in zip(names, results, strict=True)]

    def _about(self, name: str, value: Value) -> Any:
        return self.onnx.helper.make_tensor_value_info(name, self.number(value.type), None)

    def save(self, path: Path, *, title: str) -> None:
        """Writes the model file, checked by onnx's own rules."""
        helper = self.onnx.helper
        graph = helper.make_graph(self.nodes, title, self.inputs, self.outputs, list(self.initializers.values()))
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="mt-trainer"
        )
        self.onnx.checker.check_model(model, full_check=True)
        self.onnx.save(model, str(path))
