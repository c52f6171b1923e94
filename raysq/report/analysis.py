"""Collect the content of a run's report, computed once and cached in the run's directory."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from raysq import __version__, problems
from raysq.config import setting_fields
from raysq.data.dataset import Dataset
from raysq.errors import DamagedError, DataError, RaysqError, SourceError, TrustError, UsageError
from raysq.problems.capabilities import Analyzed
from raysq.problems.charts import Section
from raysq.report.graph import Node, node_of, read_graph
from raysq.storage.array_files import read_arrays, write_arrays
from raysq.storage.atomic import atomic_write, write_json
from raysq.storage.json_files import read_json
from raysq.storage.trust import keyed_digest
from raysq.training import train
from raysq.training.best import best_model
from raysq.training.run import Run
from raysq.training.run_config import RunConfig, resolve_config
from raysq.training.settings import TrainSettings

_FILE, _PREDICTIONS = "report-cache.json", "report-predictions.npz"


@dataclass
class Analysis:
    """Content of a run's report.

    Attributes:
        run: The run.
        state: One of "finished", "running", "interrupted" and "new".
        records: One record per epoch, as in `metrics.jsonl`.
        result: The content of `result.json`, or None for an unfinished run.
        dataset: The data set the run was trained on, or None if it has changed or is gone.
        evaluation: Metrics by model, the run's own and the baselines. Empty if the run could not be evaluated.
        defaults: Default settings by section of the configuration.
        graph: The model's layers.
        sections: The problem's sections.
        examples: Number of examples by split.
        missing: A message for each part that is left out.
        refused: Why the code of an untrusted run was not imported. Empty if none was needed.
    """

    run: Run
    state: str
    records: list[dict[str, Any]]
    result: dict[str, Any] | None
    dataset: Dataset | None = None
    evaluation: dict[str, dict[str, float]] = field(default_factory=dict)
    defaults: dict[str, dict[str, Any]] = field(default_factory=dict)
    graph: tuple[Node, ...] = ()
    sections: list[Section] = field(default_factory=list)
    examples: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    refused: str = ""

    @property
    def config(self) -> RunConfig:
        """The run's configuration."""
        return self.run.config

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the best weights: the evaluated ones, or those that the run recorded."""
        measured = self.evaluation.get(self.config.model, {})
        if self.result is not None:
            return {**measured, **self.result["metrics"]}
        best = self.best
        written = {key: value for key, value in best.items() if key.startswith("val_")} if best else {}
        return {**written, **measured}

    @property
    def best(self) -> dict[str, Any] | None:
        """The record of the epoch with the lowest validation loss, or None before the first epoch."""
        return min(self.records, key=lambda record: record["val_loss"]) if self.records else None


def analyze(run: Run, *, detailed: bool = True, options: Mapping[str, Any] | None = None) -> Analysis:
    """Read, evaluate and predict the content of a run's report.

    Most of it is cached in the run's directory, so a second call is quick.

    Args:
        run: The run, in any state.
        detailed: Whether to include the problem's sections, which need predictions. Defaults to True.
        options: Options of the problem's report.

    Returns:
        The content. Parts that fail are described in `missing`.

    Raises:
        UsageError: If the problem rejects an option.
    """
    found = Analysis(run, run.state(), run.metrics(), run.result())
    valid = [option.setting for option in problems.get(run.config.problem).report_options]
    for name in options or {}:
        if name not in valid:
            raise UsageError(f"the report of run {run.name}, {run.problem.noun}, has no option {name!r}: leave it out")
    cache = _Cache(run)
    try:
        found.dataset = _dataset(run.config)
        found.examples = {name: len(source) for name, source in run.problem.splits(found.dataset).items()}
    except RaysqError as error:
        found.missing.append(f"What needs the data set is left out: {error}")
    found.defaults = cache.keep("defaults", lambda: _defaults(run.config, found.dataset))
    if found.dataset is None:
        return found
    if not found.records:
        found.missing.append("The run has no finished epoch yet: what needs its weights is left out.")
        return found
    dataset = found.dataset
    try:
        measured = cache.keep("evaluation", lambda: _evaluated(run))
        found.evaluation = measured["metrics"]
        found.missing += measured["messages"]
        model = _Weights(run, dataset)
        graph = cache.keep("graph", lambda: [node.to_json() for node in read_graph(model.keras)])
        found.graph = tuple(node_of(node) for node in graph)
        if detailed:
            found.sections = run.problem.report(dataset, _CachedModel(model, cache), options or {})
            cache.save_predictions()
    except UsageError:
        raise
    except RaysqError as error:
        found.missing.append(f"What needs the model is left out: {error}")
        found.refused = str(error) if isinstance(error, TrustError) else ""
    return found


def _evaluated(run: Run) -> dict[str, Any]:
    """Return the metrics of a run, and messages about metrics that cannot be measured."""
    messages: list[str] = []
    metrics, _ = train.examine(run, detailed=False, on_message=messages.append)
    return {"metrics": metrics, "messages": messages}


def _dataset(config: RunConfig) -> Dataset:
    dataset = Dataset.open(config.data)
    if dataset.fingerprint != config.fingerprint:
        raise DataError(f"{config.data} has changed since the run was trained on it")
    return dataset


def _defaults(config: RunConfig, dataset: Dataset | None) -> dict[str, dict[str, Any]]:
    """Return the default settings by section: those of the task, or else those of the problem."""
    source = config.source_digest, config.source_folder
    if dataset is not None:
        try:
            unchanged = resolve_config(
                config.task, config.model, dataset, config.seed, {}, source, trusted=config.may_import
            )
            return dict(unchanged.sections())
        except RaysqError:
            pass  # a task with required settings, such as the target of the user's own series
    owners: dict[str, Any] = {"data": problems.get(config.problem).Settings, "training": TrainSettings}
    with contextlib.suppress(UsageError, TrustError):  # a user's model that is gone, has changed, or is untrusted
        owners["model"] = config.load_builder()
    plain = {
        section: {name: setting.default for name, setting in setting_fields(owner).items()}
        for section, owner in owners.items()
    }
    defaults: dict[str, dict[str, Any]] = json.loads(json.dumps(plain, default=str))
    return defaults


class _Weights:
    """The run's model with its best weights, built lazily: most reports find everything in the cache."""

    def __init__(self, run: Run, dataset: Dataset):
        self._run = run
        self._dataset = dataset
        self._model: Any = None

    @property
    def keras(self) -> Any:
        if self._model is None:
            from raysq.training.worker import configure

            config = self._run.config
            configure(config.train_settings(), config.seed, gpu=False)
            self._model = best_model(self._run, self._dataset)
        return self._model

    def predict(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.keras.predict_on_batch(x), np.float32)

    def embedding(self) -> np.ndarray | None:
        """Return the weights of the first Embedding layer, or None if there is none."""
        tables = (getattr(layer, "embeddings", None) for layer in self.keras.layers)
        found = next((table for table in tables if table is not None), None)
        return None if found is None else np.asarray(found.numpy(), np.float32)

    def analysis(self) -> dict[str, Any]:
        problem = self._run.problem
        assert isinstance(problem, Analyzed)
        return problem.analysis(self._dataset, self.keras)

    def activations(self, x: np.ndarray) -> dict[str, np.ndarray]:
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
        found = keras.Model(inputs, list(outputs.values())).predict_on_batch(x)
        each = found if isinstance(found, list) else [found]
        return {name: np.asarray(values, np.float32) for name, values in zip(outputs, each, strict=True)}


class _CachedModel:
    """A run's model for its problem's report; see `raysq.problems.base.ReportModel`."""

    def __init__(self, weights: _Weights, cache: "_Cache"):
        self._weights = weights
        self._cache = cache
        self.predict = cache.remembered(weights.predict)
        self.activations = cache.every("activations", weights.activations)

    def embedding(self) -> np.ndarray | None:
        return self._cache.array("embedding", self._weights.embedding)

    def analysis(self) -> dict[str, Any]:
        analysis: dict[str, Any] = self._cache.keep("analysis", self._weights.analysis)
        return analysis


class _Cache:
    """Cache of computed values in the run's directory, invalidated when the run continues or raysq changes."""

    def __init__(self, run: Run):
        self._directory = run.directory
        digest = hashlib.sha256(f"{__version__} {run.config.may_import}".encode())
        for name in ("config.json", "metrics.jsonl", "result.json"):
            path = run.directory / name
            digest.update(path.read_bytes() if path.exists() else b"-")
        self._key = keyed_digest(digest.digest())  # a cache that another home wrote is not used
        self._values = self._read()
        self._predictions: dict[str, np.ndarray] = {}
        self._changed = False

    def _read(self) -> dict[str, Any]:
        try:
            values = read_json(self._directory / _FILE, dict[str, Any], "", missing={})
        except DamagedError:
            return {}  # the cache is rebuilt
        return values if values.get("key") == self._key else {}

    def keep(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return the cached value of the name, computing it if needed."""
        if name not in self._values:
            self._put(name, compute())
        return self._values[name]

    def _put(self, name: str, value: Any) -> None:
        self._values = {**self._values, "key": self._key, name: value}
        # The directory may not be writable: another user's, or a read-only share.
        with contextlib.suppress(SourceError):
            write_json(self._directory / _FILE, self._values, durable=False)

    def remembered(self, predict: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        """Wrap a function so that its results are cached by input."""
        if isinstance(sha256 := self._values.get(_PREDICTIONS), str):
            with contextlib.suppress(DamagedError):
                self._predictions = read_arrays(self._directory / _PREDICTIONS, sha256)

        def call(x: np.ndarray) -> np.ndarray:
            name = hashlib.sha256(np.ascontiguousarray(x).view(np.uint8).data).hexdigest()
            if name not in self._predictions:
                self._predictions[name] = predict(x)
                self._changed = True
            return self._predictions[name]

        return call

    def array(self, name: str, compute: Callable[[], np.ndarray | None]) -> np.ndarray | None:
        """Return the cached array of the name, computing it if needed. Call `remembered` first."""
        if name not in self._predictions:
            value = compute()
            self._predictions[name] = np.empty(0) if value is None else value
            self._changed = True
        found = self._predictions[name]
        return found if found.size else None

    def every(
        self, name: str, compute: Callable[[np.ndarray], dict[str, np.ndarray]]
    ) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        """Wrap a function that returns named arrays so that its results are cached by input.

        Call `remembered` first.
        """

        def call(x: np.ndarray) -> dict[str, np.ndarray]:
            prefix = f"{name}-{hashlib.sha256(np.ascontiguousarray(x).view(np.uint8).data).hexdigest()}"
            if prefix not in self._predictions:
                found = compute(x)
                self._predictions[prefix] = np.array(list(found), "U")
                self._predictions |= {f"{prefix}/{key}": values for key, values in found.items()}
                self._changed = True
            return {key: self._predictions[f"{prefix}/{key}"] for key in self._predictions[prefix].tolist()}

        return call

    def save_predictions(self) -> None:
        """Write the cached predictions to the run's directory."""
        if not self._changed:
            return

        with contextlib.suppress(SourceError):
            with atomic_write(self._directory / _PREDICTIONS, durable=False) as partial:
                sha256 = write_arrays(partial, self._predictions)
            self._put(_PREDICTIONS, sha256)


def differs(section: Mapping[str, Any], defaults: Mapping[str, Any], name: str) -> bool:
    """Whether a setting differs from its default.

    Args:
        section: Settings of a section of the configuration.
        defaults: Defaults of the section. A setting without a default never differs.
        name: Name of the setting.
    """
    return name in defaults and section[name] != defaults[name]
