"""Models as LiteRT (`.tflite`), of prepared or of raw inputs that are numbers."""

import contextlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from raysq.errors import DataError, ResourceError
from raysq.inference.formats.model_call import ModelCall, flat_inputs
from raysq.inference.formats.saved_model import save_function
from raysq.inference.formats.tensorflow_graph import LiteOps
from raysq.problems.signature import Graph, Signature, TensorInfo, tensor_name


def require_packages() -> None:
    """Raise ResourceError if the interpreter is missing, which the export is verified with."""
    from importlib.util import find_spec

    if find_spec("ai_edge_litert") is None:
        raise ResourceError("--format litert needs ai-edge-litert: pip install 'raysq[litert]'")


def write_prepared(call: ModelCall, path: Path) -> Callable[[Any], Any]:
    """Write a LiteRT model of prepared inputs, and return the model that is read back."""
    signature = _PreparedGraph(call.model)
    run = _runner(path, _write(call, signature, path))

    def on_inputs(x: Any) -> list[np.ndarray]:
        names = [info.name for info in signature.inputs]
        outputs = run(dict(zip(names, flat_inputs(call.model, x), strict=True)))
        return [outputs[name] for name in sorted(outputs)]

    return on_inputs


def write_raw(
    call: ModelCall, signature: Signature, path: Path, description: dict[str, Any]
) -> Callable[[Mapping[str, Any]], dict[str, np.ndarray]]:
    """Write a LiteRT model of raw inputs, and return its signature `serving_default`, read back."""
    batch = _write(call, signature, path)
    if batch is not None:
        description["notes"].append("it takes one row at a time: the batch is 1")
    # Files behind the model are the format's way to carry metadata; the interpreter skips them.
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("signature.json", json.dumps(description, indent=1, ensure_ascii=False))
    return _runner(path, batch)


class _PreparedGraph(Graph):
    """Inputs and outputs of the model itself, each output by its number."""

    def __init__(self, model: Any):
        self._model = model
        names: list[str] = []
        for tensor in model.inputs:
            names.append(tensor_name(tensor.name, names))
        self.inputs = [
            TensorInfo(name, tensor.dtype, "prepared input", tuple(tensor.shape[1:]))
            for name, tensor in zip(names, model.inputs, strict=True)
        ]

    def trace(self, ops: Any, inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
        """Return the outputs of the model."""
        import keras

        flat = [inputs[info.name] for info in self.inputs]
        # A Sequential model has no `input` until it is called on a symbolic one.
        x = flat[0] if len(flat) == 1 else keras.tree.pack_sequence_as(self._model.input, flat)
        outputs = keras.tree.flatten(model(x))
        return {f"output_{number:03d}": output for number, output in enumerate(outputs)}


class _NoList(Exception):
    """LiteRT has no list of tensors of any size, which a recurrent layer keeps for a batch of any size."""


def _write(call: ModelCall, signature: Graph, path: Path) -> int | None:
    """Write the model, and return the size of its batches, or None if they have any size."""
    try:
        path.write_bytes(_converted(call, signature, None))
    except _NoList:
        path.write_bytes(_converted(call, signature, 1))
        return 1
    return None


def _converted(call: ModelCall, signature: Graph, batch: int | None) -> bytes:
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        save_function(call, signature, Path(folder), LiteOps(), batch)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        try:
            with _quiet():
                model: bytes = converter.convert()
        except Exception as error:  # the converter raises classes of its own
            if batch is None and "TensorList" in str(error):
                raise _NoList from None
            reason = next((line for line in str(error).splitlines() if "error:" in line), str(error).strip())
            raise DataError(
                f"LiteRT cannot say what this model computes ({reason[:200]}); --format saved_model can"
            ) from None
    return model


def _runner(path: Path, batch: int | None) -> Callable[[Mapping[str, Any]], dict[str, np.ndarray]]:
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(str(path))
        runner = interpreter.get_signature_runner("serving_default")
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"LiteRT does not run this model ({reason[:200]}); --format saved_model does") from None

    def run(inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        assert interpreter is not None  # it owns the model
        if batch is None:
            return dict(runner(**inputs))
        rows = len(next(iter(inputs.values())))
        parts = [runner(**{name: value[row : row + 1] for name, value in inputs.items()}) for row in range(rows)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return run


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep the converter's own lines off standard error, where they are written past Python."""
    saved = os.dup(2)
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
