"""What every worker of a run does, alone or in a group: build, continue, train, keep, conclude."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysq import backend, problems
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
    """What an adapter adds.

    Attributes:
        on_progress: called after every call of compiled steps: state, loss, steps of an epoch.
        on_epoch: called with each epoch's record.
        should_stop: asked after every call of compiled steps; true saves and ends with `Interrupted`.
        whole: asked at the end: whether the run gets its figures on the test split and its `model.keras`. A trial that
            is not the best of its search needs neither. All workers of a group must say the same.
        board: whether scalars are written for TensorBoard.
    """

    on_progress: Callable[[TrainState, float, int], None] = lambda state, loss, steps: None
    on_epoch: Callable[[dict[str, Any]], None] = lambda record: None
    should_stop: Callable[[], bool] = lambda: False
    whole: Callable[[], bool] = lambda: True
    board: bool = True


def configure(settings: TrainSettings, seed: int, *, gpu: bool, threads: int | None = None) -> None:
    """Prepares TensorFlow in this process: devices, threads, determinism, precision, seeds.

    Raises:
        ResourceError: GPUs were asked for and TensorFlow sees none.
        UsageError: threads differ from those TensorFlow already runs with.
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
    """The strategy of this worker, or None for a plain process with one device."""
    import tensorflow as tf

    if workers > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if gpu and len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return None


def open_program(run: Run, dataset: Dataset) -> Any:
    """Builds the run's model and its compiled program; inside the strategy's scope.

    Raises:
        UsageError: the model cannot be built or trained, or settings were given that cannot act on it.
    """
    from raysq.training.trainer import Trainer

    config = run.config
    settings = config.example_settings()
    with user_errors(config.model, "cannot be trained", everything=True):
        model = build_as_trained(run, dataset)
        splits = settings.open(dataset)
        objective = problems.get(config.problem).objective(config.facts, settings)
        spec = config.model_spec()
        program = Trainer(model, splits, config.train_settings(), config.seed, objective, spec.xla, config.model)
    refuse_idle(config, program.compilation.own_optimizer)
    return program


def idle_settings(config: RunConfig, dataset: Dataset) -> tuple[str, ...]:
    """Name the settings of training that cannot act on a model, since it comes compiled and its optimizer decides them.

    A search leaves them out of its space, and refuses them where they are asked for. The function of a user's model is
    called for this, in this process and on the CPU; of raysq's own models none comes compiled.

    Args:
        config: of any run of the model.
        dataset: its data set.

    Returns:
        Their names; none where the model cannot be built with these settings, as with others it may be. Each trial
        refuses them too.
    """
    if not is_own(config.model):
        return ()
    configure(config.train_settings(), config.seed, gpu=False)
    from raysq.training.validation import call_builder

    inputs = config.example_settings().inputs(dataset)
    try:
        model = call_builder(config.model, config.load_builder(), inputs, config.builder)
    except UsageError:
        return ()
    return left_to_optimizer(config, bool(getattr(model, "compiled", False)))


def left_to_optimizer(config: RunConfig, own: bool) -> tuple[str, ...]:
    """The settings that a model's own optimizer decides, if it has one; keywords of its builder do act."""
    return tuple(name for name in OPTIMIZER_SETTINGS if own and name not in config.builder)


def refuse_idle(config: RunConfig, own: bool) -> None:
    """Raises UsageError where settings were given that a model's own optimizer decides."""
    idle = [name for name in left_to_optimizer(config, own) if name in config.given]
    if idle:
        raise UsageError(
            f"model {config.model!r} comes compiled, so its own optimizer decides {', '.join(idle)}: leave "
            f"{'it' if len(idle) == 1 else 'them'} out, or make a keyword of the function of {idle[0]} "
            f"(build(inputs, *, {idle[0]}=...)), or do not compile the model"
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
    """Trains a run to its end, from its last checkpoint if it has one. `configure` comes first.

    Args:
        run: what to train.
        distribution: the strategy, or None.
        hooks: what the adapter adds.
        chief: whether this worker writes.
        dataset: the run's data set, where it does not lie in `config.data` on this node.
        opener: makes the run's program, `open_program` or one that keeps programs.

    Returns:
        The metrics of the best epoch's weights.

    Raises:
        Interrupted: `should_stop` said so; the state is saved.
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
            run.metrics(state.epoch)  # before the first step: nobody wants to hear at the end that they are damaged

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
            save(run.last)  # in the place of the damaged one
            if chief:
                checkpoint.say(lost[0])
        log = _TensorBoard(run) if chief and hooks.board else None
        for record in user_loop(run.config.model, fit(program, state, on_chunk)):
            if chief:
                run.append(record)
            if log is not None:
                log.write(record)
            # The best one first: after a crash between the two the epoch is repeated and compared again.
            save(*([run.best] if record["best"] else []), run.last)
            hooks.on_epoch(record)

        program.barrier()  # the chief has written
        whole = hooks.whole()
        with user_errors(run.config.model, "fails when it is evaluated"):
            metrics, epoch, values = _measure(run, program, whole, chief)
    if chief:
        _finish(run, program, state, dataset, metrics, epoch, values if whole else None)
    return metrics


def conclude(run: Run, *, ended: str, dataset: Dataset | None = None) -> dict[str, float]:
    """Makes a whole run of one that did not train to its end: `model.keras`, figures of all splits, `result.json`.

    `configure` comes first.

    Args:
        run: it has finished an epoch.
        ended: why training ended, such as "stopped early".
        dataset: as for `work`.

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
    """Another worker says it."""


def _measure(run: Run, program: Any, whole: bool, chief: bool) -> tuple[dict[str, float], int, Mapping[str, Any]]:
    """The figures of the best epoch's weights, its number, and these weights; every worker takes part."""
    config = run.config
    best = checkpoint.load_best(run, checkpoint.say if chief else _keep_quiet)
    if best is None:
        raise DataError(f"the best checkpoint of run {run.name} is gone; --fresh starts anew")
    program.restore(best[0])
    epoch, step = best[1]["epoch"], best[1]["step"]
    record = next((one for one in run.metrics(epoch) if one["epoch"] == epoch and one["step"] == step), None)
    if record is None:  # the last checkpoint, in the place of a damaged one
        raise DataError(f"the best checkpoint of run {run.name} is damaged, the last is of no epoch's end; use --fresh")
    metrics = {key: value for key, value in record.items() if isinstance(value, float) and key not in _NOT_METRICS}
    if whole and len(program.splits["test"]):
        metrics |= program.evaluate("test")
    return metrics | problems.get(config.problem).scale(config.facts, metrics), epoch, best[0]


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
    """What the chief writes at the end, outside of the strategy's scope; no model where no weights are given."""
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
    """Writes `model.keras` with the best weights, the problem's assets, and the picture of the history."""
    from raysq import layers
    from raysq.report.history import plot_history

    # Built outside of the strategy's scope: plain variables, and nothing that other workers would have to do too.
    model = run.config.build(dataset)
    assign(model, values)
    with atomic_write(run.directory / "model.keras") as partial:
        layers.to_keras(model).save(partial)
        make = problems.get(run.config.problem).assets
        if make is not None:  # first: a model that is there can be used
            write_assets(run.assets, make(dataset, run.config.example_settings()))
    plot_history(run.metrics(), run.directory / "history.png", title=run.name, synthetic=run.config.synthetic)


class _TensorBoard:
    """Scalars of every epoch for TensorBoard, in RUN/tensorboard."""

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
