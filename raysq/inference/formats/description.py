"""Description of an exported model for people who use it without raysq: inputs, outputs, versions, an example."""

from importlib.metadata import version
from typing import Any

from raysq.problems.signature import Signature, TensorInfo
from raysq.training.run import Run

_PACKAGES = {
    "saved_model": ("tensorflow", "keras"),
    "onnx": ("tensorflow", "keras", "onnx", "tf2onnx"),
    "litert": ("tensorflow", "keras"),
}
_CALLS = {
    "saved_model": (
        "import tensorflow as tf",
        'model = tf.saved_model.load("saved_model").signatures["serving_default"]',
        "outputs = model({arguments})",
    ),
    "onnx": (
        "import numpy as np, onnxruntime",
        'model = onnxruntime.InferenceSession("model.onnx")',
        "values = model.run(None, {{{feeds}}})",
        "outputs = dict(zip([output.name for output in model.get_outputs()], values))",
    ),
    "litert": (
        "import numpy as np",
        "from ai_edge_litert.interpreter import Interpreter",
        'model = Interpreter("model.tflite").get_signature_runner("serving_default")',
        "outputs = model({arguments})",
    ),
}


def describe(run: Run, form: str, signature: Signature) -> dict[str, Any]:
    """Return the description of an exported model of raw inputs, JSON-ready."""
    from raysq import __version__

    return {
        "run": run.config.id,
        "task": run.config.task,
        "problem": run.problem.name,
        "model": run.config.model,
        "format": form,
        "inputs": [info.description() for info in signature.inputs],
        "outputs": [info.description() for info in signature.outputs],
        "notes": list(signature.notes),
        "example": _example(form, signature),
        "versions": {"raysq": __version__, **{name: version(name) for name in _PACKAGES[form]}},
    }


def _example(form: str, signature: Signature) -> str:
    """Return lines of Python that call the exported model."""
    values = {info.name: _value(form, info) for info in signature.inputs}
    arguments = ", ".join(f"{name}={value}" for name, value in values.items())
    feeds = ", ".join(f'"{name}": {value}' for name, value in values.items())
    return "\n".join(_CALLS[form]).format(arguments=arguments, feeds=feeds)


def _value(form: str, info: TensorInfo) -> str:
    """Return a batch of one value as Python."""
    shape = [1, *(4 if size is None else size for size in info.shape)]
    if info.dtype == "string":
        text = repr(str(next(iter(info.values), "a text")))
        return f"tf.constant([{text}])" if form == "saved_model" else f"np.array([{text}], object)"
    return f'{"tf" if form == "saved_model" else "np"}.zeros({shape}, "{info.dtype}")'
