"""Work of each worker of a run, alone or in a group: build, restore, train, save, export."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysq import backend
from raysq.data.dataset import Dataset
from raysq.errors import DataError, Interrupted, ResourceError, UsageError
from raysq.storage.assets import write_assets
from raysq.storage.atomic import atomic_write
from raysq.training import checkpoint
from raysq.training.best import assign
from raysq.training.run import Run
from raysq.training.run_config import RunConfig
from raysq.training.saved import build_as_trained, check_saveable
from raysq.training.settings import OPTIMIZER_SETTINGS, TrainSettings
from raysq.training.state import TrainState
from raysq.training.user_code import is_own, user_errors, user_loop


@dataclass
class Hooks:
    """Callbacks of a training backend.

    Attributes:
        on_progress: called after every call of compiled steps with the state, the loss, and the steps of an epoch.
        on_epoch: called with each epoch's record.
        should_stop: called after every call of compiled steps. If it returns True, the state is saved and
            `Interrupted` is raised.
        whole: called at the end of training. If it returns True, the run is evaluated on the test split and
            `model.keras` is exported. A trial that is not the best of its search needs neither. The result must be
            the same on all workers of a group.
        board: whether to write scalars for TensorBoard.
    """

    on_progress: Callable[[TrainState, float, int], None] = lambda state, loss, steps: None
    on_epoch: Callable[[dict[str, Any]], None] = lambda record: None
    should_stop: Callable[[], bool] = lambda: False
    whole: Callable[[], bool] = lambda: True
    board: bool = True


def configure(settings: TrainSettings, seed: int, *, gpu: bool, threads: int | None = None) -> None:
    """Configure TensorFlow in this process: devices, threads, determinism, precision, seeds.

    Args:
        settings: training settings.
        seed: seed of Keras, NumPy and Python's random generators.
        gpu: whether to use GPUs; if False, they are hidden from TensorFlow.
        threads: TensorFlow's threads. Defaults to all cores.

    Raises:
        ResourceError: a GPU is requested and TensorFlow finds none.
        UsageError: TensorFlow already runs in this process with another number of threads.
    """
    backend.load()
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpu and not gpus:
        raise ResourceError("--gpu was asked for and TensorFlow sees no GPU here: install raysq[gpu], or leave it out")
    try:
        if not gpu:
            tf.config.set_visible_devices([], "GPU")
        for device in gpus if gpu else []:
            tf.config.experimental.set_memory_growth(device, True)
        if threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(max(1, min(2, threads)))
    except RuntimeError:
        if threads and tf.config.threading.get_intra_op_parallelism_threads() != threads:
            raise UsageError("--threads cannot change in a process where TensorFlow already runs") from None
    keras.utils.clear_session()
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(settings.precision)
    keras.utils.set_random_seed(seed)


def strategy(workers: int, gpu: bool) -> Any:
    """Return the distribution strategy of this worker, or None for a single process with one device.

    Args:
        workers: number of workers of the group.
        gpu: whether workers use GPUs.
    """
    import tensorflow as tf

    if workers > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if gpu and len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return None


def open_program(run: Run, dataset: Dataset) -> Any:
    """Build the run's model and its trainer. Call it inside the strategy's scope.

    Args:
        run: the run.
        dataset: data set of the run.

    Returns:
        A `raysq.training.trainer.Trainer`.

    Raises:
        UsageError: the model cannot be built or trained, or settings were given that have no effect on it.
    """
    from raysq.training.trainer import Trainer

    config = run.config
    problem = config.make_problem()
    with user_errors(config.model, "cannot be trained", everything=True):
        model = build_as_trained(run, dataset)
        splits = problem.splits(dataset)
        spec = config.model_spec()
        program = Trainer(
            model, splits, config.train_settings(), config.seed, problem.objective(), spec.xla, config.model
        )
    refuse_idle(config, program.compilation.own_optimizer)
    return program


def idle_settings(config: RunConfig, dataset: Dataset) -> tuple[str, ...]:
    """Return the names of training settings without effect on a model, because it is compiled with its own optimizer.

    A search leaves them out of its space and refuses them if the user requests them. To find out, the function of the
    user's model is called in this process on the CPU. No model of raysq is compiled.

    Args:
        config: configuration of any run of the model.
        dataset: data set of the run.

    Returns:
        The names. They are empty if the model cannot be built with these settings, since it may be built with others.
        Each trial refuses such settings too.
    """
    if not is_own(config.model):
        return ()
    configure(config.train_settings(), config.seed, gpu=False)
    from raysq.training.validation import call_builder

    inputs = config.make_problem().input_spec(dataset)
    try:
        model = call_builder(config.model, config.load_builder(), inputs, config.settings["model"])
    except UsageError:
        return ()
    return left_to_optimizer(config, bool(getattr(model, "compiled", False)))


def left_to_optimizer(config: RunConfig, own: bool) -> tuple[str, ...]:
    """Return the names of settings that a model's own optimizer decides.

    Args:
        config: configuration of the run.
        own: whether the model is compiled with its own optimizer. If False, the result is empty.
    """
    return OPTIMIZER_SETTINGS if own else ()


def refuse_idle(config: RunConfig, own: bool) -> None:
    """Refuse given settings that a model's own optimizer decides.

    Args:
        config: configuration of the run.
        own: whether the model is compiled with its own optimizer.

    Raises:
        UsageError: such settings were given.
    """
    idle = [name for name in left_to_optimizer(config, own) if name in config.given]
    if idle:
        raise UsageError(
            f"model {config.model!r} comes compiled, so its own optimizer decides {', '.join(idle)}: leave "
            f"{'it' if len(idle) == 1 else 'them'} out, or make a keyword of the function of {idle[0]} "
            f"(build(inputs, *, {idle[0]}=...), --set model.{idle[0]}=...), or do not compile the model"
        )


def work(
    run: Run,
    distribution: Any,
    hooks: Hooks,
    *,
    chief: bool = True,
    dataset: Dataset | None = None,
    opener: Callable[[Run, Dataset], Any] = open_program,
) -> dict[str, float]:
    """Train a run to its end, from its last checkpoint if it has one. Call `configure` first.

    Args:
        run: the run.
        distribution: distribution strategy, or None.
        hooks: callbacks of the training backend.
        chief: whether this worker writes files. Defaults to True.
        dataset: data set of the run. Defaults to the one at `config.data`, which may not exist on this node.
        opener: function that returns the run's trainer. Defaults to `open_program`; `CompiledCache.open` reuses
            trainers.

    Returns:
        The metrics of the best epoch's weights.

    Raises:
        Interrupted: `should_stop` returned True. The state is saved.
        TrainingError: the loss is not finite.
    """
    from raysq.training.loop import fit

    dataset = dataset or Dataset.open(run.config.data)
    with distribution.scope() if distribution is not None else nullcontext():
        program = opener(run, dataset)
        state = TrainState()
        lost: list[str] = []
        saved = checkpoint.load_last(run, lost.append)
        if saved is None and run.config.source_digest:
            check_saveable(program.model, run.config.model)
        if saved is not None:
            program.restore(saved[0])
            state = TrainState.from_json(saved[1])
            run.metrics(state.epoch)  # raise an error of damaged metrics now, before hours of training

        def save(*places: Path) -> None:
            values = program.snapshot()  # on every worker: metrics are summed over them
            if chief:
                for place in places:
                    checkpoint.save(place, values, state.to_json())

        def on_chunk(state: TrainState, loss: float) -> None:
            hooks.on_progress(state, loss, program.steps_per_epoch)
            if hooks.should_stop():
                save(run.last)
                raise Interrupted(
                    f"stopped at step {state.step:,} of {program.total_steps:,}; the same command continues there"
                )
            if program.settings.checkpoint_steps and state.step % program.settings.checkpoint_steps == 0:
                save(run.last)

        if lost:
            save(run.last)  # replace the damaged checkpoint
            if chief:
                checkpoint.say(lost[0])
        log = _TensorBoard(run) if chief and hooks.board else None
        for record in user_loop(run.config.model, fit(program, state, on_chunk)):
            if chief:
                run.append(record)
            if log is not None:
                log.write(record)
            # Save the best checkpoint first: after a crash between the two, the epoch is repeated and compared again.
            save(*([run.best] if record["best"] else []), run.last)
            hooks.on_epoch(record)

        program.barrier()  # wait until the chief has written the checkpoints
        whole = hooks.whole()
        with user_errors(run.config.model, "fails when it is evaluated"):
            metrics, epoch, values = _measure(run, program, whole, chief)
    if chief:
        _finish(run, program, state, dataset, metrics, epoch, values if whole else None)
    return metrics


def conclude(run: Run, *, ended: str, dataset: Dataset | None = None) -> dict[str, float]:
    """Export a run that was stopped early: write `model.keras`, evaluate the test split, and write `result.json`.

    Call `configure` first.

    Args:
        run: a run with at least one finished epoch.
        ended: reason why training ended, such as "stopped early".
        dataset: see `work`.

    Returns:
        The metrics of the best epoch's weights.

    Raises:
        DataError: the run has no finished epoch.
    """
    last = checkpoint.load_last(run)
    if last is None:
        raise DataError(f"run {run.name} has no finished epoch yet: train it first")
    dataset = dataset or Dataset.open(run.config.data)
    program = open_program(run, dataset)
    metrics, epoch, values = _measure(run, program, True, True)
    _finish(run, program, TrainState.from_json(last[1]), dataset, metrics, epoch, values, ended=ended)
    return metrics


def _keep_quiet(message: str) -> None:
    """Ignore a message that the chief prints."""


def _measure(run: Run, program: Any, whole: bool, chief: bool) -> tuple[dict[str, float], int, Mapping[str, Any]]:
    """Return the best epoch's metrics, its number and its weights; every worker must call this."""
    config = run.config
    best = checkpoint.load_best(run, checkpoint.say if chief else _keep_quiet)
    if best is None:
        raise DataError(f"the best checkpoint of run {run.name} is gone; --fresh starts anew")
    program.restore(best[0])
    epoch, step = best[1]["epoch"], best[1]["step"]
    record = next((one for one in run.metrics(epoch) if one["epoch"] == epoch and one["step"] == step), None)
    if record is None:  # the last checkpoint replaces a damaged best one
        raise DataError(f"the best checkpoint of run {run.name} is damaged, the last is of no epoch's end; use --fresh")
    metrics = {key: value for key, value in record.items() if isinstance(value, float) and key not in _NOT_METRICS}
    if whole and len(program.splits["test"]):
        metrics |= program.evaluate("test")
    return metrics | config.make_problem().denormalize_metrics(metrics), epoch, best[0]


def _finish(
    run: Run,
    program: Any,
    state: TrainState,
    dataset: Dataset,
    metrics: dict[str, float],
    epoch: int,
    values: Mapping[str, Any] | None,
    *,
    ended: str = "finished",
) -> None:
    """Write the result and, if weights are given, the model; on the chief, outside of the strategy's scope."""
    if values is not None:
        _export(run, dataset, values)
    run.finish(
        {
            "metrics": metrics,
            "steps": state.step,
            "seconds": round(state.seconds, 3),
            "best_epoch": epoch,
            "epochs": state.epoch,
            "parameters": int(program.model.count_params()),
            "ended": ended,
            "left_to_model": list(left_to_optimizer(run.config, program.compilation.own_optimizer)),
        }
    )


_NOT_METRICS = ("seconds", "learning_rate")


def _export(run: Run, dataset: Dataset, values: Mapping[str, Any]) -> None:
    """Write `model.keras` with the best weights, the problem's assets, and the chart of the history."""
    from raysq import layers
    from raysq.report.history import plot_history

    # Build the model outside of the strategy's scope, so that it has plain variables and needs no other worker.
    model = run.config.build(dataset)
    assign(model, values)
    with atomic_write(run.directory / "model.keras") as partial:
        layers.to_keras(model).save(partial)
        if files := run.problem.asset_files(dataset):  # before `model.keras`, so that an existing model can be used
            write_assets(run.assets, files)
    plot_history(run.metrics(), run.directory / "history.png", title=run.name, synthetic=run.config.synthetic)


class _TensorBoard:
    """Writer of each epoch's scalars for TensorBoard, in RUN/tensorboard."""

    def __init__(self, run: Run):
        import tensorflow as tf

        self._writer = tf.summary.create_file_writer(str(run.directory / "tensorboard"))

    def write(self, record: Mapping[str, Any]) -> None:
        import tensorflow as tf

        with self._writer.as_default(step=record["epoch"]):
            for name, value in record.items():
                if isinstance(value, float):
                    tf.summary.scalar(name, value)
        self._writer.flush()
