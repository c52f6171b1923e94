"""Extension of raysq: label each point of a series, such as "normal" and "anomaly"."""

import raysq

POINTS = raysq.Task(
    name="points",
    problem="point_labels",
    title="your own series: a class for each point, from the points before it",
    settings={"epochs": 10, "steps_per_epoch": None, "batch_size": 32, "optimizer": "adam", "learning_rate": 0.01},
    search={"lookback": [4, 8, 16], "units": [16, 32]},
)
