"""A search over a task's settings on Ray Tune; every trial is a run of its own, trained by one worker."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysq import tasks
from raysq.cluster import ensure_ray
from raysq.errors import RaysqError, ResourceError, UsageError
from raysq.home import home
from raysq.settings import settings_of
from raysq.shards import Dataset
from raysq.training import api
from raysq.training.config import Config, load_builder, plan
from raysq.training.run import Run
from raysq.training.settings import TrainSettings


@dataclass(frozen=True)
class Experiment:
    """What a search found.

    Attributes:
        directory: where it is; `best.json` and `trials/`, a run for each trial, lie in it.
        trials: one record a trial, best first: `settings`, `state`, `epochs`, `val_loss`, `run`, `error`.
        best_config: the best trial's settings, all of them.
        best_metrics: of its best epoch.
        seconds: of all trials together.
    """

    directory: Path
    trials: list[dict[str, Any]]
    best_config: dict[str, Any]
    best_metrics: dict[str, float]
    seconds: float

    def show(self, console: Any) -> None:
        """Prints the trials and the best of them."""
        from rich.table import Table

        names = list(self.trials[0]["settings"])
        table = Table("val_loss", "epochs", "state", *names)
        for trial in self.trials:
            loss = "-" if trial["val_loss"] is None else f"{trial['val_loss']:.4f}"
            chosen = trial["settings"].values()
            values = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in chosen]
            table.add_row(loss, str(trial["epochs"]), trial["state"], *values)
        console.print(table)
        best = "  ".join(f"{name}={value}" for name, value in self.trials[0]["settings"].items())
        console.print(f"best: {best}")
        console.print(f"{len(self.trials)} trials in {self.seconds:.0f} s; all in {self.directory}")


def tune(
    task: str,
    *,
    data: str | Path | None = None,
    model: str | None = None,
    trials: int = 16,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    gpu: float = 0,
    name: str | None = None,
    fresh: bool = False,
    quiet: bool = True,
) -> Experiment:
    """Searches a task's space at random with ASHA, the defaults first; the same call continues or shows it.

    Args:
        task: name of a task.
        data: name or directory of a prepared data set; the task's newest if left out.
        model: as for `train`.
        trials: how many.
        seed: of the search and of every trial.
        settings: fixed for all trials.
        gpu: GPUs of a trial, may be a fraction.
        name: of the experiment.
        fresh: forget what it reached before.
        quiet: show no progress.

    Raises:
        UsageError: the task has nothing to search for this model.
        ResourceError: a trial needs more GPUs than there are.
        RaysqError: every trial failed.
    """
    if trials < 1:
        raise UsageError(f"--trials must be at least 1, received {trials}")
    fixed = dict(settings or {})
    config = api.resolve(task, data=data, model=model, seed=seed, settings=fixed, quiet=quiet)
    space = _space(config, fixed)
    directory = _directory(_experiment_id(config, space, trials), name, fresh)
    if not (directory / "best.json").exists():
        _search(config, space, fixed, directory, trials, gpu, quiet)
    return _read(directory)


def _space(config: Config, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the task's space that this model has and that is not fixed."""
    known = {
        **settings_of(load_builder(config.model_spec().build)),
        **settings_of(type(config.example_settings())),
        **settings_of(TrainSettings),
    }
    space = {key: value for key, value in tasks.get(config.task).search.items() if key in known and key not in fixed}
    if not space:
        raise UsageError(f"there is nothing to search for model {config.model!r} of task {config.task!r}")
    return space


def _experiment_id(config: Config, space: Mapping[str, Any], trials: int) -> str:
    digest = hashlib.sha256(json.dumps([config.id, space, trials], sort_keys=True).encode()).hexdigest()[:10]
    return f"{config.task}-{config.model.split(':')[-1]}-search-{digest}"


def _directory(identity: str, name: str | None, fresh: bool) -> Path:
    """The experiment's folder; one of that name that asked something else is not taken for it."""
    if name and (Path(name).name != name or name.startswith(".")):
        raise UsageError(f"--name must be a plain name without slashes, received {name!r}")
    directory = home() / "experiments" / (name or identity)
    if fresh:
        shutil.rmtree(directory, ignore_errors=True)
    asked = directory / "experiment.json"
    there = json.loads(asked.read_text())["id"] if asked.exists() else identity
    if there != identity:
        raise UsageError(
            f"experiment {directory.name} exists with other settings ({there}, now {identity}): "
            f"choose another --name, or --fresh to start anew"
        )
    directory.mkdir(parents=True, exist_ok=True)
    _write(asked, {"id": identity})
    return directory


def _search(
    config: Config, space: dict[str, Any], fixed: dict[str, Any], directory: Path, trials: int, gpu: float, quiet: bool
) -> None:
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # Ctrl-C reaches us, and the same command restores the search.
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    ensure_ray()
    logging.getLogger("ray.tune.tune").setLevel(logging.WARNING)  # where the results are, we say ourselves
    import ray
    from ray import tune as ray_tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.basic_variant import BasicVariantGenerator

    if gpu > (there := ray.cluster_resources().get("GPU", 0)):
        raise ResourceError(f"a trial needs {gpu:g} GPUs, the Ray cluster has {there:g}: ask for less, or add nodes")
    epochs = config.train_settings().epochs
    values = {**config.examples, **config.builder, **config.training}
    trainable = ray_tune.with_resources(
        _trainable(config, fixed, str(directory / "trials"), bool(gpu)), {"cpu": 1, "gpu": gpu}
    )
    if ray_tune.Tuner.can_restore(str(directory)):
        # Errored trials would meet the same error again.
        tuner = ray_tune.Tuner.restore(str(directory), trainable, resume_unfinished=True, restart_errored=False)
    else:
        tuner = ray_tune.Tuner(
            trainable,
            param_space={key: _domain(value) for key, value in space.items()},
            tune_config=ray_tune.TuneConfig(
                metric="val_loss",
                mode="min",
                num_samples=trials,
                scheduler=ASHAScheduler(
                    # Above the last epoch: a trial that is stopped in it could not write its model.
                    time_attr="epoch",
                    max_t=epochs + 1,
                    grace_period=max(1, epochs // 8),
                    reduction_factor=3,
                ),
                search_alg=BasicVariantGenerator(
                    points_to_evaluate=[{key: values[key] for key in space}], random_state=config.seed
                ),
                reuse_actors=True,
            ),
            run_config=ray_tune.RunConfig(
                name=directory.name,
                storage_path=str(directory.parent.resolve()),
                callbacks=[] if quiet else [_progress(trials)],
                verbose=0,
            ),
        )
    _conclude(tuner.fit(), directory, config)


def _domain(value: Any) -> Any:
    from ray import tune as ray_tune

    if isinstance(value, list):
        return ray_tune.choice(value)
    name, low, high = value
    return getattr(ray_tune, name)(low, high)


def _trainable(config: Config, fixed: dict[str, Any], folder: str, gpu: bool) -> Callable[[dict[str, Any]], None]:
    """What a trial runs, in a process of Ray's: the rows come from the map of the shards, not from the driver."""

    def trial(parameters: dict[str, Any]) -> None:
        from ray import tune as ray_tune

        from raysq.training.worker import Hooks, configure, work

        settings = {**fixed, **parameters}
        run_config = plan(config.task, config.model, Dataset.open(config.data), config.seed, settings)
        # By trial: two trials may draw the same settings.
        run = Run.create(run_config, name=ray_tune.get_context().get_trial_id(), folder=Path(folder))

        def report(record: Mapping[str, Any]) -> None:
            figures = {key: value for key, value in record.items() if key not in ("step", "best")}
            ray_tune.report({**figures, "run": str(run.directory)})

        for record in run.metrics():
            report(record)  # from before an interruption
        if run.result() is None:
            # A trial has one CPU: as many threads as cores would only push the other trials aside.
            configure(run_config.train_settings(), run_config.seed, gpu=gpu, threads=1)
            with run.lock():
                work(run, None, Hooks(on_epoch=report), test=False)

    return trial


def _progress(trials: int) -> Any:
    """A line for each trial that ends."""
    from ray.tune import Callback
    from rich.console import Console

    class Lines(Callback):
        def __init__(self) -> None:
            self.ended = 0

        def on_trial_complete(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
            result = trial.last_result or {}
            self._line(f"val_loss {result.get('val_loss', float('nan')):.4f} after {result.get('epoch')} epochs", trial)

        def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
            self._line("failed", trial)

        def _line(self, text: str, trial: Any) -> None:
            self.ended += 1
            settings = " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in trial.config.items())
            console = Console(stderr=True, highlight=False, soft_wrap=True)
            console.print(f"trial {self.ended:>3}/{trials}  {text}  {settings}")

    return Lines()


def _conclude(results: Any, directory: Path, config: Config) -> None:
    """Writes `trials.json` and, last, `best.json`."""
    records: list[dict[str, Any]] = []
    for result in results:
        metrics = result.metrics or {}
        history = Run.open(metrics["run"]).metrics() if "run" in metrics else []
        error = str(result.error).strip().splitlines()[-1] if result.error else None
        done = history and Run.open(metrics["run"]).result() is not None
        records.append(
            {
                "settings": dict(result.config),
                "state": "failed" if error else "finished" if done else "stopped early",
                "epochs": len(history),
                "val_loss": min((record["val_loss"] for record in history), default=None),
                "seconds": history[-1]["seconds"] if history else 0.0,
                "run": metrics.get("run"),
                "error": error,
            }
        )
    records.sort(key=lambda record: (record["val_loss"] is None, record["val_loss"]))
    if not records or records[0]["val_loss"] is None:
        reason = records[0]["error"] if records else "none was started"
        raise RaysqError(f"all {len(records)} trials failed, the first with: {reason}")
    run = Run.open(records[0]["run"])
    best = min(run.metrics(), key=lambda record: record["val_loss"])
    _write(directory / "trials.json", records)
    seconds = sum((result.metrics or {}).get("time_total_s", 0.0) for result in results)
    _write(
        directory / "best.json",
        {
            "task": config.task,
            "model": config.model,
            "seed": config.seed,
            "data": config.data,
            "synthetic": config.synthetic,
            "settings": {**run.config.examples, **run.config.builder, **run.config.training},
            "metrics": {key: value for key, value in best.items() if key.startswith("val_")},
            "run": records[0]["run"],
            "seconds": round(seconds, 1),
        },
    )


def _write(path: Path, values: Any) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(values, indent=1) + "\n")
    os.replace(new, path)


def _read(directory: Path) -> Experiment:
    best = json.loads((directory / "best.json").read_text())
    trials = json.loads((directory / "trials.json").read_text())
    return Experiment(directory, trials, best["settings"], best["metrics"], best["seconds"])
