"""Estimate of a run's size and duration: `raysq train --dry-run`."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.training.open_trainer import open_trainer
from raysq.training.run import Run
from raysq.training.run_config import RunConfig
from raysq.training.runtime import configure
from raysq.training.scaling import GRPC, NCCL, CostModel, milliseconds
from raysq.training.size_defaults import describe_size_defaults

if TYPE_CHECKING:
    from raysq.training.trainer import Trainer

_SAMPLE_SECONDS = 3.0


def estimate(config: RunConfig, *, workers: int = 1, gpu: bool = False, threads: int | None = None) -> dict[str, Any]:
    """Build the run's model and time a few of its steps in this process; nothing is written.

    Args:
        config: configuration of the run.
        workers: number of workers to forecast. Defaults to 1, for no forecast.
        gpu: whether to use a GPU.
        threads: TensorFlow's threads. Defaults to all cores.

    Returns:
        A dictionary with the run's id, task, model, data set and settings. `examples` holds the number of examples by
        split, `parameters` and `steps` are numbers, and `remarks` are lines on the resolved settings.
        `estimated_seconds` is the duration of training and validation in this process. With several workers,
        `forecast` holds the cost of a step in a group; see `_forecast`. There is none with the setting `exact`.

    Raises:
        UsageError: `workers` is below 1.
    """
    if workers < 1:
        raise UsageError(f"--workers must be at least 1, received {workers}")
    configure(config.train_settings(), config.seed, gpu=gpu, threads=threads)
    dataset = Dataset.open(config.data)
    trainer = open_trainer(Run(Path(config.id), config), dataset)
    trainable = bool(trainer.model.trainable_variables)
    step_seconds = _step_seconds(trainer) if trainable else 0.0
    trainer.evaluate("val")  # compiles
    started = time.perf_counter()
    trainer.evaluate("val")
    seconds = step_seconds * trainer.total_steps
    seconds += (time.perf_counter() - started) * trainer.settings.epochs
    settings = {**config.by_name(), "seed": config.seed}
    ignored = trainer.compilation.ignored_settings
    values = {
        "run": config.id,
        "task": config.task,
        "model": config.model,
        "data": config.data,
        "synthetic": config.synthetic,
        "settings": {name: value for name, value in settings.items() if name not in ignored},
        "examples": {name: len(examples) for name, examples in trainer.splits.items()},
        "parameters": int(trainer.model.count_params()),
        "steps": trainer.total_steps,
        "estimated_seconds": round(seconds, 1),
        "remarks": [*config.make_problem().describe(), *describe_size_defaults(config)],
    }
    if workers > 1 and trainable and not trainer.settings.exact:
        values["forecast"] = _forecast(config, dataset, trainer, step_seconds, workers, gpu)
    return values


def _step_seconds(trainer: "Trainer") -> float:
    trainer.train(0, 1)  # compiles
    started = time.perf_counter()
    steps = 0
    while time.perf_counter() - started < _SAMPLE_SECONDS:
        count = 64 if steps >= 256 else 4  # a call itself takes as long as some steps of a small model
        trainer.train(1 + steps, count)
        steps += count
    return (time.perf_counter() - started) / steps


def _forecast(
    config: RunConfig, dataset: Dataset, trainer: "Trainer", step_seconds: float, workers: int, gpu: bool
) -> dict[str, Any]:
    """Forecast a step of a worker group from the times of a batch and of a worker's share of it in this process.

    Returns:
        `interconnect`, the name of the link that is assumed between workers; `bytes`, what a step sums over them;
        `compute_seconds` and `communication_seconds` of a step with `workers` workers; `speed`, its rate over that of
        one worker; and `best_workers` and `best_speed`, the fastest number of workers among powers of two.
    """
    batch = trainer.settings.batch_size
    share = -(-batch // workers)
    if share == batch:
        raise UsageError(f"{workers} workers cannot share a batch of {batch}: raise --set batch_size")
    training = {**config.settings["training"], "batch_size": share}
    part = replace(config, settings={**config.settings, "training": training})
    share_seconds = _step_seconds(open_trainer(Run(Path(part.id), part), dataset))
    interconnect = NCCL if gpu else GRPC
    model = CostModel.fit({batch: step_seconds, share: share_seconds}, trainer.model_functions.summed_bytes())
    cost = model.step(batch, workers, interconnect)
    best = model.fastest(batch, interconnect)
    return {
        "workers": workers,
        "interconnect": interconnect.name,
        "bytes": model.size,
        "compute_seconds": cost.compute_seconds,
        "communication_seconds": cost.communication_seconds,
        "speed": step_seconds / cost.seconds,
        "best_workers": best.workers,
        "best_speed": step_seconds / best.seconds,
    }


def show_estimate(console: Any, values: dict[str, Any]) -> None:
    """Print the result of `estimate` as text on the console."""
    console.print(f"run         {values['run']}")
    console.print(f"data        {values['data']}{' (synthetic sample)' if values['synthetic'] else ''}")
    for number, (name, value) in enumerate(values["settings"].items()):
        text = ",".join(map(str, value)) if isinstance(value, list) else value
        console.print(f"{'' if number else 'settings':<12}{name}={text}")
    for number, line in enumerate(values["remarks"]):
        console.print(f"{'' if number else 'remarks':<12}{line}")
    console.print(f"examples    {'  '.join(f'{name} {count:,}' for name, count in values['examples'].items())}")
    console.print(f"parameters  {values['parameters']:,}")
    console.print(f"steps       {values['steps']:,}, about {values['estimated_seconds']:,.0f} s in this process")
    if forecast := values.get("forecast"):
        computes, communicates = (milliseconds(forecast[f"{part}_seconds"]) for part in ("compute", "communication"))
        console.print(
            f"{forecast['workers']} workers   {forecast['speed']:.2g} times as fast as one on machines like this: a"
            f" step computes for {computes} and sums {forecast['bytes']:,} bytes by {forecast['interconnect']} in"
            f" {communicates}"
        )
        console.print(f"            fastest with {forecast['best_workers']} ({forecast['best_speed']:.2g} times)")
