#!/usr/bin/env python
"""Print the table of long-horizon forecasts of docs/forecasting.md from the results of `published.py`.

python benchmarks/horizon_table.py
"""

import json
from pathlib import Path
from statistics import fmean

from published_rows.horizon import MODELS, PUBLISHED, RANGES

RESULTS = Path(__file__).parent / "results" / "published"
UNTRAINED = ("baseline", "ridge")
NAMES = {"etth1": "ETTh1", "weather": "Weather"}


def table() -> str:
    """Return the table as Markdown: a line for each model, squared / absolute errors of each range, means of seeds."""
    lines = [
        f"| series | model | {' | '.join(map(str, RANGES))} | training |",
        "|---|---|" + "---|" * (len(RANGES) + 1),
    ]
    for data, models in MODELS.items():
        file = RESULTS / f"horizon_{data}.json"
        entries = {entry["what"]: entry for entry in json.loads(file.read_text())}
        for model in dict.fromkeys([*models, *PUBLISHED[data]]):
            published = PUBLISHED[data].get(model)
            if published:
                cells = [f"{mse:.3f} / {mae:.3f}" for mse, mae in zip(*published, strict=True)]
                lines.append(f"| {NAMES[data]} | {model}, published | {' | '.join(cells)} | |")
            found = [[entries.get(f"{model}, {ahead} rows, {metric}") for metric in ("mse", "mae")] for ahead in RANGES]
            measured = [pair for pair in found if None not in pair]
            if measured:
                means = [[entry and fmean(entry["values"]) for entry in pair] for pair in found]
                cells = ["-" if None in pair else f"{pair[0]:.4f} / {pair[1]:.4f}" for pair in means]
                seconds = [second for pair in measured for second in pair[0]["seconds"]]
                training = f"{min(seconds):.0f} to {max(seconds):.0f} s" if model not in UNTRAINED else ""
                lines.append(f"| {NAMES[data]} | `{model}` | {' | '.join(cells)} | {training} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
