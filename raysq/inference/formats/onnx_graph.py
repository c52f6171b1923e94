"""Graph operations in ONNX: nodes of the standard operators, and onnxruntime's `Tokenizer` for characters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raysq.problems.graph import GraphOps, Tensor, as_texts

OPSET = 21  # of onnxruntime 1.20 on
DOMAINS = {"": OPSET, "ai.onnx.ml": 4, "com.microsoft": 1}


@dataclass(frozen=True)
class OnnxTensor:
    """A value of the graph.

    Attributes:
        name: name of the value.
        dtype: "string", or the name of NumPy's type.
    """

    name: str
    dtype: str


class OnnxOps(GraphOps):
    """Graph operations in ONNX.

    Attributes:
        nodes: nodes, in order.
        initializers: constants.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._constants: dict[Any, OnnxTensor] = {}

    def node(self, operator: str, inputs: Sequence[OnnxTensor], dtype: str, domain: str = "", **attributes: Any) -> Any:
        """Add a node of one output, and return the output."""
        return self.node_of(operator, inputs, [dtype], domain, **attributes)[0]

    def node_of(
        self, operator: str, inputs: Sequence[OnnxTensor], dtypes: Sequence[str], domain: str = "", **attributes: Any
    ) -> list[OnnxTensor]:
        """Add a node, and return its outputs."""
        from onnx import helper

        number = len(self.nodes)
        outputs = [OnnxTensor(f"raysq/{number}/{operator}/{index}", dtype) for index, dtype in enumerate(dtypes)]
        names = ([value.name for value in inputs], [value.name for value in outputs])
        self.nodes.append(
            helper.make_node(operator, *names, name=f"raysq/{number}/{operator}", domain=domain, **attributes)
        )
        return outputs

    def constant(self, value: Any, dtype: str | None = None) -> Tensor:
        from onnx import TensorProto, helper, numpy_helper

        array = np.asarray(value, dtype) if dtype else np.asarray(value)
        if array.dtype.kind in "UO":
            array = np.reshape(as_texts(np.asarray(value, object).reshape(-1).tolist()), np.shape(value))
            key: Any = ("string", array.shape, tuple(array.reshape(-1).tolist()))
        else:
            key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            name = f"raysq/constant/{len(self._constants)}"
            if key[0] == "string":
                texts = [text.encode() for text in array.reshape(-1).tolist()]
                tensor = helper.make_tensor(name, TensorProto.STRING, array.shape, texts)
            else:
                tensor = numpy_helper.from_array(array, name)
            self.initializers.append(tensor)
            self._constants[key] = OnnxTensor(name, key[0])
        return self._constants[key]

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        from onnx import helper

        if x.dtype == dtype:
            return x
        return self.node("Cast", [x], dtype, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def binary(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        if name in ("equal", "less", "and", "or"):
            return self.node(name.title(), [a, b], "bool")
        if name == "divide" and a.dtype.startswith("int"):
            # ONNX divides towards 0; the remainder with the sign of the divisor takes it to the floor.
            return self.node("Div", [self.binary("subtract", a, self.node("Mod", [a, b], a.dtype)), b], a.dtype)
        operators = {"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div"}
        return self.node(operators[name], [a, b], a.dtype)

    def unary(self, name: str, x: Tensor) -> Tensor:
        operators = {"not": "Not", "is_nan": "IsNaN", "round": "Round", "sin": "Sin", "cos": "Cos"}
        return self.node(operators[name], [x], "bool" if name in ("not", "is_nan") else x.dtype)

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return self.node("Where", [condition, a, b], a.dtype)

    def reduce(self, name: str, x: Tensor, axis: int) -> Tensor:
        if name == "argmax":
            return self.node("ArgMax", [x], "int64", axis=axis, keepdims=0)
        operator = {"sum": "ReduceSum", "max": "ReduceMax"}[name]
        return self.node(operator, [x, self.constant([axis], "int64")], x.dtype, keepdims=0)

    def sort(self, x: Tensor, size: int) -> Tensor:
        size_of = self.constant([size], "int64")
        return self.node_of("TopK", [x, size_of], [x.dtype, "int64"], axis=-1, largest=0, sorted=1)[0]

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        return self.node("Reshape", [x, self.constant(list(shape), "int64")], x.dtype)

    def expand(self, x: Tensor, axis: int) -> Tensor:
        return self.node("Unsqueeze", [x, self.constant([axis], "int64")], x.dtype)

    def concat(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        return self.node("Concat", parts, parts[0].dtype, axis=axis)

    def gather(self, x: Tensor, indices: Tensor, axis: int = 0) -> Tensor:
        return self.node("Gather", [x, indices], x.dtype, axis=axis)

    def gather_each(self, x: Tensor, indices: Tensor) -> Tensor:
        return self.node("GatherElements", [x, indices], x.dtype, axis=1)

    def size(self, x: Tensor, axis: int) -> Tensor:
        shape = self.node("Shape", [x], "int64")
        return self.node("Gather", [shape, self.constant(axis, "int64")], "int64")

    def fill(self, like: Tensor, width: int, value: str | int) -> Tensor:
        return self._full(like, self.constant([width], "int64"), value)

    def _full(self, like: OnnxTensor, width: OnnxTensor, value: str | int) -> OnnxTensor:
        shape = self.concat([self.expand(self.size(like, 0), 0), width], 0)
        constant = self.constant(value, None if isinstance(value, str) else "int64")
        full: OnnxTensor = self.node("Expand", [constant, shape], constant.dtype)
        return full

    def arange(self, end: Tensor) -> Tensor:
        return self.node("Range", [self.constant(0, "int64"), end, self.constant(1, "int64")], "int64")

    def cumsum(self, x: Tensor) -> Tensor:
        return self.node("CumSum", [x, self.constant(1, "int64")], x.dtype)

    def nonzero(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        places = self.node("NonZero", [mask], "int64")
        rows, columns = (self.node("Gather", [places, self.constant(axis, "int64")], "int64") for axis in (0, 1))
        return rows, columns

    def cells(self, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return self.node("GatherND", [x, self._pairs(rows, columns)], x.dtype)

    def scatter(self, like: Tensor, width: Tensor, rows: Tensor, columns: Tensor, values: Tensor) -> Tensor:
        zeros = self._full(like, self.expand(width, 0), 0)
        return self.node("ScatterND", [zeros, self._pairs(rows, columns), values], "int64", reduction="add")

    def _pairs(self, rows: OnnxTensor, columns: OnnxTensor) -> OnnxTensor:
        pairs: OnnxTensor = self.concat([self.expand(rows, 1), self.expand(columns, 1)], 1)
        return pairs

    def lookup(self, x: Tensor, keys: Sequence[Any], values: Sequence[Any], default: Any) -> Tensor:
        def kind(of: Any) -> str:
            return "string" if isinstance(of, str) else "int64"

        attributes = {f"keys_{kind(keys[0])}s": list(keys), f"values_{kind(values[0])}s": list(values)}
        attributes[f"default_{kind(default)}"] = default
        return self.node("LabelEncoder", [x], kind(default), "ai.onnx.ml", **attributes)

    def characters(self, texts: Tensor) -> Tensor:
        attributes = {"mark": 0, "mincharnum": 1, "pad_value": "", "separators": [""]}
        characters = self.node("Tokenizer", [texts], "string", "com.microsoft", **attributes)
        return self.concat([characters, self.fill(texts, 1, "")], 1)

    def join(self, parts: Tensor) -> Tensor:
        # Neighbors are joined until one column is left, so that each text is copied as often as its length has bits.
        rest = self._while_wider(parts)
        return self.node("Squeeze", [rest, self.constant([1], "int64")], "string")

    def _while_wider(self, parts: OnnxTensor) -> OnnxTensor:
        """Join neighboring columns until there is one."""
        from onnx import TensorProto, helper

        body = OnnxOps()
        state = OnnxTensor("raysq/join/parts", "string")
        width = body.size(state, 1)
        half = body.binary("divide", body.binary("add", width, body.constant(1, "int64")), body.constant(2, "int64"))
        two = body.constant(2, "int64")
        left = body.binary("multiply", body.arange(half), two)
        wanted = body.binary("add", left, body.constant(1, "int64"))
        inside = body.binary("less", wanted, width)
        right = body.node("Gather", [state, body.where(inside, wanted, left)], "string", axis=1)
        right = body.where(inside, right, body.constant([""]))
        joined = body.concat_texts(body.node("Gather", [state, left], "string", axis=1), right)
        more = body.binary("less", body.constant(1, "int64"), half)
        prefix = f"raysq/join{len(self.nodes)}/"
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            body.nodes,
            f"{prefix}body",
            [
                value("raysq/join/number", TensorProto.INT64, []),
                value("raysq/join/go", TensorProto.BOOL, []),
                value(state.name, TensorProto.STRING, ["rows", "parts"]),
            ],
            [
                value(more.name, TensorProto.BOOL, []),
                value(joined.name, TensorProto.STRING, ["rows", "half"]),
            ],
            body.initializers,
        )
        _rename(graph, lambda name: prefix + name)
        rest: OnnxTensor = self.node("Loop", [OnnxTensor("", ""), self.constant(True), parts], "string", body=graph)
        return rest

    def split(self, texts: Tensor, separator: str) -> Tensor:
        return self.node_of("StringSplit", [texts], ["string", "int64"], delimiter=separator)[0]

    def concat_texts(self, a: Tensor, b: Tensor) -> Tensor:
        return self.node("StringConcat", [a, b], "string")


def _rename(graph: Any, renamed: Callable[[str], str]) -> None:
    """Rename all values of a graph that has no subgraphs and reads nothing from outside of it."""
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = renamed(value.name)
    for node in graph.node:
        node.name = renamed(node.name)
        for names in (node.input, node.output):
            values = [renamed(name) if name else "" for name in names]
            del names[:]
            names.extend(values)
