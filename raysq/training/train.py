"""Train a run, in this process or in a worker group, after its settings and its data set are resolved."""

from collections.abc import Callable, Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import Any

from raysq import problems, tasks
from raysq.config import flat_settings
from raysq.data.dataset import Dataset
from raysq.display.in_notebook import hides_progress
from raysq.errors import UsageError
from raysq.tasks import datasets
from raysq.tasks.prepare import prepare
from raysq.training.builder import find_model
from raysq.training.keras_callbacks.identity import remember_callbacks, validate_callbacks
from raysq.training.passed_models import model_name
from raysq.training.presets import with_preset
from raysq.training.run import Run
from raysq.training.run_config import RunConfig, resolve_config
from raysq.training.trackers.tracker import check_tracker
from raysq.training.trackers.tracking import tracked
from raysq.training.worker_range import WorkerRange


def train(
    task: str,
    *,
    data: str | Path | Dataset | None = None,
    model: str | Callable[..., Any] | None = None,
    workers: int | tuple[int, int] | WorkerRange = 1,
    gpu: bool = False,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    preset: str | None = None,
    per_worker_batch: int | None = None,
    linear_rate: bool = False,
    name: str | None = None,
    fresh: bool = False,
    threads: int | None = None,
    quiet: bool | None = None,
    trust: bool = False,
    callbacks: Sequence[Any] | None = None,
    track: str | None = None,
) -> Run:
    """Train a model, continue an interrupted run, or return a finished run at once.

    Args:
        task: name of a task.
        data: name or directory of a prepared data set, or the `Dataset` that `prepare` returned. Defaults to the
            task's newest, which is prepared if there is none.
        model: name of a model, `package.module:function`, or a function or class, also of a notebook or script. The
            function takes an `InputSpec` and keyword settings, and returns a Keras model. A compiled model keeps its
            own loss, optimizer and metrics. To continue an interrupted run, pass the same function. Defaults to the
            problem's default model.
        workers: number of workers. One worker trains in this process where the hardware allows it. Several train in
            a Ray Train worker group, which is kept for the next call for RAYSQ_KEEP_WORKERS seconds. A pair
            `(MIN, MAX)` makes a group that goes on with fewer workers where nodes are lost, and with more where there
            is room. Defaults to 1.
        gpu: whether to use one GPU per worker. Defaults to False.
        seed: seed of weights, order and dropout. Defaults to 0.
        settings: settings of examples, model and training, by name. Others keep the defaults of the model, the data
            set, the task or the problem. The setting `batch_size` is that of a global step, over all workers.
        preset: "keras2" or "keras1" for the defaults and formulas of these versions of Keras, with which many tutorials
            were written; see docs/models.md. Settings win over it. Defaults to None, for Keras 3.
        per_worker_batch: number of examples of each worker at each step, in place of the setting `batch_size`: the
            global batch grows with the workers. Defaults to None, for the setting.
        linear_rate: whether to multiply the learning rate by the number of workers as well (Goyal et al. 2017). Needs
            `per_worker_batch`. Defaults to False.
        name: name of the run. Defaults to an id made of task, model, data, settings and seed.
        fresh: whether to discard the run's earlier progress. Defaults to False.
        threads: TensorFlow's threads in each worker. Defaults to all cores.
        quiet: whether to hide progress. Defaults to None: it is shown in notebooks only.
        trust: whether links may lead out of the directory of an existing run. Defaults to False.
        callbacks: `keras.callbacks.Callback` objects, called as `Model.fit` calls them. With several workers, copies of
            them run on the chief, and what they decide reaches all workers. Those that act on training are part of the
            run's id. Defaults to none. See docs/callbacks.md.
        track: name of a tracker that the run is logged to: "mlflow", "wandb" or "tensorboard". Training goes on
            where it fails. Defaults to none. See docs/trackers.md.

    Returns:
        The finished run.

    Raises:
        UsageError: a name is unknown or a value is wrong.
        DataError: the data set cannot be used.
        ResourceError: more workers or GPUs are requested than exist.
        TrainingError: the loss is not finite.
        Interrupted: a signal stops training. The same call continues it.

    Example:
        >>> run = raysq.train("jena", model="gru", settings={"units": 32, "epochs": 10})
        >>> run.result()["metrics"]["val_mae"]
    """
    quiet = hides_progress(quiet)
    model = model_name(model)
    if track is not None:
        check_tracker(track)
    if WorkerRange.of(workers).most > 1:
        start_early(task, data=data, model=model)
    config = resolve(
        task,
        data=data,
        model=model,
        seed=seed,
        settings=settings,
        preset=preset,
        workers=workers,
        per_worker_batch=per_worker_batch,
        linear_rate=linear_rate,
        quiet=quiet,
    )
    config = with_callbacks(config, callbacks or ())
    run = Run.create(config, name=name, fresh=fresh, trust=trust)
    if run.result() is None:
        with run.lock(), tracked(run, track):
            try:
                train_run(run, workers=workers, gpu=gpu, threads=threads, quiet=quiet, callbacks=callbacks or ())
            finally:
                remember_callbacks(callbacks or ())
    return run


def with_callbacks(config: RunConfig, callbacks: Sequence[Any]) -> RunConfig:
    """Return the configuration of a run with Keras callbacks, which are checked.

    Raises:
        UsageError: one is no Keras callback, or cannot work with raysq or with the run's settings.
    """
    if not callbacks:
        return config
    validate_callbacks(callbacks, config.train_settings())
    return config.with_callbacks(callbacks)


def start_early(task: str, *, data: str | Path | Dataset | None = None, model: str | None = None) -> None:
    """Start Ray before the run of a worker group is resolved, which needs TensorFlow's import of some seconds.

    Unknown names and data sets are errors before anything is started. If the data are yet to be prepared, nothing is
    started.

    Args:
        task, data, model: see `train`.

    Raises:
        UsageError: a name is unknown.
        DataError: there is no such data set.
        ResourceError: Ray does not start.
    """
    problem = problems.get(tasks.get(task).problem)
    model = model_name(model)
    find_model(problem, model or tasks.default_model(task))
    if data is not None or datasets.dataset_directories(task):
        find_or_prepare(task, data)
        from raysq.training.backends import ray_train

        ray_train.start_early()


def resolve(
    task: str,
    *,
    data: str | Path | Dataset | None = None,
    model: str | Callable[..., Any] | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    preset: str | None = None,
    workers: int | tuple[int, int] | WorkerRange = 1,
    per_worker_batch: int | None = None,
    linear_rate: bool = False,
    validate_splits: bool = True,
    quiet: bool = True,
) -> RunConfig:
    """Return the validated configuration of a run; the task's data are prepared if there are none.

    Args:
        task, data, model, seed, settings, preset, workers, per_worker_batch, linear_rate: see `train`.
        validate_splits: whether to check that the data set has training and validation examples with these settings.
        quiet: whether to hide the progress of preparation.

    Raises:
        UsageError: a name is unknown or a value is wrong.
        DataError: the data set cannot be used.
    """
    model = model_name(model) or tasks.default_model(task)
    settings = with_preset(settings, preset)
    dataset = find_or_prepare(task, data, quiet=quiet)
    config = resolve_config(task, model, dataset, seed, settings)
    if validate_splits:
        config.make_problem().splits(dataset)
    if per_worker_batch is None and not linear_rate:
        return config
    rate = config.train_settings().learning_rate
    scaled = _scaled_settings(settings, rate, WorkerRange.of(workers), per_worker_batch, linear_rate)
    return resolve_config(task, model, dataset, seed, scaled)


def _scaled_settings(
    settings: Mapping[str, Any],
    learning_rate: float,
    workers: WorkerRange,
    per_worker_batch: int | None,
    linear_rate: bool,
) -> dict[str, Any]:
    """Return the user's settings with a global batch of `workers` times `per_worker_batch`.

    Args:
        settings: settings that the user gave.
        learning_rate: learning rate that they lead to.
        workers, per_worker_batch, linear_rate: see `train`.

    Raises:
        UsageError: a number is below 1, `linear_rate` lacks `per_worker_batch`, the number of workers may change, or
            the user gave `batch_size` too.
    """
    if per_worker_batch is None:
        raise UsageError("--linear-rate needs --per-worker-batch: a fixed global batch keeps its learning rate")
    if per_worker_batch < 1:
        raise UsageError(f"--per-worker-batch must be at least 1, received {per_worker_batch}")
    if workers.is_elastic:
        raise UsageError(
            f"--per-worker-batch needs a fixed number of workers, received --workers {workers}: the global batch would "
            "change on the way; give --set batch_size=N, that of all workers"
        )
    scaled = flat_settings(settings)
    if "batch_size" in scaled or "training.batch_size" in scaled:
        raise UsageError("--per-worker-batch and the setting batch_size exclude each other: leave one out")
    scaled["training.batch_size"] = per_worker_batch * workers.most
    if linear_rate:
        scaled.pop("learning_rate", None)
        scaled["training.learning_rate"] = learning_rate * workers.most
    return scaled


def find_or_prepare(task: str, data: str | Path | Dataset | None = None, *, quiet: bool = True) -> Dataset:
    """Return the requested data set, the task's newest one, or the task's public data, prepared now.

    Args:
        task, data: see `train`.
        quiet: whether to hide the progress of preparation.

    Raises:
        UsageError: the task is for the user's own data, and none are prepared.
        DataError: there is no such data set, or it is damaged.
    """
    registered = tasks.get(task)
    if data is None and not datasets.dataset_directories(task):
        if registered.source is None:
            raise UsageError(
                f"task {task!r} is for data of your own, and none are prepared: first `raysq prepare {task} --source "
                "PATH`, or with --source sample"
            )
        return prepare(registered, quiet=quiet)
    directory = data.directory if isinstance(data, Dataset) else data
    return datasets.find_dataset(registered, None if directory is None else str(directory))


def train_run(
    run: Run,
    *,
    workers: int | tuple[int, int] | WorkerRange = 1,
    gpu: bool = False,
    threads: int | None = None,
    quiet: bool = True,
    callbacks: Sequence[Any] = (),
) -> None:
    """Train a run in this process if possible, else in a Ray Train worker group.

    Several workers, or a GPU that this machine does not have, need a worker group.

    Args:
        run: the run.
        workers, gpu, threads, quiet, callbacks: see `train`.

    Raises:
        UsageError: `workers` or `threads` is below 1.
    """
    numbers = WorkerRange.of(workers)
    if threads is not None and threads < 1:
        raise UsageError(f"--threads must be at least 1, received {threads}")
    run.config.train_settings().check_workers(numbers.most)
    if numbers.most == 1 and (not gpu or glob("/dev/nvidia[0-9]*")):
        from raysq.training.backends import process

        process.train(run, gpu=gpu, threads=threads, quiet=quiet, callbacks=callbacks)
    else:
        from raysq.training.backends import ray_train
        from raysq.training.backends.pickled_callbacks import pickle_callbacks

        pickled = pickle_callbacks(callbacks)
        ray_train.train(run, numbers, gpu=gpu, threads=threads, quiet=quiet, callbacks=pickled)
