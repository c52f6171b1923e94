"""Export a trained model to the formats of other programs. Every export is read back and compared before it is kept."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from raysq.config import nearest_name
from raysq.errors import DataError, ResourceError, UsageError
from raysq.inference.predictor import Predictor
from raysq.storage.atomic import atomic_write
from raysq.storage.paths import validate_folder
from raysq.training.run import Run

Form = Literal["keras", "json", "saved_model", "onnx"]
_NAMES = {"keras": "model.keras", "json": "model", "saved_model": "saved_model", "onnx": "model.onnx"}
_SIGNS = {"json": "architecture.json", "saved_model": "saved_model.pb"}  # files that mark an earlier export's folder
_TOLERANCE = 1e-4
_ROWS, _WIDTH = 2, 8  # shape of the test input; the width applies to dimensions of any size


def export(
    run: Run | str | Path, form: str = "keras", output: str | Path | None = None, *, trust: bool = False
) -> dict[str, Any]:
    """Export the model of a finished run.

    Args:
        run: a run, its directory or its id.
        form: "keras" (one file, as in the run), "json" (a folder with `architecture.json` and `model.weights.h5`),
            "saved_model" (a folder, TensorFlow's SavedModel with an endpoint `serve`) or "onnx" (one file).
        output: path to write to; RUN/exports/NAME if None. An existing file or a folder of an earlier export is
            replaced.
        trust: as for `raysq.load`.

    Returns:
        `run`, `form`, `output`, `bytes` and `layers`, the names of raysq's own layers in the model. If there are any,
        "keras" and "json" exports need `import raysq.layers` before they are loaded; otherwise Keras alone loads them.

    Raises:
        UsageError: if the form is unknown, or the output cannot be used.
        ResourceError: if packages for ONNX are missing.
        DataError: if the run has no model, or the form cannot express the model.
        SourceError: if the output cannot be written.

    Example:
        >>> raysq.export(run, "onnx", "model.onnx")["output"]
        'model.onnx'
    """
    forms = get_args(Form)
    if form not in forms:
        raise UsageError(f"unknown form {form!r}: {nearest_name(form, forms)}")
    run = Run.of(run, trust=trust)
    target = run.directory / "exports" / _NAMES[form] if output is None else Path(output)
    ending = Path(_NAMES[form]).suffix
    if ending and target.is_dir():
        target = target / _NAMES[form]
    if ending and target.suffix != ending:
        raise UsageError(f"--output of form {form!r} must end in {ending}, received {str(output)!r}")
    if output is not None:
        validate_folder(target)
    if target.is_dir() and any(target.iterdir()) and not (target / _SIGNS.get(form, "")).is_file():
        raise UsageError(
            f"--output: the folder {str(target)!r} holds other things than an earlier export, which it would replace: "
            "name a new folder"
        )
    if form == "onnx":
        _need_onnx()
    model = Predictor(run).model
    x = _some_input(model)
    wanted = _flat(model(x))  # first: Keras exports to some forms only models that were called
    with atomic_write(target, "choose another --output") as partial:
        _check(_WRITERS[form](model, partial), x, wanted, form)
    files = [target] if target.is_file() else [path for path in target.rglob("*") if path.is_file()]
    return {
        "run": str(run.directory),
        "form": form,
        "output": str(target),
        "bytes": sum(path.stat().st_size for path in files),
        "layers": sorted({type(layer).__name__ for layer in _layers(model) if type(layer).__module__[:6] == "raysq."}),
    }


Call = Callable[[Any], Any]


def _keras(model: Any, path: Path) -> Call:
    import keras

    model.save(path)
    loaded: Call = keras.models.load_model(path)
    return loaded


def _json(model: Any, path: Path) -> Call:
    import keras

    path.mkdir()
    (path / "architecture.json").write_text(model.to_json(indent=1), encoding="utf-8")
    model.save_weights(path / "model.weights.h5")
    loaded: Any = keras.models.model_from_json((path / "architecture.json").read_text(encoding="utf-8"))
    loaded.load_weights(path / "model.weights.h5")
    call: Call = loaded
    return call


def _saved_model(model: Any, path: Path) -> Call:
    import tensorflow as tf

    model.export(path, format="tf_saved_model", verbose=False)
    again = tf.saved_model.load(path)
    return lambda x: again.serve(x)  # the lambda keeps `again` alive, which owns the variables


def _onnx(model: Any, path: Path) -> Call:
    # The converter only logs what it cannot convert; the checker below raises.
    import logging

    import onnx
    import onnxruntime

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # from Keras's own code
        model.export(path, format="onnx", verbose=False)
    try:
        onnx.checker.check_model(str(path), full_check=True)
        session = onnxruntime.InferenceSession(str(path))
    except Exception as error:  # onnx and onnxruntime raise classes of their own
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"ONNX cannot say what this model computes ({reason}); --format saved_model can") from None
    names = [one.name for one in session.get_inputs()]

    def call(x: Any) -> Any:
        return session.run(None, dict(zip(names, _flat_inputs(model, x), strict=True)))

    return call


_WRITERS: dict[str, Callable[[Any, Path], Call]] = {
    "keras": _keras,
    "json": _json,
    "saved_model": _saved_model,
    "onnx": _onnx,
}


def _some_input(model: Any) -> Any:
    source = np.random.RandomState(0)

    def made(tensor: Any) -> np.ndarray:
        shape = [_ROWS, *(_WIDTH if size is None else size for size in tensor.shape[1:])]
        drawn = source.randint(0, 2, shape) if "int" in tensor.dtype else source.rand(*shape)
        return np.asarray(drawn, tensor.dtype)

    import keras

    return made(model.inputs[0]) if len(model.inputs) == 1 else keras.tree.map_structure(made, model.input)


def _flat_inputs(model: Any, x: Any) -> list[Any]:
    """Return the inputs in the order of the model's own."""
    return [x[tensor.name] for tensor in model.inputs] if isinstance(x, dict) else x if isinstance(x, list) else [x]


def _flat(outputs: Any) -> list[np.ndarray]:
    """Return one or more outputs of a model as arrays, those of a dict in the order of their names."""
    if isinstance(outputs, dict):
        outputs = [outputs[name] for name in sorted(outputs)]
    parts = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return [np.asarray(part, np.float32) for part in parts]


def _check(again: Call, x: Any, wanted: list[np.ndarray], form: str) -> None:
    """Raise DataError if the model that was read back computes something else."""
    try:
        predictions = _flat(again(x))
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"the model in form {form!r} does not run when it is read back ({reason})") from None
    same = len(predictions) == len(wanted) and all(
        found.shape == right.shape and np.allclose(found, right, rtol=_TOLERANCE, atol=_TOLERANCE)
        for found, right in zip(predictions, wanted, strict=True)
    )
    if not same:
        raise DataError(f"the model in form {form!r} computes something else when it is read back; nothing is kept")


def _layers(model: Any) -> list[Any]:
    found = []
    for layer in model.layers:
        inner = getattr(layer, "layers", None) or [getattr(layer, name) for name in ("layer",) if hasattr(layer, name)]
        found += [layer, *inner]
    return found


def _need_onnx() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("onnx", "tf2onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ResourceError(f"--format onnx needs {', '.join(missing)}: pip install 'raysq[onnx]'")
