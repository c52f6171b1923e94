#!/usr/bin/env python
"""Searches for better settings on the Jena weather data: alone, or by `ray job submit jobs/tune_jena.py`.

Submitting it again continues the search, or shows what it found. The space is that of the task (raysq/tasks/jena.py).
"""

import argparse

from rich.console import Console

import raysq

MODEL = "gru"
TRIALS = 16  # the defaults are the first
SETTINGS = {"epochs": 10, "steps_per_epoch": 200}  # the most a trial gets; ASHA ends the worse ones earlier
GPU = 0.0  # of a trial, may be a fraction

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--source", help="sample[:LENGTH], a path, or a URL (default: what is prepared, else public)")
parser.add_argument("--trials", type=int, default=TRIALS)
parser.add_argument("--epochs", type=int, default=SETTINGS["epochs"])
parser.add_argument("--steps", type=int, default=SETTINGS["steps_per_epoch"], help="of an epoch")
options = parser.parse_args()

data = raysq.prepare("jena", source=options.source, quiet=False).directory if options.source else None
settings = {**SETTINGS, "epochs": options.epochs, "steps_per_epoch": options.steps}
found = raysq.tune("jena", data=data, model=MODEL, trials=options.trials, settings=settings, gpu=GPU, quiet=False)
found.show(Console(highlight=False, soft_wrap=True))
print(f"best settings in {found.directory / 'best.json'}")
