"""Collect the content of a run's report, computed once and cached in the run's directory."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raysq.config import setting_fields
from raysq.data.dataset import Dataset
from raysq.errors import DamagedError, DataError, RaysqError, TrustError, UsageError
from raysq.problems.charts import Section
from raysq.report.cached_model import CachedModel, ReportCache
from raysq.report.graph import Node, node_of, read_graph
from raysq.training.evaluation import evaluate_in_detail
from raysq.training.goal import best_record
from raysq.training.goodput import Attempt, read_attempts
from raysq.training.published import PublishedComparison, compare_published
from raysq.training.run import Run
from raysq.training.run_config import RunConfig, resolve_config
from raysq.training.run_files import EpochSamples
from raysq.training.settings import TrainSettings


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
        published: Published figures of the model, beside those of the run where it follows their protocol.
        samples: Samples of what the model makes, by epoch.
        attempts: Attempts at training the run, with their times. Empty for a run of an older raysq.
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
    published: list[PublishedComparison] = field(default_factory=list)
    samples: list[EpochSamples] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
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
        return best_record(self.records)


def analyze(run: Run, *, options: Mapping[str, Any] | None = None) -> Analysis:
    """Read, evaluate and predict the content of a run's report.

    Most of it is cached in the run's directory, so a second call is quick. Parts that fail are described in `missing`.

    Args:
        run: The run, in any state.
        options: Options of the problem's report.

    Raises:
        UsageError: If the problem rejects an option.
    """
    analysis = Analysis(run, run.state(), run.metrics(), run.result())
    valid = [option.setting for option in run.config.problem_class.report_options]
    for name in options or {}:
        if name not in valid:
            raise UsageError(f"the report of run {run.name}, {run.problem.noun}, has no option {name!r}: leave it out")
    cache = ReportCache(run)
    try:
        analysis.attempts = read_attempts(run)
    except DamagedError as error:
        analysis.missing.append(f"The goodput is left out: {error}")
    try:
        analysis.samples = run.samples()
    except DamagedError as error:
        analysis.missing.append(f"The samples by epoch are left out: {error}")
    try:
        analysis.dataset = _dataset(run.config)
        analysis.examples = {name: len(source) for name, source in run.problem.splits(analysis.dataset).items()}
    except RaysqError as error:
        analysis.missing.append(f"What needs the data set is left out: {error}")
    analysis.defaults = cache.keep("defaults", lambda: _defaults(run.config, analysis.dataset))
    if analysis.dataset is None:
        return analysis
    if not analysis.records:
        analysis.missing.append("The run has no finished epoch yet: what needs its weights is left out.")
        return analysis
    dataset = analysis.dataset
    try:
        measured = cache.keep("evaluation", lambda: _evaluated(run))
        analysis.evaluation = measured["metrics"]
        analysis.missing += measured["messages"]
        analysis.published = compare_published(run, dataset, analysis.metrics)
        model = CachedModel(run, dataset, cache)
        graph = cache.keep("graph", lambda: [node.to_json() for node in read_graph(model.keras)])
        analysis.graph = tuple(node_of(node) for node in graph)
        analysis.sections = run.problem.report(dataset, model, options or {})
        cache.save_arrays()
    except UsageError:
        raise
    except RaysqError as error:
        analysis.missing.append(f"What needs the model is left out: {error}")
        analysis.refused = str(error) if isinstance(error, TrustError) else ""
    return analysis


def _evaluated(run: Run) -> dict[str, Any]:
    """Return the metrics of a run, and messages about metrics that cannot be measured."""
    messages: list[str] = []
    metrics, _ = evaluate_in_detail(run, details=False, on_message=messages.append)
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
    owners: dict[str, Any] = {"data": config.problem_class.Settings, "training": TrainSettings}
    with contextlib.suppress(UsageError, TrustError):  # a user's model that is gone, has changed, or is untrusted
        owners["model"] = config.load_builder()
    plain = {
        section: {name: setting.default for name, setting in setting_fields(owner).items()}
        for section, owner in owners.items()
    }
    defaults: dict[str, dict[str, Any]] = json.loads(json.dumps(plain, default=str))
    return defaults


def differs(section: Mapping[str, Any], defaults: Mapping[str, Any], name: str) -> bool:
    """Whether a setting of a section differs from its default. A setting without a default never differs."""
    return name in defaults and section[name] != defaults[name]
