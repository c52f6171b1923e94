"""Estimate of a run's size and duration: `raysq train --dry-run`."""

import time
from typing import Any

from raysq.data.dataset import Dataset
from raysq.training.open_trainer import open_trainer
from raysq.training.run import Run
from raysq.training.run_config import RunConfig
from raysq.training.runtime import configure

_SAMPLE_SECONDS = 3.0


def estimate(config: RunConfig, *, gpu: bool = False, threads: int | None = None) -> dict[str, Any]:
    """Build the run's model and time a few of its steps in this process; nothing is written.

    Args:
        config: configuration of the run.
        gpu: whether to use a GPU.
        threads: TensorFlow's threads. Defaults to all cores.

    Returns:
        A dictionary with the run's id, task, model, data set and settings. `examples` holds the number of examples by
        split, `parameters` and `steps` are numbers, and `remarks` are lines on the resolved settings.
        `estimated_seconds` is the duration of training and validation in this process.
    """
    from pathlib import Path

    configure(config.train_settings(), config.seed, gpu=gpu, threads=threads)
    trainer = open_trainer(Run(Path(config.id), config), Dataset.open(config.data))
    seconds = 0.0
    if trainer.model.trainable_variables:
        trainer.train(0, 1)  # compiles
        started = time.perf_counter()
        steps = 0
        while time.perf_counter() - started < _SAMPLE_SECONDS:
            trainer.train(1 + steps, 4)
            steps += 4
        seconds = (time.perf_counter() - started) / steps * trainer.total_steps
    trainer.evaluate("val")  # compiles
    started = time.perf_counter()
    trainer.evaluate("val")
    seconds += (time.perf_counter() - started) * trainer.settings.epochs
    settings = {**config.by_name(), "seed": config.seed}
    ignored = trainer.compilation.ignored_settings
    return {
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
        "remarks": config.make_problem().describe(),
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
