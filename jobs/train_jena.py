#!/usr/bin/env python
"""Trains a GRU on the Jena weather data: alone, or by `ray job submit jobs/train_jena.py`."""

import argparse

import raysq

MODEL = "gru"
WORKERS = 1  # more train in a Ray worker group
GPU = False  # one for each worker; or --gpu
SETTINGS = {"epochs": 20, "steps_per_epoch": 500, "batch_size": 128}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--source", help="sample[:LENGTH], a path, or a URL (default: what is prepared, else public)")
parser.add_argument("--model", default=MODEL)
parser.add_argument("--workers", type=int, default=WORKERS)
parser.add_argument("--epochs", type=int, default=SETTINGS["epochs"])
parser.add_argument("--steps", type=int, default=SETTINGS["steps_per_epoch"], help="of an epoch")
parser.add_argument("--gpu", action="store_true", default=GPU, help="one for each worker")
options = parser.parse_args()
raysq.plain_errors()

data = raysq.prepare("jena", source=options.source, quiet=False).directory if options.source else None
settings = {**SETTINGS, "epochs": options.epochs, "steps_per_epoch": options.steps}
run = raysq.train(
    "jena", data=data, model=options.model, workers=options.workers, gpu=options.gpu, settings=settings, quiet=False
)
for model, metrics in raysq.evaluate(run).items():
    for split in ("val", "test"):
        normalized, degrees = metrics[f"{split}_mae"], metrics[f"{split}_mae_original"]
        print(f"{model:<12} {split:<5} MAE {normalized:.4f}  {degrees:.2f} degC")
print(f"{'synthetic sample; ' if run.config.synthetic else ''}run in {run.directory}")
