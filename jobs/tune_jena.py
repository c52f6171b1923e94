#!/usr/bin/env python
"""Searches for better settings on the Jena weather data: alone, or by `ray job submit jobs/tune_jena.py`.

Submitting it again continues the search, or shows what it found; more trials or a larger budget continue one that has
ended. `--task beijing` (or another task) searches that one's data, in the space of raysq/tasks/beijing.py.
"""

import argparse

from rich.console import Console

import raysq

SPACE = {  # setting: choices, or (uniform | loguniform | randint, low, high); what is not here keeps its default
    "cell": ["gru", "lstm"],
    "units": [16, 32, 64],
    "layers": [1, 2],
    "dropout": [0.0, 0.1, 0.2, 0.3],
    "recurrent_dropout": [0.0, 0.2],
    "learning_rate": ("loguniform", 3e-4, 3e-3),
    "lookback": ["3d", "5d", "10d"],
    "step": ["30min", "1h", "2h"],
    "calendar": ["", "hour", "hour,yearday"],
}
MODEL = "rnn"
TRIALS = 16  # the defaults are the first
BUDGET = "12h"  # of all sessions together; what trials have reached then is kept
EPOCHS, STEPS = 20, 200  # the most that a trial gets; ASHA ends the worse ones earlier
WORKERS, GPU = 1, 0.0  # of a trial; 0.5: two trials share a GPU
REFIT = 3  # seeds with which the best and the defaults are trained at the end

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="jena", help="default: jena")
parser.add_argument("--source", help="sample[:LENGTH], a path, or a URL (default: what is prepared, else public)")
parser.add_argument("--data", help="name or directory of a prepared data set (default: the task's newest)")
parser.add_argument("--trials", type=int, default=TRIALS)
parser.add_argument("--epochs", type=int, default=EPOCHS, help="the most that a trial gets")
parser.add_argument("--steps", type=int, default=STEPS, help="of an epoch")
parser.add_argument("--budget", default=BUDGET, help="such as 90 (seconds), 30m or 2h; none for no limit")
parser.add_argument("--refit", type=int, default=REFIT, metavar="SEEDS", help="0 for none")
parser.add_argument("--gpu", type=float, default=GPU, help="of a worker; may be a fraction")
parser.add_argument("--storage", help="folder of experiments that all nodes see (default: RAYSQ_HOME/experiments)")
parser.add_argument("--name", help="of the experiment")
options = parser.parse_args()
raysq.plain_errors()

data = raysq.prepare(options.task, source=options.source, quiet=False).directory if options.source else options.data
found = raysq.tune(
    options.task,
    data=data,
    model=MODEL if options.task == "jena" else None,
    trials=options.trials,
    workers_per_trial=WORKERS,
    gpu=options.gpu,
    budget=None if options.budget == "none" else options.budget,
    refit=options.refit,
    storage=options.storage,
    settings={"epochs": options.epochs, "steps_per_epoch": options.steps},
    search=SPACE if options.task == "jena" else None,
    name=options.name,
    quiet=False,
)
found.show(Console(highlight=False, soft_wrap=True))
print(f"best settings in {found.directory / 'best.json'}")
