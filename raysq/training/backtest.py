"""Rolling-origin backtest: train and test the same model on successive folds in time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from raysq import problems, tasks
from raysq.data.dataset import Dataset
from raysq.display.in_notebook import hides_progress
from raysq.errors import DataError, UsageError
from raysq.problems.capabilities import Backtestable
from raysq.training.evaluation import evaluate
from raysq.training.presets import with_preset
from raysq.training.train import resolve, train
from raysq.training.worker_range import WorkerRange


@dataclass(frozen=True)
class Backtest:
    """Result of a backtest.

    Attributes:
        folds: one dictionary per fold with its `split`, its `run` directory, and its `metrics`. The metrics are those
            of the test rows, by model: the run's model and the baselines.
        models: the run's model, then the baselines.
        synthetic: whether the data are the built-in sample.
    """

    folds: list[dict[str, Any]]
    models: list[str]
    synthetic: bool

    def summary(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return the `mean` and the `std` over the folds for each model and metric; `std` is None for one fold."""
        summary: dict[str, dict[str, dict[str, Any]]] = {}
        for model in self.models:
            summary[model] = {}
            for name in self.folds[0]["metrics"][model]:
                values = [fold["metrics"][model][name] for fold in self.folds]
                summary[model][name] = {"mean": fmean(values), "std": stdev(values) if len(values) > 1 else None}
        return summary


def backtest(
    task: str,
    *,
    folds: int = 4,
    data: str | Path | Dataset | None = None,
    model: str | Callable[..., Any] | None = None,
    workers: int | tuple[int, int] | WorkerRange = 1,
    gpu: bool = False,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    preset: str | None = None,
    threads: int | None = None,
    fresh: bool = False,
    quiet: bool | None = None,
    trust: bool = False,
    on_fold: Callable[[int, dict[str, Any]], None] = lambda number, fold: None,
) -> Backtest:
    """Train a model on each fold of a rolling origin and test it on the rows that follow.

    The test rows of the split are cut into `folds` consecutive blocks. Each fold tests on one block. The rows before
    the block are its validation rows, as many as in the split. All earlier rows are its training rows. Every fold is
    a separate run named `backtest-...`, so the same call continues an interrupted backtest.

    Args:
        task: name of a task.
        folds: number of folds, at least 1. Defaults to 4.
        data, model, workers, gpu, seed, settings, preset, threads, quiet, trust: see `train`.
        fresh: whether to discard earlier progress of the folds' runs.
        on_fold: called with each fold's number, counted from 1, and its entry of `Backtest.folds`.

    Returns:
        The folds with their metrics.

    Raises:
        UsageError: the problem's examples have no order in time, or a name is unknown.
        DataError: a fold is too short for a window.

    Example:
        >>> raysq.backtest("jena", folds=4, model="gru").summary()["gru"]["test_mae"]
        {'mean': ..., 'std': ...}
    """
    if folds < 1:
        raise UsageError(f"--folds must be at least 1, received {folds}")
    problem_class = problems.get(tasks.get(task).problem)
    if not issubclass(problem_class, Backtestable):  # before any data are prepared
        raise UsageError(
            f"task {task!r} gives {problem_class.noun}, whose examples have no order in time to backtest on; tasks "
            f"that have: {', '.join(tasks.names_with(Backtestable))}"
        )
    quiet = hides_progress(quiet)
    settings = with_preset(settings, preset)
    config = resolve(task, data=data, model=model, seed=seed, settings=settings, validate_splits=False, quiet=quiet)
    problem = config.make_problem()
    assert isinstance(problem, Backtestable)
    dataset = Dataset.open(config.data)
    splits = [{**settings, **split} for split in problem.folds(dataset, folds)]
    for number, values in enumerate(splits, 1):  # validate all folds before the first one is trained
        fold = resolve(task, data=config.data, model=config.model, seed=seed, settings=values, validate_splits=False)
        if not len(fold.make_problem().splits(dataset)["test"]):
            raise DataError(f"fold {number} of {folds} ({values['split']}) has no room for a window: lower --folds")
    results = []
    for number, values in enumerate(splits, 1):
        run = train(
            task,
            data=config.data,
            model=config.model,
            workers=workers,
            gpu=gpu,
            seed=seed,
            settings=values,
            threads=threads,
            name=f"backtest-{config.id}-{number}of{folds}",
            fresh=fresh,
            quiet=quiet,
            trust=trust,
        )
        metrics = evaluate(run, ("test",), gpu=gpu, threads=threads)
        results.append({"split": values["split"], "run": str(run.directory), "metrics": metrics})
        on_fold(number, results[-1])
    models = [name for name in results[0]["metrics"] if all(name in fold["metrics"] for fold in results)]
    return Backtest(results, models, config.synthetic)
