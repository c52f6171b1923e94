"""Models as TensorFlow's SavedModel, of prepared or of raw inputs."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from raysq.inference.formats.model_call import ModelCall
from raysq.inference.formats.tensorflow_graph import TensorFlowOps
from raysq.problems.signature import Graph, Signature

DESCRIPTION = Path("assets.extra", "signature.json")  # TensorFlow Serving leaves this folder alone


def write_prepared(model: Any, path: Path) -> Callable[[Any], Any]:
    """Write a SavedModel of prepared inputs, and return the model that is read back."""
    import tensorflow as tf

    model.export(path, format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(path)
    return lambda x: loaded.serve(x)  # the lambda keeps `loaded` alive, which owns the variables


def write_raw(
    call: ModelCall, signature: Signature, path: Path, description: Mapping[str, Any]
) -> Callable[[Mapping[str, Any]], dict[str, np.ndarray]]:
    """Write a SavedModel of raw inputs, and return its signature `serving_default`, read back."""
    import tensorflow as tf

    save_function(call, signature, path, TensorFlowOps())
    (path / DESCRIPTION).parent.mkdir()
    (path / DESCRIPTION).write_text(json.dumps(description, indent=1, ensure_ascii=False), encoding="utf-8")
    loaded = tf.saved_model.load(path)
    serve = loaded.signatures["serving_default"]

    def run(inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
        assert loaded is not None  # it owns the variables
        outputs = serve(**{name: tf.constant(value) for name, value in inputs.items()})
        return {name: _decoded(output.numpy()) for name, output in outputs.items()}

    return run


def save_function(call: ModelCall, signature: Graph, path: Path, ops: TensorFlowOps, batch: int | None = None) -> None:
    """Save the graph of a signature as a SavedModel with the endpoint `serve` and the signature `serving_default`.

    Args:
        call: the model.
        signature: raw inputs and outputs.
        path: folder to write.
        ops: operations of the format.
        batch: size of the batch, or None for any.
    """
    import tensorflow as tf

    specs = {info.name: tf.TensorSpec([batch, *info.shape], info.dtype, info.name) for info in signature.inputs}

    def trace(**inputs: Any) -> dict[str, Any]:
        return signature.trace(ops, inputs, call)

    module = tf.Module()
    module.serve = tf.function(trace, autograph=False)
    concrete = module.serve.get_concrete_function(**specs)
    module.tables = ops.tables
    module.weights = [variable.value for variable in call.model.variables]
    tf.saved_model.save(module, str(path), signatures={"serving_default": concrete})


def _decoded(array: np.ndarray) -> np.ndarray:
    """Return texts of TensorFlow, which are bytes, as texts."""
    if array.dtype != object:
        return array
    texts = np.empty(array.shape, object)
    texts[...] = np.vectorize(bytes.decode, otypes=[object])(array) if array.size else array
    return texts
