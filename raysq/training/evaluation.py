"""Evaluate a run's best weights and its problem's baselines."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq.data.dataset import Dataset
from raysq.display import notebook
from raysq.display.numbers import metric
from raysq.errors import MissingPackageError
from raysq.problems.capabilities import EvaluationDetails, FurtherMetrics, GenerationMetrics, Thresholded
from raysq.training.best import best_weights
from raysq.training.open_trainer import open_trainer
from raysq.training.run import Run
from raysq.training.run_config import RunConfig, resolve_config
from raysq.training.runtime import configure

if TYPE_CHECKING:
    from raysq.training.trainer import Trainer


def evaluate(
    run: Run | str | Path,
    splits: tuple[str, ...] = ("val", "test"),
    *,
    gpu: bool = False,
    threads: int | None = None,
    trust: bool = False,
) -> dict[str, dict[str, float]]:
    """Evaluate a run's best weights and the problem's untrained baselines on the run's data set.

    Args:
        run: a run, its directory or its id.
        splits: splits to evaluate, among "train", "val" and "test". An empty test split is skipped if other splits
            are requested.
        gpu: whether to evaluate on a GPU. Defaults to False.
        threads: TensorFlow's threads. Defaults to all cores.
        trust: see `raysq.load`.

    Returns:
        Metrics (`val_loss`, `val_mae`, `val_mae_original`, ...) by model: the run's own, "baseline", and further
        baselines of the problem ("seasonal" for a forecast).

    Raises:
        DataError: the run has no finished epoch, or its data set has changed or is missing.

    Example:
        >>> raysq.evaluate(run, splits=("test",))
        {'gru': {'test_loss': ..., 'test_mae': ...}, 'baseline': {...}, 'seasonal': {...}}
    """
    return Metrics(evaluate_in_detail(run, splits, gpu=gpu, threads=threads, details=False, trust=trust)[0])


class Metrics(dict[str, dict[str, float]]):
    """Metrics by model, which notebooks show as a table with a row for each metric."""

    def _repr_html_(self) -> str:
        names = dict.fromkeys(name for metrics in self.values() for name in metrics)
        rows = [[name, *(metric(metrics.get(name)) for metrics in self.values())] for name in names]
        return notebook.table(["metric", *self], rows)


def evaluate_in_detail(
    run: Run | str | Path,
    splits: tuple[str, ...] = ("val", "test"),
    *,
    gpu: bool = False,
    threads: int | None = None,
    details: bool = True,
    trust: bool = False,
    on_message: Callable[[str], None] = warnings.warn,
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, Any]]]:
    """Evaluate as `evaluate` does, with details of the run's own model.

    Args:
        run, splits, gpu, threads, trust: see `evaluate`.
        details: whether to compute the details, which takes a second pass over the splits. Defaults to True.
        on_message: called with a message for each metric that cannot be computed, such as BLEU without its package,
            and for a damaged checkpoint. Defaults to a warning.

    Returns:
        The metrics by model, and the problem's details of the run's model by split. For a classifier the details are
        the confusion matrix, and precision, recall, F1 and support of each class. They are empty where the problem
        has none.

    Raises:
        DataError: see `evaluate`.
    """
    run = Run.of(run, trust=trust).with_best("an evaluation")
    weights = best_weights(run, on_message)
    config = _without_exact(run.config)
    dataset = run.open_dataset()
    configure(config.train_settings(), config.seed, gpu=gpu, threads=threads)
    problem = config.make_problem()
    messages: set[str] = set()
    trainer = open_trainer(Run(run.directory, config), dataset)
    trainer.restore(weights)
    if len(splits) > 1 and not len(trainer.splits["test"]):
        splits = tuple(split for split in splits if split != "test")  # a data set without a test split
    metrics = {config.model: _evaluate_model(config, trainer, dataset, splits, messages.add)}
    details_by_split: dict[str, dict[str, Any]] = {}
    if details and isinstance(problem, EvaluationDetails):
        details_by_split = _details(problem, trainer, splits)
    for name, settings in problem.baselines().items():
        if name != config.model:
            baseline = _baseline_config(config, name, dataset, settings)
            trainer = open_trainer(Run(run.directory, baseline), dataset)
            metrics[name] = _evaluate_model(baseline, trainer, dataset, splits, messages.add)
    for message in sorted(messages):
        on_message(message)
    return metrics, details_by_split


def _details(problem: EvaluationDetails, trainer: "Trainer", splits: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Return the details of each split. Thresholds are those of the validation split."""
    if not isinstance(problem, Thresholded):
        return {split: problem.evaluation_details(*trainer.predict(split)) for split in splits}
    validation = trainer.predict("val")
    chosen = problem.thresholds(*validation)
    return {
        split: problem.evaluation_details(*(validation if split == "val" else trainer.predict(split)), chosen)
        for split in splits
    }


def _evaluate_model(
    config: RunConfig,
    trainer: "Trainer",
    dataset: Dataset,
    splits: tuple[str, ...],
    on_missing_package: Callable[[str], None],
) -> dict[str, float]:
    """Return the metrics of a model on the splits, those of generated text and in original units included."""
    problem = config.make_problem()
    metrics: dict[str, float] = {}
    for split in splits:
        if isinstance(problem, GenerationMetrics):
            try:
                values = problem.generation_metrics(dataset, split, trainer.model)
                metrics |= {f"{split}_{name}": value for name, value in values.items()}
            except MissingPackageError as error:
                on_missing_package(str(error))
        metrics |= trainer.evaluate(split)
        if isinstance(problem, FurtherMetrics):
            values = problem.further_metrics(dataset, split, trainer.model)
            metrics |= {f"{split}_{name}": value for name, value in values.items()}
    return metrics | problem.denormalize_metrics(metrics)


def _without_exact(config: RunConfig) -> RunConfig:
    """Return the configuration without the exact mode, which promises the bits of training only."""
    if not config.train_settings().exact:
        return config
    return replace(config, settings={**config.settings, "training": {**config.settings["training"], "exact": 0}})


def _baseline_config(config: RunConfig, name: str, dataset: Dataset, settings: Mapping[str, Any]) -> RunConfig:
    """Return the configuration of a baseline: the run's settings of data and training, and its own."""
    sections = {section: values for section, values in config.sections() if section != "model"}
    same = {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}
    return resolve_config(config.task, name, dataset, config.seed, {**same, **settings})
