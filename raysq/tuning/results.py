"""Results of a search: the exported best trial and `best.json`."""

from pathlib import Path

from raysq.distributed import memory, placement
from raysq.distributed.lost_work import MOST_LOSSES
from raysq.errors import RaysqError, ResourceError
from raysq.training import experiment_files as files
from raysq.training.run import Run
from raysq.tuning.experiment import Experiment
from raysq.tuning.run_trial import TrialContext
from raysq.tuning.trial_queue import TrialQueue, trial_directory


def is_exported(directory: Path) -> bool:
    """Return whether the run of a directory has its result and its model file."""
    return (directory / "result.json").exists() and (directory / "model.keras").exists()


def export_best(context: TrialContext, directory: Path, ended: str) -> None:
    """Export the best trial: write its model file and evaluate the test split.

    Needed where the trial was stopped early, or was not the best when it ended. It is done in a Ray task, so that the
    driver does not import TensorFlow, and so that a GPU is used if the trials had one.

    Args:
        context: context of the trials.
        directory: directory of the trial's run.
        ended: state of the trial, such as "stopped early".

    Raises:
        ResourceError: the machine ran out of memory.
        RaysqError: the trial cannot be evaluated.
    """
    import ray

    task = ray.remote(_export).options(num_cpus=1, num_gpus=min(1.0, context.gpu), max_retries=MOST_LOSSES)
    try:
        ray.get(task.remote(context, str(directory), ended))
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, RaysqError):
            raise cause from None
        if memory.is_out_of_memory(error):
            left = memory.unreserved()
            has = "" if left is None else f" ({memory.gigabytes(left)} are left)"
            raise ResourceError(
                f"the best trial cannot be evaluated: this machine ran out of memory{has}: end other work; the same "
                "command continues"
            ) from None
        lines = str(error).strip().splitlines() or [repr(error)]
        raise RaysqError(f"the best trial cannot be evaluated: {lines[-1]}") from None


def _export(context: TrialContext, directory: str, ended: str) -> None:
    from raysq.training.finalize import finalize
    from raysq.training.runtime import configure

    run = Run.open(directory, trust=context.trust).named(context.model, context.source)
    configure(run.config.train_settings(), run.config.seed, gpu=context.gpu > 0)
    finalize(run, ended=ended, dataset=placement.open_dataset(context.data, context.dataset_ref))


def write_best(experiment: Experiment, scheduler: TrialQueue, seconds: float) -> None:
    """Write `trials.json` and then `best.json`.

    Args:
        experiment: the search.
        scheduler: scheduler of the search, which has a best trial.
        seconds: duration of the search.
    """
    record = scheduler.best()
    assert record is not None
    run = Run.open(trial_directory(experiment, record), trust=experiment.trust)
    metrics = (run.result() or {})["metrics"]
    scheduler.save()
    config = run.config
    values = {
        "format_version": 2,
        "task": config.task,
        "model": config.model,
        "seed": config.seed,
        "data": config.data,
        "synthetic": config.synthetic,
        "settings": config.overrides(),
        "metrics": {key: value for key, value in metrics.items() if key.startswith(("val_", "test_"))},
        "run": str(run.directory),
        **({"schedule": record["schedule"]} if record.get("schedule") else {}),
        "seconds": round(seconds, 1),
    }
    files.write_best(experiment.directory, values)
