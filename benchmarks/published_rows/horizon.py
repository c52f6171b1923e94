"""Rows of the public tables of long-horizon forecasts: ETTh1 and Weather, all columns, ranges of 96 to 720 rows.

Mean squared and absolute errors over all steps and columns, in units of the training rows' deviation, on every window
of the test part. Published: LTSF-Benchmark.md of LTSF-Linear (Zeng et al. 2023), and table 3 of PatchTST (Nie et al.
2023), with 64 patches. The tables' code leaves out the windows of its last batch.
"""

from published_rows.row import SEEDS, Data, Row

RANGES = (96, 192, 336, 720)
# Every cell of the files counts as it is.
_RAW = {"targets": "all", "sentinel": "keep", "missing": "error", "bad_cells": "error"}
DATA = {
    "etth1": Data("forecast", "ett/ETTh1.csv", _RAW),
    "weather": Data("forecast", "jena/weather.zip", {**_RAW, "encoding": "latin-1"}),
}
Errors = tuple[tuple[float, ...], tuple[float, ...]]  # squared and absolute, at each range
PUBLISHED: dict[str, dict[str, Errors]] = {
    "etth1": {
        "linear": ((0.375, 0.418, 0.479, 0.624), (0.397, 0.429, 0.476, 0.592)),
        "nlinear": ((0.374, 0.408, 0.429, 0.440), (0.394, 0.415, 0.427, 0.453)),
        "dlinear": ((0.375, 0.405, 0.439, 0.472), (0.399, 0.416, 0.443, 0.490)),
        "patchtst": ((0.370, 0.413, 0.422, 0.447), (0.400, 0.429, 0.440, 0.468)),
    },
    "weather": {
        "baseline": ((0.259, 0.309, 0.377, 0.465), (0.254, 0.292, 0.338, 0.394)),
        # LTSF-Benchmark.md has these two lines of figures the other way round.
        "nlinear": ((0.182, 0.225, 0.271, 0.338), (0.232, 0.269, 0.301, 0.348)),
        "dlinear": ((0.176, 0.220, 0.265, 0.323), (0.237, 0.282, 0.319, 0.362)),
        "patchtst": ((0.149, 0.194, 0.245, 0.314), (0.198, 0.241, 0.282, 0.334)),
    },
}
# Models, the rows that they see (for all ranges or for each), and settings other than their defaults.
MODELS: dict[str, dict[str, tuple[int | tuple[int, ...], dict[str, int]]]] = {
    "etth1": {
        "baseline": (336, {}),
        # Chosen by the squared errors of validation.
        "ridge": ((512, 512, 336, 336), {"alpha": 10000}),
        "linear": (336, {}),
        "nlinear": (336, {}),
        "dlinear": (336, {}),
        "rlinear": (336, {}),
    },
    "weather": {
        "baseline": (336, {}),
        "ridge": (336, {}),
        "nlinear": (336, {}),
        "dlinear": (336, {}),
    },
}
_ONE_SEED = ("baseline", "ridge")  # solved: the same for all seeds


def _rows() -> list[Row]:
    rows = []
    for data, models in MODELS.items():
        for model, (lookback, changes) in models.items():
            published = PUBLISHED[data].get(model)
            for number, ahead in enumerate(RANGES):
                for kind, metric in enumerate(("mse", "mae")):
                    seen = lookback if isinstance(lookback, int) else lookback[number]
                    settings = {"lookback": seen, "step": 1, "horizon": f"1:{ahead}", "protocol": "ltsf", **changes}
                    rows.append(
                        Row(
                            f"horizon_{data}",
                            f"{model}, {ahead} rows, {metric}",
                            "measured",
                            DATA[data],
                            model,
                            f"test_{metric}",
                            None if published is None else published[kind][number],
                            settings=settings,
                            seeds=SEEDS[:1] if model in _ONE_SEED or data == "weather" else SEEDS,
                        )
                    )
    return rows


ROWS = _rows()
