"""End of training: measure the best epoch, export its model, and write the result."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from raysq.data.dataset import Dataset
from raysq.display.terminal import print_message
from raysq.errors import DamagedError, DataError
from raysq.storage.assets import write_assets
from raysq.storage.atomic import atomic_write
from raysq.training import checkpoint
from raysq.training.best import Weights, assign, best_checkpoint
from raysq.training.goodput import Goodput, read_attempts, summarize
from raysq.training.improvement import is_still_improving
from raysq.training.open_trainer import open_trainer
from raysq.training.run import Run
from raysq.training.state import TrainState

if TYPE_CHECKING:
    from raysq.training.trainer import Trainer

_NOT_METRICS = ("seconds", "learning_rate")


def finalize(run: Run, *, ended: str, dataset: Dataset | None = None) -> dict[str, float]:
    """Export a run that was stopped early: write `model.keras`, evaluate the test split, and write `result.json`.

    Call `configure` first.

    Args:
        run: a run with at least one finished epoch.
        ended: reason why training ended, such as "stopped early".
        dataset: data set of the run. Defaults to the one at `config.data`, which may not exist on this node.

    Returns:
        The metrics of the best epoch's weights.

    Raises:
        DataError: the run has no finished epoch.
    """
    last = checkpoint.load_last(run)
    if last is None:
        raise DataError(f"run {run.name} has no finished epoch yet: train it first")
    dataset = dataset or Dataset.open(run.config.data)
    trainer = open_trainer(run, dataset)
    metrics, epoch, weights = measure_best(run, trainer, test=True)
    export_model(run, dataset, weights)
    try:
        attempts = read_attempts(run)
    except DamagedError as error:
        attempts = []
        print_message(f"{error}; the goodput is left out")
    goodput = summarize(attempts) if attempts else None
    state, replicas = TrainState.from_json(last.state), [attempt.replicas for attempt in attempts]
    write_result(run, trainer, state, metrics, epoch, goodput=goodput, replicas=replicas, ended=ended)
    return metrics


def measure_best(
    run: Run, trainer: "Trainer", *, test: bool, on_message: Callable[[str], None] = print_message
) -> tuple[dict[str, float], int, Weights]:
    """Return the best epoch's metrics, its number and its weights; every worker must call this.

    Args:
        run: the run.
        trainer: its trainer, which takes the weights of the best epoch.
        test: whether to evaluate the test split too.
        on_message: called with a message where the best checkpoint is damaged.

    Raises:
        DataError: the checkpoints are damaged.
    """
    best = best_checkpoint(run, on_message)
    trainer.restore(best.variables)
    epoch, step = best.state["epoch"], best.state["step"]
    records = [record for record in run.metrics(epoch) if (record["epoch"], record["step"]) == (epoch, step)]
    if not records:  # the last checkpoint replaces a damaged best one
        raise DataError(f"the best checkpoint of run {run.name} is damaged, the last is of no epoch's end; use --fresh")
    metrics = {key: value for key, value in records[0].items() if isinstance(value, float) and key not in _NOT_METRICS}
    if test and len(trainer.splits["test"]):
        metrics |= trainer.evaluate("test")
    return metrics | run.config.make_problem().denormalize_metrics(metrics), epoch, best.variables


def export_model(run: Run, dataset: Dataset, weights: Weights) -> None:
    """Write `model.keras` with the given weights, the problem's assets, and the chart of the history.

    Call it outside of the strategy's scope, so that the model has plain variables and needs no other worker.
    """
    from raysq import layers
    from raysq.report.history import plot_history

    model = run.config.build(dataset)
    assign(model, weights)
    with atomic_write(run.directory / "model.keras") as partial:
        layers.to_keras(model).save(partial)
        if files := run.problem.asset_files(dataset):  # before `model.keras`, so that an existing model can be used
            write_assets(run.assets, files)
    plot_history(run.metrics(), run.directory / "history.png", title=run.name, synthetic=run.config.synthetic)


def write_result(
    run: Run,
    trainer: "Trainer",
    state: TrainState,
    metrics: dict[str, float],
    epoch: int,
    *,
    goodput: Goodput | None,
    replicas: list[int],
    ended: str = "finished",
) -> None:
    """Write `result.json` of a run whose best epoch has the given number and metrics.

    `replicas` are those of each attempt at training the run.
    """
    run.finish(
        {
            "metrics": metrics,
            "steps": state.step,
            "seconds": round(state.seconds, 3),
            "best_epoch": epoch,
            "epochs": state.epoch,
            "parameters": int(trainer.model.count_params()),
            "ended": ended,
            "still_improving": ended == "finished"
            and is_still_improving(run.metrics(), trainer.settings.epochs, state.step),
            "left_to_model": list(trainer.compilation.ignored_settings),
            **({} if goodput is None else {"goodput": goodput.to_json(), "replicas": replicas}),
        }
    )
