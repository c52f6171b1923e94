"""Training and evaluation functions of the Python API, which the command line calls too."""

import warnings
from collections.abc import Callable, Mapping
from glob import glob
from pathlib import Path
from typing import Any

from raysq import problems, tasks
from raysq.data.dataset import Dataset
from raysq.errors import DataError, MissingPackageError, UsageError
from raysq.problems.capabilities import EvaluationDetails, GenerationMetrics
from raysq.tasks import datasets
from raysq.tasks.prepare import prepare
from raysq.training.best import best_weights
from raysq.training.run import Run
from raysq.training.run_config import RunConfig, resolve_config


def train(
    task: str,
    *,
    data: str | Path | None = None,
    model: str | None = None,
    workers: int = 1,
    gpu: bool = False,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    name: str | None = None,
    fresh: bool = False,
    threads: int | None = None,
    quiet: bool = True,
    trust: bool = False,
) -> Run:
    """Train a model, continue an interrupted run, or return a finished run at once.

    Args:
        task: name of a task.
        data: name or directory of a prepared data set. Defaults to the task's newest, which is prepared if there is
            none.
        model: name of a model, or `package.module:function`. The function takes an `InputSpec` and keyword settings,
            and returns a Keras model. A compiled model keeps its own loss, optimizer and metrics. Defaults to the
            problem's default model.
        workers: number of workers. One worker trains in this process where the hardware allows it. Several train in
            a Ray Train worker group. Defaults to 1.
        gpu: whether to use one GPU per worker. Defaults to False.
        seed: seed of weights, order and dropout. Defaults to 0.
        settings: settings of examples, model and training, by name. Others keep the defaults of the model, the data
            set, the task or the problem.
        name: name of the run. Defaults to an id made of task, model, data, settings and seed.
        fresh: whether to discard the run's earlier progress. Defaults to False.
        threads: TensorFlow's threads in each worker. Defaults to all cores.
        quiet: whether to hide progress. Defaults to True.
        trust: whether links may lead out of the directory of an existing run. Defaults to False.

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
    config = resolve(task, data=data, model=model, seed=seed, settings=settings)
    run = Run.create(config, name=name, fresh=fresh, trust=trust)
    if run.result() is None:
        with run.lock():
            execute(run, workers=workers, gpu=gpu, threads=threads, quiet=quiet)
    return run


def resolve(
    task: str,
    *,
    data: str | Path | None = None,
    model: str | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    fits: bool = True,
    quiet: bool = True,
) -> RunConfig:
    """Return the validated configuration of a run; the task's data are prepared if there are none.

    Args:
        task: see `train`.
        data: see `train`.
        model: see `train`.
        seed: see `train`.
        settings: see `train`.
        fits: whether to check that the data set has training and validation examples with these settings.
        quiet: whether to hide the progress of preparation.

    Raises:
        UsageError: a name is unknown or a value is wrong.
        DataError: the data set cannot be used.
    """
    model = model or problems.get(tasks.get(task).problem).default_model
    found = dataset(task, data, quiet=quiet)
    config = resolve_config(task, model, found, seed, settings or {})
    if fits:
        config.make_problem().splits(found)
    return config


def dataset(task: str, data: str | Path | None = None, *, quiet: bool = True) -> Dataset:
    """Return the requested data set, the task's newest one, or the task's public data, prepared now.

    Args:
        task: name of a task.
        data: name or directory of a prepared data set. Defaults to the task's newest.
        quiet: whether to hide the progress of preparation.

    Raises:
        UsageError: the task is for the user's own data, and none are prepared.
        DataError: there is no such data set, or it is damaged.
    """
    found = tasks.get(task)
    if data is None and not datasets.dataset_directories(task):
        if found.source is None:
            raise UsageError(
                f"task {task!r} is for data of your own, and none are prepared: first `raysq prepare {task} --source "
                "PATH`, or with --source sample"
            )
        return prepare(found, quiet=quiet)
    return datasets.find_dataset(found, None if data is None else str(data))


def execute(run: Run, *, workers: int = 1, gpu: bool = False, threads: int | None = None, quiet: bool = True) -> None:
    """Train a run in this process if possible, else in a Ray Train worker group.

    Several workers, or a GPU that this machine does not have, need a worker group.

    Args:
        run: the run.
        workers: see `train`.
        gpu: see `train`.
        threads: see `train`.
        quiet: see `train`.

    Raises:
        UsageError: `workers` or `threads` is below 1.
    """
    if workers < 1:
        raise UsageError(f"--workers must be at least 1, received {workers}")
    if threads is not None and threads < 1:
        raise UsageError(f"--threads must be at least 1, received {threads}")
    if workers == 1 and (not gpu or glob("/dev/nvidia[0-9]*")):
        from raysq.training.backends import process

        process.train(run, gpu=gpu, threads=threads, quiet=quiet)
    else:
        from raysq.training.backends import ray_train

        ray_train.train(run, workers, gpu=gpu, threads=threads, quiet=quiet)


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
    return examine(run, splits, gpu=gpu, threads=threads, detailed=False, trust=trust)[0]


def examine(
    run: Run | str | Path,
    splits: tuple[str, ...] = ("val", "test"),
    *,
    gpu: bool = False,
    threads: int | None = None,
    detailed: bool = True,
    trust: bool = False,
    on_message: Callable[[str], None] = warnings.warn,
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, Any]]]:
    """Evaluate as `evaluate` does, with a detailed report of the run's own model.

    Args:
        run: see `evaluate`.
        splits: see `evaluate`.
        gpu: see `evaluate`.
        threads: see `evaluate`.
        detailed: whether to compute the details, which takes a second pass over the splits. Defaults to True.
        trust: see `evaluate`.
        on_message: called with a message for each metric that cannot be computed, such as BLEU without its package,
            and for a damaged checkpoint. Defaults to a warning.

    Returns:
        The metrics by model, and the problem's details of the run's model by split. For a classifier the details are
        the confusion matrix, and precision, recall, F1 and support of each class. They are empty where the problem
        has none.

    Raises:
        DataError: see `evaluate`.
    """
    from raysq.training.worker import configure, open_program

    run = Run.of(run, trust=trust)
    weights = best_weights(run, on_message)
    config = run.config
    dataset = Dataset.open(config.data)
    if dataset.fingerprint != config.fingerprint:
        raise DataError(f"data set {config.data} has changed since run {run.name} was trained on it")
    configure(config.train_settings(), config.seed, gpu=gpu, threads=threads)
    problem = config.make_problem()
    details: dict[str, dict[str, Any]] = {}
    missing: set[str] = set()

    def measure(run: Run, values: Mapping[str, Any] | None) -> dict[str, float]:
        program = open_program(run, dataset)
        if values is not None:
            program.restore(values)
        metrics: dict[str, float] = {}
        for split in splits:
            if split == "test" and len(splits) > 1 and not len(program.splits["test"]):
                continue  # a data set without a test split
            bound = run.config.make_problem()  # a baseline has settings of its own
            if isinstance(bound, GenerationMetrics):
                try:
                    own = bound.generation_metrics(dataset, split, program.model)
                except MissingPackageError as error:
                    missing.add(str(error))
                else:
                    metrics |= {f"{split}_{name}": value for name, value in own.items()}
            metrics |= program.evaluate(split)
            if detailed and values is not None and isinstance(problem, EvaluationDetails):
                details[split] = problem.evaluation_details(*program.predict(split))
        return metrics | problem.denormalize_metrics(metrics)

    found = {config.model: measure(run, weights)}
    own = {
        f"{section}.{key}": value
        for section, values in config.sections()
        if section != "model"
        for key, value in values.items()
    }
    for name, settings in problem.baselines().items():
        if name != config.model:
            reference = resolve_config(
                config.task,
                name,
                dataset,
                config.seed,
                {**own, **settings},
            )
            found[name] = measure(Run(run.directory, reference), None)
    for message in sorted(missing):
        on_message(message)
    return found, details
