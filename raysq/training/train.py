"""Training and evaluation as Python functions; the command line calls the same."""

import warnings
from collections.abc import Callable, Mapping
from glob import glob
from pathlib import Path
from typing import Any

from raysq import problems, tasks
from raysq.data.dataset import Dataset
from raysq.errors import DataError, MissingPackageError, UsageError
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
    """Trains a model, or continues its training, or returns at once where it is finished.

    Args:
        task: name of a task.
        data: name or directory of a prepared data set; the task's newest if left out, prepared if there is none.
        model: name of a model, or `package.module:function`, a function from `InputSpec` and keyword settings to a
            Keras model. A compiled model brings its own loss, optimizer and metrics.
        workers: 1 trains in this process; more start a Ray Train worker group.
        gpu: one GPU for each worker.
        seed: of weights, order and dropout.
        settings: of examples, model and training, by name; others keep the model's, the task's or the problem's
            defaults.
        name: of the run, instead of an id made of task, model, data, settings and seed.
        fresh: forget what the run reached before.
        threads: TensorFlow's threads in each worker; all cores if left out.
        quiet: show no progress.
        trust: whether links may lead out of the folder of a run that is there and is continued.

    Returns:
        The finished run.

    Raises:
        UsageError: an unknown name or a wrong value.
        DataError: the data set cannot be used.
        ResourceError: more workers or GPUs than there are.
        TrainingError: the loss is not finite.
        Interrupted: stopped by a signal; the same call continues.

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
    """The configuration of a run, everything looked up and checked; prepares the task's data if there are none.

    With `fits`, the data set must have examples to train and to validate on with these settings.
    """
    model = model or problems.get(tasks.get(task).problem).default_model
    found = dataset(task, data, quiet=quiet)
    config = resolve_config(task, model, found, seed, settings or {})
    if fits:
        config.example_settings().open(found)
    return config


def dataset(task: str, data: str | Path | None = None, *, quiet: bool = True) -> Dataset:
    """The data set asked for, the task's newest, or the task's public one, prepared now.

    Raises:
        UsageError: a task for data of one's own, of which none are prepared.
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
    """Trains a run where it belongs: in this process if it can, else in a worker group."""
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
    """Evaluates a run's best weights, the untrained references beside it, on the data set it was trained on.

    Args:
        run: a run, its directory or its id.
        splits: among "train", "val" and "test"; a test split without examples is left out beside others.
        gpu: evaluate on a GPU.
        threads: TensorFlow's threads.
        trust: as for `raysq.load`.

    Returns:
        Metrics (`val_loss`, `val_mae`, `val_mae_original`, ...) by model: the run's own, "baseline", and what else
        the problem compares with ("seasonal" for a forecast).

    Raises:
        DataError: the run has no finished epoch, or its data set has changed or gone.

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
    """Evaluates as `evaluate` does, and looks closer at the run's own model.

    Args:
        run: as for `evaluate`.
        splits: as for `evaluate`.
        gpu: as for `evaluate`.
        threads: as for `evaluate`.
        detailed: whether to look closer, which takes a second pass over the splits.
        trust: as for `evaluate`.
        on_message: called with what cannot be measured and why, such as that BLEU needs a package, and what is damaged;
            a warning if left out.

    Returns:
        The metrics by model, and by split the problem's details of the run's model (for a classifier the confusion
        matrix, and precision, recall, F1 and support of each class); no details where the problem has none.

    Raises:
        DataError: as for `evaluate`.
    """
    from raysq.training.worker import configure, open_program

    run = Run.of(run, trust=trust)
    weights = best_weights(run, on_message)
    config = run.config
    dataset = Dataset.open(config.data)
    if dataset.fingerprint != config.fingerprint:
        raise DataError(f"data set {config.data} has changed since run {run.name} was trained on it")
    configure(config.train_settings(), config.seed, gpu=gpu, threads=threads)
    problem = problems.get(config.problem)
    details: dict[str, dict[str, Any]] = {}
    missing: set[str] = set()

    def measure(run: Run, values: Mapping[str, Any] | None) -> dict[str, float]:
        program = open_program(run, dataset)
        if values is not None:
            program.restore(values)
        metrics: dict[str, float] = {}
        for split in splits:
            if split == "test" and len(splits) > 1 and not len(program.splits["test"]):
                continue  # a data set without a test part
            if problem.scores is not None:
                about = (run.config.facts, run.config.example_settings(), split, program.model)
                try:
                    own = problem.scores(dataset, *about)
                except MissingPackageError as error:
                    missing.add(str(error))
                else:
                    metrics |= {f"{split}_{name}": value for name, value in own.items()}
            metrics |= program.evaluate(split)
            if detailed and values is not None and problem.details is not None:
                details[split] = problem.details(config.facts, config.example_settings(), *program.predict(split))
        return metrics | problem.scale(config.facts, metrics)

    found = {config.model: measure(run, weights)}
    for name, settings in problem.references(config.facts, config.example_settings()).items():
        if name != config.model:
            reference = resolve_config(
                config.task, name, dataset, config.seed, {**config.examples, **config.training, **settings}
            )
            found[name] = measure(Run(run.directory, reference), None)
    for message in sorted(missing):
        on_message(message)
    return found, details
