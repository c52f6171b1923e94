"""Models as ONNX, of prepared or of raw inputs."""

import json
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from raysq.errors import DataError, ResourceError
from raysq.inference.formats.model_call import ModelCall, flat_inputs
from raysq.inference.formats.onnx_graph import DOMAINS, OPSET, OnnxOps, OnnxTensor
from raysq.problems.signature import Signature

_CONVERTED = 18  # newest opset of tf2onnx
_IR_VERSION = 10  # of onnxruntime 1.20 on
_MODEL = "model/"  # prefix of the names in the converted graph


def require_packages() -> None:
    """Raise ResourceError if packages are missing."""
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "tf2onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ResourceError(f"--format onnx needs {', '.join(missing)}: pip install 'raysq[onnx]'")


def write_prepared(model: Any, path: Path) -> Callable[[Any], Any]:
    """Write an ONNX file of prepared inputs, and return the model that is read back."""
    _convert(model, path)
    session = _session(path)
    names = [value.name for value in session.get_inputs()]

    def run(x: Any) -> Any:
        return session.run(None, dict(zip(names, flat_inputs(model, x), strict=True)))

    return run


def write_raw(
    call: ModelCall, signature: Signature, path: Path, description: Mapping[str, Any]
) -> Callable[[Mapping[str, Any]], dict[str, np.ndarray]]:
    """Write an ONNX file of raw inputs, and return the model that is read back."""
    import onnx
    from onnx import helper

    ops = OnnxOps()
    imports = dict(DOMAINS)
    functions: list[Any] = []

    def inline(x: Any) -> Any:
        converted = _converted(call.model)
        imports.update({of.domain: of.version for of in converted.opset_import if of.domain not in DOMAINS})
        functions.extend(converted.functions)
        return _inlined(ops, converted.graph, call, x)

    inputs = {info.name: OnnxTensor(info.name, info.dtype) for info in signature.inputs}
    outputs = signature.trace(ops, inputs, call.through(inline))
    for name, value in outputs.items():
        ops.nodes.append(helper.make_node("Identity", [value.name], [name], name=f"raysq/output/{name}"))
    graph = helper.make_graph(
        ops.nodes,
        "raysq",
        [_value_info(info) for info in signature.inputs],
        [_value_info(info) for info in signature.outputs],
        ops.initializers,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in imports.items()],
        functions=functions,
        ir_version=_IR_VERSION,
        producer_name="raysq",
    )
    helper.set_model_props(model, {"signature": json.dumps(description, ensure_ascii=False)})
    onnx.save(model, path)
    # Inference of shapes, which a full check does, crashes on onnxruntime's own operator: onnxruntime infers them.
    session = _session(path, full_check=False)

    def run(feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
        names = [info.name for info in signature.outputs]
        return dict(zip(names, session.run(names, dict(feeds)), strict=True))

    return run


def _converted(model: Any) -> Any:
    """Return the model as ONNX of the opset of raw inputs, its names with a prefix."""
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.onnx")
        _convert(model, file, opset=_CONVERTED)
        converted = onnx.load(file)
    try:
        return onnx.compose.add_prefix(onnx.version_converter.convert_version(converted, OPSET), _MODEL)
    except Exception as error:  # onnx raises RuntimeError
        raise _unknown(error) from None


def _convert(model: Any, path: Path, opset: int | None = None) -> None:
    # The converter only logs what it cannot convert; onnxruntime raises.
    import logging

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # from Keras's own code
        model.export(path, format="onnx", verbose=False, opset_version=opset)


def _session(path: Path, *, full_check: bool = True) -> Any:
    import onnx
    import onnxruntime

    try:
        onnx.checker.check_model(str(path), full_check=full_check)
        return onnxruntime.InferenceSession(str(path))
    except Exception as error:  # onnx and onnxruntime raise classes of their own
        raise _unknown(error) from None


def _unknown(error: Exception) -> DataError:
    """Return the error of a model with an operation that ONNX lacks."""
    reason = str(error).strip().splitlines()[0]
    return DataError(f"ONNX cannot say what this model computes ({reason}); --format saved_model can")


def _inlined(ops: OnnxOps, graph: Any, call: ModelCall, x: Any) -> Any:
    """Add the converted graph of a model to the nodes, and return its outputs in the structure of the model's."""
    import keras
    from onnx import helper

    for value, given in zip(graph.input, flat_inputs(call.model, x), strict=True):
        ops.nodes.append(helper.make_node("Identity", [given.name], [value.name], name=f"{value.name}/input"))
    ops.nodes.extend(graph.node)
    ops.initializers.extend(graph.initializer)
    outputs: Sequence[Any] = [
        OnnxTensor(value.name, np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name)
        for value in graph.output
    ]
    return keras.tree.pack_sequence_as(call.example, outputs)


def _value_info(info: Any) -> Any:
    from onnx import TensorProto, helper

    kind = TensorProto.STRING if info.dtype == "string" else helper.np_dtype_to_tensor_dtype(np.dtype(info.dtype))
    shape = ["batch", *(f"{info.name}_{axis}" if size is None else size for axis, size in enumerate(info.shape))]
    return helper.make_tensor_value_info(info.name, kind, shape)
