#!/usr/bin/env python
"""Long-horizon forecasts against the public tables: ETTh1 and Weather, four ranges of rows, all columns as targets.

    python benchmarks/long_horizon.py --data ../shared/data [--only etth1/nlinear] [--out benchmarks/results/published]

Each row is a run of `raysq train forecast` by the protocol of the tables, measured on every window of the test part:
mean squared and mean absolute error over all steps and columns, in units of the training rows' deviation. Rows are
written to `horizon_DATA_MODEL.json` as they are measured.
"""

import argparse
import json
import os
import tempfile
import time
import zipfile
from pathlib import Path

RANGES = (96, 192, 336, 720)
SOURCES = {"etth1": "ett/ETTh1.csv", "weather": "jena/weather.zip"}
# Mean squared and absolute error at each range: LTSF-Benchmark.md of LTSF-Linear (Zeng et al. 2023), and table 3
# of PatchTST (Nie et al. 2023) with 64 patches.
PUBLISHED = {
    "etth1": {
        "linear": ((0.375, 0.397), (0.418, 0.429), (0.479, 0.476), (0.624, 0.592)),
        "nlinear": ((0.374, 0.394), (0.408, 0.415), (0.429, 0.427), (0.440, 0.453)),
        "dlinear": ((0.375, 0.399), (0.405, 0.416), (0.439, 0.443), (0.472, 0.490)),
        "patchtst": ((0.370, 0.400), (0.413, 0.429), (0.422, 0.440), (0.447, 0.468)),
    },
    "weather": {
        "baseline": ((0.259, 0.254), (0.309, 0.292), (0.377, 0.338), (0.465, 0.394)),
        "linear": ((0.176, 0.236), (0.218, 0.276), (0.262, 0.312), (0.326, 0.365)),
        # The table names the two the other way round than the paper's text does.
        "nlinear": ((0.182, 0.232), (0.225, 0.269), (0.271, 0.301), (0.338, 0.348)),
        "dlinear": ((0.176, 0.237), (0.220, 0.282), (0.265, 0.319), (0.323, 0.362)),
        "patchtst": ((0.149, 0.198), (0.194, 0.241), (0.245, 0.282), (0.314, 0.334)),
    },
}
# Rows to measure: model, the rows that it sees, and settings other than its defaults.
ROWS = {
    "etth1": {
        "baseline": (336, {}),
        "seasonal": (336, {}),
        "ridge": (336, {}),
        "linear": (336, {}),
        "nlinear": (336, {}),
        "dlinear": (336, {}),
        "rlinear": (336, {}),
        "patchtst": (336, {}),
    },
    "weather": {
        "baseline": (336, {}),
        "ridge": (336, {}),
        "nlinear": (336, {}),
        "dlinear": (336, {}),
    },
}


def prepare(name: str, folder: Path, work: Path):
    """Prepare a series with its own format."""
    import raysq

    source = folder / SOURCES[name]
    if source.suffix == ".zip":  # header in latin-1
        with zipfile.ZipFile(source) as archive:
            text = archive.read("weather/weather.csv").decode("latin-1")
        source = work / "weather.csv"
        source.write_text(text)
    # The tables take every cell as it is.
    settings = {"targets": "all", "horizon": "1:96", "sentinel": "keep", "missing": "error", "bad_cells": "error"}
    return raysq.prepare("forecast", source=str(source), name=name, settings=settings, quiet=True)


def measure(dataset, name: str, model: str, rows: int, seed: int) -> list[dict]:
    """Train one run and return its rows of the table."""
    import raysq

    lookback, changes = ROWS[name][model]
    settings = {"lookback": lookback, "step": 1, "horizon": f"1:{rows}", "protocol": "ltsf", **changes}
    begin = time.perf_counter()
    run = raysq.train("forecast", data=dataset.directory, model=model, settings=settings, seed=seed)
    seconds = time.perf_counter() - begin
    metrics = run.result()["metrics"]
    published = PUBLISHED[name].get(model)
    options = " ".join(f"--set {key}={value}" for key, value in settings.items())
    return [
        {
            "task": f"forecast {name}",
            "model": model,
            "horizon": rows,
            "settings": settings,
            "preset": None,
            "seed": seed,
            "metric": f"test_{metric}",
            "value": metrics[f"test_{metric}"],
            "published": published[RANGES.index(rows)][number] if published else None,
            "seconds": round(seconds, 1),
            "epochs": len(run.metrics()),
            "command": f"raysq train forecast --data {name} --model {model} --seed {seed} {options}",
            "versions": run.config.versions,
        }
        for number, metric in enumerate(("mse", "mae"))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "published")
    parser.add_argument("--only", default="", help="beginning of DATA/MODEL/RANGE")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        os.environ.setdefault("RAYSQ_HOME", work)
        for name, models in ROWS.items():
            dataset = None
            for model in models:
                wanted = [rows for rows in RANGES if f"{name}/{model}/{rows}".startswith(options.only)]
                if not wanted:
                    continue
                dataset = dataset or prepare(name, options.data, Path(work))
                path = options.out / f"horizon_{name}_{model}.json"
                kept = json.loads(path.read_text()) if path.exists() else []
                for rows in wanted:
                    found = measure(dataset, name, model, rows, options.seed)
                    kept = [row for row in kept if (row["horizon"], row["seed"]) != (rows, options.seed)] + found
                    kept.sort(key=lambda row: (row["horizon"], row["seed"], row["metric"]))
                    path.write_text(json.dumps(kept, indent=1) + "\n")
                    for row in found:
                        print(
                            f"{name} {model} {rows} {row['metric']} {row['value']:.4f} published {row['published']} "
                            f"{row['seconds']} s {row['epochs']} epochs",
                            flush=True,
                        )


if __name__ == "__main__":
    main()
