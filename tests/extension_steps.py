"""What `test_extension.py` runs in a process of its own, on a Ray cluster of two CPUs.

The task `points` comes from the installed package. `quick_points` and its problem are registered by this script: they
travel to Ray's processes by value.
"""

import json
import sys
from pathlib import Path

import keras
from raysq_points.problem import PointLabels

import raysq
from raysq.distributed.cluster import ensure_ray

SETTINGS = {"epochs": 6, "steps_per_epoch": None, "batch_size": 32, "optimizer": "adam", "learning_rate": 0.01}


def linear(inputs, *, bias: bool = True):
    """Build one dense layer over the absolute values."""
    x = keras.Input(inputs.shape)
    return keras.Model(x, keras.layers.Dense(inputs.outputs, "softmax", use_bias=bias)(keras.ops.absolute(x)))


class QuickPoints(PointLabels):
    """Points, with a model that is a function of this script."""

    name = "quick_points"
    models = {"baseline": PointLabels.models["baseline"], "linear": raysq.ModelSpec(linear)}  # noqa: RUF012
    default_model = "linear"


if __name__ == "__main__":
    source, results = sys.argv[1], {}
    raysq.register_problem(QuickPoints)
    raysq.register_task(raysq.Task("quick_points", "quick_points", "points", search={"lookback": [1, 2]}))
    ensure_ray()
    for task in ("points", "quick_points"):
        dataset = raysq.prepare(task, source, name="ray", quiet=True)
        run = raysq.train(task, data="ray", workers=2, settings=SETTINGS, name=f"{task}-2")
        search = raysq.tune(task, data="ray", trials=2, settings={**SETTINGS, "epochs": 2}, scheduler="none", name=task)
        output = Path(source).with_name(f"{task}.csv")
        raysq.predict_file(run, source, output, actors=1)
        results[task] = {
            "shards": [shard.sha256 for shard in dataset.manifest.shards],
            "metrics": raysq.evaluate(run),
            "trials": [trial["state"] for trial in search.trials],
            "predictions": output.read_text(),
        }
    print(json.dumps(results))
