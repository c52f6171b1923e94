"""A run's model for its problem's report, whose results are cached in the run's directory."""

import contextlib
import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from raysq import __version__
from raysq.data.dataset import Dataset
from raysq.errors import DamagedError, SourceError
from raysq.problems.capabilities import Analyzed
from raysq.storage.array_files import read_arrays, write_arrays
from raysq.storage.atomic import atomic_write, write_json
from raysq.storage.json_files import read_json
from raysq.storage.trust import keyed_digest
from raysq.training.best import best_model
from raysq.training.run import Run

_VALUES, _ARRAYS = "report-cache.json", "report-predictions.npz"


class ReportCache:
    """Cache of computed values in the run's directory, invalidated when the run continues or raysq changes."""

    def __init__(self, run: Run):
        self._directory = run.directory
        digest = hashlib.sha256(f"{__version__} {run.config.may_import}".encode())
        for name in ("config.json", "metrics.jsonl", "result.json"):
            path = run.directory / name
            digest.update(path.read_bytes() if path.exists() else b"-")
        self._key = keyed_digest(digest.digest())  # a cache that another home wrote is not used
        self._values = self._read_values()
        self._changed = False

    def _read_values(self) -> dict[str, Any]:
        try:
            values = read_json(self._directory / _VALUES, dict[str, Any], "", missing={})
        except DamagedError:
            return {}  # the cache is rebuilt
        return values if values.get("key") == self._key else {}

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        if isinstance(sha256 := self._values.get(_ARRAYS), str):
            with contextlib.suppress(DamagedError):
                return read_arrays(self._directory / _ARRAYS, sha256)
        return {}

    def keep(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return the cached JSON value of the name, computing it if needed."""
        if name not in self._values:
            self._put(name, compute())
        return self._values[name]

    def _put(self, name: str, value: Any) -> None:
        self._values = {**self._values, "key": self._key, name: value}
        # The directory may not be writable: another user's, or a read-only share.
        with contextlib.suppress(SourceError):
            write_json(self._directory / _VALUES, self._values, durable=False)

    def keep_array(self, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the cached array of the name, computing it if needed."""
        if name not in self._arrays:
            self._arrays[name] = compute()
            self._changed = True
        return self._arrays[name]

    def keep_arrays(self, name: str, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return the cached arrays of the name by their own names, computing them if needed."""
        if name not in self._arrays:
            arrays = compute()
            self._arrays[name] = np.array(list(arrays), "U")
            self._arrays.update({f"{name}/{key}": array for key, array in arrays.items()})
            self._changed = True
        return {key: self._arrays[f"{name}/{key}"] for key in self._arrays[name].tolist()}

    def save_arrays(self) -> None:
        """Write the arrays to the run's directory if any was added."""
        if not self._changed:
            return
        with contextlib.suppress(SourceError):
            with atomic_write(self._directory / _ARRAYS, durable=False) as partial:
                sha256 = write_arrays(partial, self._arrays)
            self._put(_ARRAYS, sha256)


class CachedModel:
    """A run's model with its best weights; see `raysq.problems.base.ReportModel`.

    The model is built lazily: most reports find everything in the cache.
    """

    def __init__(self, run: Run, dataset: Dataset, cache: ReportCache):
        self._run = run
        self._dataset = dataset
        self._cache = cache

    @cached_property
    def keras(self) -> Any:
        """The Keras model."""
        from raysq.training.runtime import configure

        config = self._run.config
        configure(config.train_settings(), config.seed, gpu=False)
        return best_model(self._run, self._dataset)

    def predict(self, x: Any) -> Any:
        outputs = self._cache.keep_arrays(f"outputs-{_digest(x)}", lambda: self._outputs(x))
        return outputs[""] if list(outputs) == [""] else outputs

    def _outputs(self, x: Any) -> dict[str, np.ndarray]:
        """Return the outputs for a batch by name, "" for the only one."""
        values = self.keras.predict_on_batch(x)
        if isinstance(values, (list, tuple)):
            values = dict(zip(self.keras.output_names, values, strict=True))
        named = values if isinstance(values, dict) else {"": values}
        return {name: np.asarray(array, np.float32) for name, array in named.items()}

    def embedding(self) -> np.ndarray | None:
        array = self._cache.keep_array("embedding", self._embedding)
        return array if array.size else None

    def _embedding(self) -> np.ndarray:
        """Return the weights of the first Embedding layer, or an empty array if there is none."""
        tables = (getattr(layer, "embeddings", None) for layer in self.keras.layers)
        table = next((table for table in tables if table is not None), None)
        return np.empty(0) if table is None else np.asarray(table.numpy(), np.float32)

    def analysis(self) -> dict[str, Any]:
        problem = self._run.problem
        assert isinstance(problem, Analyzed)
        analysis: dict[str, Any] = self._cache.keep("analysis", lambda: problem.analysis(self._dataset, self.keras))
        return analysis

    def activations(self, x: np.ndarray) -> dict[str, np.ndarray]:
        return self._cache.keep_arrays(f"activations-{_digest(x)}", lambda: self._activations(x))

    def _activations(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return each layer's output for x by the layer's name, in order; empty for a subclassed model."""
        import keras

        try:
            inputs = self.keras.inputs
            outputs = {
                layer.name: layer.output
                for layer in self.keras.layers
                if isinstance(layer.output, keras.KerasTensor) and not isinstance(layer, keras.layers.InputLayer)
            }
        except (AttributeError, ValueError):
            return {}
        if not inputs or not outputs:
            return {}
        values = keras.Model(inputs, list(outputs.values())).predict_on_batch(x)
        arrays = values if isinstance(values, list) else [values]
        return {name: np.asarray(array, np.float32) for name, array in zip(outputs, arrays, strict=True)}


def _digest(x: Any) -> str:
    """Return a digest of an array, or of a dict of arrays."""
    digest = hashlib.sha256()
    for name, array in x.items() if isinstance(x, dict) else [("", x)]:
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data)
    return digest.hexdigest()
