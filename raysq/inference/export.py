"""Export a trained model to the formats of other programs. Every export is read back and compared before it is kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from raysq.config import nearest_name
from raysq.data.dataset import Dataset
from raysq.errors import RaysqError, UsageError
from raysq.inference.formats import keras_files, litert, onnx_file, prepared, saved_model
from raysq.inference.formats.description import describe
from raysq.inference.formats.model_call import ModelCall, example_input, flat_outputs
from raysq.inference.formats.verify import verify
from raysq.inference.predictor import Predictor
from raysq.problems.capabilities import RawExportable
from raysq.problems.signature import Signature
from raysq.storage.atomic import atomic_write
from raysq.storage.paths import validate_folder
from raysq.training.run import Run

Form = Literal["keras", "json", "saved_model", "onnx", "litert"]
Inputs = Literal["raw", "prepared"]
_NAMES = {
    "keras": "model.keras",
    "json": "model",
    "saved_model": "saved_model",
    "onnx": "model.onnx",
    "litert": "model.tflite",
}
_SIGNS = {"json": "architecture.json", "saved_model": "saved_model.pb"}  # files that mark an earlier export's folder
_OF_KERAS = ("keras", "json")  # forms of the model alone
_PREPARED: dict[str, Callable[[ModelCall, Path], Any]] = {
    "keras": lambda call, path: keras_files.write_keras(call.model, path),
    "json": lambda call, path: keras_files.write_json(call.model, path),
    "saved_model": lambda call, path: saved_model.write_prepared(call.model, path),
    "onnx": lambda call, path: onnx_file.write_prepared(call.model, path),
    "litert": litert.write_prepared,
}
_RAW = {"saved_model": saved_model.write_raw, "onnx": onnx_file.write_raw, "litert": litert.write_raw}


def export(
    run: Run | str | Path,
    form: str = "keras",
    output: str | Path | None = None,
    *,
    inputs: str | None = None,
    trust: bool = False,
) -> dict[str, Any]:
    """Export the model of a finished run.

    Args:
        run: a run, its directory or its id.
        form: "keras" (one file, as in the run), "json" (a folder with `architecture.json` and `model.weights.h5`),
            "saved_model" (a folder, TensorFlow's SavedModel with an endpoint `serve`), "onnx" (one file) or "litert"
            (one `.tflite` file).
        output: path to write to; RUN/exports/NAME if None. An existing file or a folder of an earlier export is
            replaced.
        inputs: "raw" for a model that takes what `predict` takes, and answers as it does: preparing the inputs and
            finishing the predictions is part of its graph. "prepared" for the model alone. Defaults to "raw", and to
            "prepared" for the forms "keras" and "json", which hold the model alone.
        trust: as for `raysq.load`.

    Returns:
        `run`, `form`, `inputs`, `output`, `bytes` and `layers`, the names of raysq's own layers in the model. If there
        are any, "keras" and "json" exports need `import raysq.layers` before they are loaded; otherwise Keras alone
        loads them. Raw inputs add `signature`, the description that is in the export as well, and `verified`: the
        number of `rows` that the export was compared with `predict` on, and the largest `difference`, of `output`.

    Raises:
        UsageError: if the form is unknown, the output cannot be used, or the run has no export of raw inputs.
        ResourceError: if packages for ONNX or LiteRT are missing.
        DataError: if the run has no model, or the form cannot express the model.
        SourceError: if the output cannot be written.

    Example:
        >>> raysq.export(run, "onnx", "model.onnx")["output"]
        'model.onnx'
    """
    form, inputs = _checked(form, inputs)
    run = Run.of(run, trust=trust)
    target = _target(run, form, output)
    if form == "onnx":
        onnx_file.require_packages()
    if form == "litert":
        litert.require_packages()
    predictor = Predictor(run)
    signature = _signature(predictor, form) if inputs == "raw" else None
    model = predictor.model
    x = example_input(model)
    call = ModelCall(model, model(x))  # Keras exports to some forms only models that were called
    result: dict[str, Any] = {"run": str(run.directory), "form": form, "inputs": inputs, "output": str(target)}
    with atomic_write(target, "choose another --output") as partial:
        if signature is None:
            prepared.check(_PREPARED[form](call, partial), x, flat_outputs(call.example), form)
        else:
            result["signature"] = describe(run, form, signature)
            loaded = _RAW[form](call, signature, partial, result["signature"])
            rows = signature.samples(_dataset(run))
            expected = signature.expected(rows, predictor.predict_table(rows))
            result["verified"] = verify(loaded, signature.feed(rows), expected, signature)
    files = [target] if target.is_file() else [path for path in target.rglob("*") if path.is_file()]
    result["bytes"] = sum(path.stat().st_size for path in files)
    layers = {type(layer).__name__ for layer in _layers(model) if type(layer).__module__[:6] == "raysq."}
    return {**result, "layers": sorted(layers)}


def _checked(form: str, inputs: str | None) -> tuple[str, str]:
    """Return form and inputs, or raise UsageError for unknown ones."""
    for name, value, valid in (("form", form, get_args(Form)), ("inputs", inputs, get_args(Inputs))):
        if value is not None and value not in valid:
            raise UsageError(f"unknown {name} {value!r}: {nearest_name(value, valid)}")
    if form in _OF_KERAS and inputs == "raw":
        raise UsageError(
            f"form {form!r} holds the model alone, which takes prepared inputs: raw inputs are for " + ", ".join(_RAW)
        )
    return form, inputs or ("prepared" if form in _OF_KERAS else "raw")


def _target(run: Run, form: str, output: str | Path | None) -> Path:
    """Return the path to write to, or raise UsageError if it cannot be used."""
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
    return target


def _signature(predictor: Predictor, form: str) -> Signature:
    """Return the signature of raw inputs, or raise UsageError with the reason why there is none."""
    hint = "--inputs prepared exports the model alone"
    problem = predictor.problem
    if not isinstance(problem, RawExportable):
        raise UsageError(f"problem {problem.name} has no graph of raw inputs", hint)
    try:
        return problem.signature(form != "litert")
    except UsageError as error:
        raise UsageError(error.message, error.hint or hint) from None


def _dataset(run: Run) -> Dataset | None:
    """Return the data set of a run if it is there, and still the same."""
    try:
        dataset = Dataset.open(run.config.data)
    except RaysqError:
        return None
    return dataset if dataset.fingerprint == run.config.fingerprint else None


def _layers(model: Any) -> list[Any]:
    found = []
    for layer in model.layers:
        inner = getattr(layer, "layers", None) or [getattr(layer, name) for name in ("layer",) if hasattr(layer, name)]
        found += [layer, *inner]
    return found
