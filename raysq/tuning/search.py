"""Hyperparameter search over a task's settings on Ray Tune; every trial is a separate run."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from raysq import backend, tasks
from raysq.config import flat_settings
from raysq.data import durations
from raysq.data.dataset import Dataset
from raysq.display.in_notebook import do_without_widgets, hides_progress
from raysq.display.terminal import print_message
from raysq.errors import RaysqError, UsageError
from raysq.storage.paths import home
from raysq.training.backends.pickled_callbacks import pickle_callbacks
from raysq.training.goal import Goal
from raysq.training.keras_callbacks.written_files import check_relative
from raysq.training.open_trainer import ignored_settings
from raysq.training.passed_models import model_name
from raysq.training.presets import with_preset
from raysq.training.run_config import RunConfig
from raysq.training.size_defaults import with_fixed_epochs
from raysq.training.trackers.tracker import check_tracker
from raysq.training.train import find_or_prepare, resolve, with_callbacks
from raysq.training.user_code import is_own
from raysq.tuning.experiment import Experiment
from raysq.tuning.make_space import make_space
from raysq.tuning.population import check_mutations, check_population, make_pbt, mutated_domains
from raysq.tuning.refit import is_done
from raysq.tuning.running_search import HowToRun, RunningSearch
from raysq.tuning.schedulers import check_scheduler, describe_scheduler, is_population
from raysq.tuning.searchers import RaySearcher, check_searcher, describe_searcher
from raysq.tuning.space import Space
from raysq.tuning.stoppers import check_stop, describe_stop
from raysq.tuning.track_search import tracked_search
from raysq.tuning.trial_queue import TrialQueue

# Trials of a search that asks for neither a number nor a time.
TRIALS = 16
# Most trials of a search that has a time limit alone.
_MOST_TRIALS = 1000


def tune(
    task: str,
    *,
    data: str | Path | Dataset | None = None,
    model: str | Callable[..., Any] | None = None,
    trials: int | None = None,
    workers_per_trial: int = 1,
    gpu: float = 0,
    metric: str | None = None,
    mode: str | None = None,
    scheduler: Any = "asha",
    searcher: Any = "random",
    stop: Any = None,
    callbacks: Sequence[Any] = (),
    generations: int = 1,
    time: float | str | None = None,
    max_concurrent: int | None = None,
    refit: int = 0,
    storage: str | Path | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    preset: str | None = None,
    search: Mapping[str, Any] | None = None,
    name: str | None = None,
    fresh: bool = False,
    quiet: bool | None = None,
    trust: bool = False,
    track: str | None = None,
) -> Experiment:
    """Search a task's space of settings; the first trial has the default settings.

    The same call continues an interrupted search, or returns a finished one. More `trials` or a longer `time` continue
    a search that has ended.

    Args:
        task: name of a task.
        data: name or directory of a prepared data set, or the `Dataset` that `prepare` returned. Defaults to the
            task's newest.
        model: name of a model, `package.module:function`, or a function; see `train`. Defaults to the task's model for
            searches.
        trials: number of trials, of each generation where there are several. Defaults to 16, or to as many as the
            time allows if `time` is given alone.
        workers_per_trial: number of workers of a trial. One worker trains in the trial's process. Several form a Ray
            Train worker group for each trial. Defaults to 1.
        gpu: GPUs of a worker. It may be a fraction below 1 if a trial has one worker. Defaults to 0.
        metric: metric of the validation split by which trials are ranked, such as "val_accuracy". A trial is worth the
            metric of its best epoch, which is that of the lowest val_loss. Defaults to "val_loss".
        mode: "min" or "max". Defaults to "max" for accuracies and the like, else "min".
        scheduler: "asha" stops worse trials early (asynchronous successive halving). "hyperband" is ASHA with three
            brackets of different patience. "median" stops trials below the median. "pbt" is population based training:
            worse trials go on from the checkpoints of better ones with changed settings. "none" trains all trials to
            their end. A scheduler of `ray.tune.schedulers` is taken as it is; `training_iteration` is the epoch.
        searcher: "random", or "optuna" for Bayesian optimization (needs `raysq[optuna]`), or a searcher of
            `ray.tune.search` without a space of its own.
        stop: condition that stops a trial: a dict from a number of its reports to the value at or above which it stops,
            a function of the trial's id and a report, or a `ray.tune.Stopper`, which may end the whole search.
            Defaults to none.
        callbacks: `ray.tune.Callback` objects, which see the trials start, report and end, and
            `keras.callbacks.Callback` objects, of which each trial and each run of a refit gets copies, as `train`
            takes them. Defaults to none.
        generations: number of generations. Each draws its trials near the best one of those before. Defaults to 1.
        time: time limit in seconds, or text such as "30m", "2h" or "1h30m". It is counted over all sessions. Defaults
            to no limit.
        max_concurrent: maximum number of concurrent trials. Defaults to as many as the cluster's resources allow.
        refit: number of seeds with which the best settings and the defaults are trained at the end. Defaults to 0.
        storage: folder of experiments. Defaults to RAYSQ_HOME/experiments.
        seed: seed of the search and of every trial. Defaults to 0.
        settings: settings that are fixed for all trials, by name.
        preset: "keras2" or "keras1" for the defaults of these versions of Keras; see `train`. Defaults to None.
        search: domains by setting, which replace the task's space. A domain is a list of choices, a domain of
            `ray.tune` such as `tune.quniform(0, 0.5, 0.1)`, text such as "uniform(0,0.5)", or a function of the other
            settings that returns a value or a domain.
        name: name of the experiment. Defaults to an id made of task, model, data, settings and space.
        fresh: whether to discard the experiment's earlier progress. Defaults to False.
        quiet: whether to hide progress. Defaults to None: it is shown in notebooks only.
        trust: whether links may lead out of the directory of an existing experiment. Defaults to False.
        track: name of a tracker that the search and its trials are logged to; see `train`. Defaults to none.

    Returns:
        The experiment, with its best trial exported.

    Raises:
        UsageError: a name or value is wrong, or there is nothing to search.
        ResourceError: a trial needs more resources than the cluster has.
        RaysqError: every trial failed, or another process runs the same search.
        Interrupted: a signal stopped the search. The same call continues it.

    Example:
        >>> experiment = raysq.tune("jena", trials=16, time="2h", search={"units": [16, 32]})
        >>> experiment.best_config["units"], experiment.best_metrics["val_mae"]
    """
    quiet = hides_progress(quiet)
    do_without_widgets()
    if track is not None:
        check_tracker(track)
    _check(trials, workers_per_trial, gpu, max_concurrent, refit, generations)
    check_scheduler(scheduler)
    check_searcher(searcher)
    goal = Goal.make(metric, mode)
    check_stop(stop, goal)
    of_tune, of_keras = _split_callbacks(callbacks)
    if is_population(scheduler):
        check_population(searcher, workers_per_trial, refit, generations, of_keras)
    seconds = None if time is None else durations.seconds(time, "--time")
    fixed = flat_settings(with_preset(settings, preset))
    model = model_name(model) or tasks.default_model(task, search=True)
    dataset = find_or_prepare(task, data, quiet=quiet)
    config = resolve(task, data=str(dataset.directory), model=model, seed=seed, settings=fixed, validate_splits=False)
    config = with_callbacks(config, of_keras)
    fixed = with_fixed_epochs(fixed, config)
    check_relative(of_keras)
    ignored: tuple[str, ...] = ()
    with contextlib.suppress(RaysqError):  # the model may not build with the defaults; each trial reports its own error
        ignored = ignored_settings(config, dataset)
    if refused := [key for key in ignored if key in config.given]:
        raise UsageError(
            f"model {config.model!r} comes compiled, so its own optimizer decides {', '.join(refused)}: leave "
            f"{'it' if len(refused) == 1 else 'them'} out"
        )
    if not is_own(config.model):
        objective = config.make_problem().objective()
        losses = [f"{name}_loss" for name in objective.loss] if isinstance(objective.loss, Mapping) else []
        goal.check(f"val_{name}" for name in ("loss", *losses, *objective.metrics))
    if not isinstance(scheduler, str) and is_population(scheduler):
        mutated = mutated_domains(scheduler)
        check_mutations(config, mutated)
        search = {**mutated, **(search or {})}
    space = make_space(config, dataset, fixed, search, ignored)
    _check_comparable(config, space, goal)
    if searcher != "random":
        RaySearcher(searcher, space, goal, seed, [])  # refuse a space that it does not take
    if scheduler == "pbt":
        make_pbt(space, config, goal)  # refuse a space in which nothing may change
    if not quiet:
        origin = "the space that you gave" if search else f"the space of task {task}"
        print_message(f"search  model {config.model}, {origin}; the first trial has the defaults")
        for line in space.describe():
            print_message(f"        {line}")
    is_unlimited = trials is None and seconds is not None and generations == 1 and not is_population(scheduler)
    limit = _MOST_TRIALS if is_unlimited else trials or TRIALS
    total = None if is_unlimited else limit * generations
    requested = {
        "trials": total,
        "scheduler": describe_scheduler(scheduler),
        "searcher": describe_searcher(searcher),
        "time": seconds,
        "workers": workers_per_trial,
        "gpu": gpu,
    }
    # Recorded where they were asked for, so that a search without them is the same as one of an older raysq.
    further: dict[str, Any] = {} if goal.is_default else {"metric": goal.metric, "mode": goal.mode}
    if stop is not None:
        further["stop"] = describe_stop(stop)
    if generations > 1:
        further["trials_per_generation"] = limit
    identity = _identity(config, space, requested, further)
    if generations > 1:
        further["generations"] = generations
    about = {
        "id": identity,
        "task": task,
        "problem": config.problem,
        "model": config.model,
        "source_digest": config.source_digest,
        "data": config.data,
        "synthetic": config.synthetic,
        "seed": seed,
        "space": dict(space.domains),
        "fixed": fixed,
        "defaults": dict(space.defaults),
        "requested": {**requested, **further},
        **({"callbacks": config.callbacks} if config.callbacks else {}),
    }
    folder = Path(storage).expanduser().absolute() if storage else home() / "experiments"
    experiment = Experiment.create(folder, identity if name is None else name, about, trust=trust)
    with experiment.lock():
        experiment.begin(fresh)
        queue = TrialQueue(
            experiment,
            space,
            trials=limit,
            seed=seed,
            fixed=fixed,
            searcher=searcher,
            goal=goal,
            generations=generations,
        )
        how = HowToRun(
            workers=workers_per_trial,
            gpu=gpu,
            scheduler=scheduler,
            stop=stop,
            callbacks=of_tune,
            keras_callbacks=pickle_callbacks(of_keras),
            time_limit=seconds,
            trials=total,
            max_concurrent=max_concurrent,
            quiet=quiet,
        )
        running = RunningSearch(experiment, queue, config, dataset, how)
        with tracked_search(experiment, track):
            if not running.is_over():
                running.run()
            running.finalize()
            if refit and not is_done(experiment, refit):
                running.refit(refit)
    return experiment


def _check(trials: int | None, workers: int, gpu: float, concurrent: int | None, refit: int, generations: int) -> None:
    for option, value, least in (
        ("--trials", trials, 1),
        ("--workers-per-trial", workers, 1),
        ("--max-concurrent", concurrent, 1),
        ("--refit", refit, 0),
        ("--gpu", gpu, 0),
        ("--generations", generations, 1),
    ):
        if value is not None and value < least:
            raise UsageError(f"{option} must be at least {least}, received {value}")
    if gpu != int(gpu) and (gpu > 1 or workers > 1):
        who = "a worker group's GPUs are whole ones" if workers > 1 else "above 1, GPUs are whole ones"
        raise UsageError(f"--gpu may be a fraction below 1 for one worker ({who}), received {gpu:g}")


def _check_comparable(config: RunConfig, space: Space, goal: Goal) -> None:
    """Refuse to rank trials by a loss that the searched settings change."""
    changing = set(config.make_problem().loss_settings)
    searched = [key for key in space.domains if key.rpartition(".")[2] in changing]
    if searched and goal.is_loss:
        raise UsageError(
            f"{', '.join(searched)} {'changes' if len(searched) == 1 else 'change'} the loss itself, so that val_loss "
            "does not rank the trials: train with values of your choice (--set), and compare the runs by what they are "
            "for"
        )


def _split_callbacks(callbacks: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return the callbacks of Ray Tune, which see all trials, and those of Keras, which each trial has."""
    if not callbacks:
        return [], []
    from ray.tune import Callback

    of_tune = [callback for callback in callbacks if isinstance(callback, Callback)]
    others = [callback for callback in callbacks if not isinstance(callback, Callback)]
    if others:
        backend.load()
        import keras

        for callback in others:
            if not isinstance(callback, keras.callbacks.Callback):
                raise UsageError(
                    "callbacks of a search are objects of ray.tune.Callback, or of keras.callbacks.Callback for "
                    f"each trial, received {callback!r:.80}"
                )
    return of_tune, others


def _identity(config: RunConfig, space: Space, requested: Mapping[str, Any], further: Mapping[str, Any]) -> str:
    """Return the id of a search; the number of trials and the time limit are left out, so that both may be raised."""
    parts = [config.id, dict(space.domains), requested["scheduler"], requested["searcher"], requested["workers"]]
    if further:
        parts.append(dict(further))
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]
    return f"{config.task}-{config.model.split(':')[-1]}-search-{digest}"
