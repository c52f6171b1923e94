#!/usr/bin/env python
"""Published figures beside those of raysq, measured with some seeds, and their tables.

The rows are declared in `published_rows/`. Runs are kept in RAYSQ_HOME, where a repeated call finds them again. Results
are written after each run to `results/published/`, and what is there is not measured again unless the row has changed.

    python benchmarks/published.py --data-folder DATA                       # all that is missing
    python benchmarks/published.py --data-folder DATA --only presets_imdb   # rows whose name has this text
    python benchmarks/published.py --tables                                 # print the tables of the results
"""

import argparse
import importlib
import json
import pkgutil
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import published_rows
from published_rows.row import Data, Row

BLEU = "test_bleu_beam5"  # metric of rows that is no metric of a run
RESULTS = Path(__file__).parent / "results" / "published"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-folder", type=Path, help="folder with the raw data of the rows")
    parser.add_argument("--only", action="append", default=[], metavar="TEXT", help="rows whose name has this text")
    parser.add_argument("--seeds", type=int, nargs="+", help="only these of the rows' seeds")
    parser.add_argument(
        "--list", action="store_true", help="print the names of the rows, with the seeds that are missing"
    )
    parser.add_argument("--tables", action="store_true", help="print the tables of the results as Markdown")
    options = parser.parse_args()
    rows = [row for row in declared_rows() if all(text in row.key for text in options.only)]
    if options.tables:
        print("\n\n".join(f"**{file.stem}**\n\n{table(read(file))}" for file in sorted(RESULTS.glob("*.json"))))
        return
    missing = [(row, missing_seeds(row, options.seeds)) for row in rows]
    if options.list:
        for row, seeds in missing:
            print(row.key, *seeds)
        return
    if options.data_folder is None:
        parser.error("--data-folder is needed to measure")
    for row, seeds in missing:
        for seed in seeds:
            measure(row, seed, options.data_folder)


def declared_rows() -> list[Row]:
    """Return the rows of all modules of `published_rows` that have `ROWS`."""
    modules = [
        importlib.import_module(f"published_rows.{each.name}") for each in pkgutil.iter_modules(published_rows.__path__)
    ]
    rows = [row for module in modules for row in getattr(module, "ROWS", ())]
    keys = [row.key for row in rows]
    assert len(keys) == len(set(keys)), f"rows of one name: {sorted(key for key in keys if keys.count(key) > 1)}"
    return rows


def read(file: Path) -> list[dict[str, Any]]:
    return json.loads(file.read_text()) if file.exists() else []


def entry_of(row: Row) -> dict[str, Any]:
    """Return the results of a row, or a new entry where it was not measured or has changed."""
    described = {
        "what": row.what,
        "variant": row.variant,
        "task": row.data.task,
        "source": row.data.source,
        "prepared_with": dict(row.data.settings),
        "model": row.model,
        "preset": row.preset,
        "settings": dict(row.settings),
        "metric": row.metric,
        "epoch": row.epoch,
        "published": row.published,
        "note": row.note,
    }
    described = json.loads(json.dumps(described))
    told = ("published", "note")  # figures do not depend on these
    for entry in read(RESULTS / f"{row.file}.json"):
        if all(entry[name] == value for name, value in described.items() if name not in told):
            return entry | described
    return {**described, "command": "", "seeds": [], "values": [], "epochs": [], "seconds": [], "versions": {}}


def missing_seeds(row: Row, wanted: Iterable[int] | None) -> list[int]:
    done = entry_of(row)["seeds"]
    return [seed for seed in row.seeds if seed not in done and (wanted is None or seed in wanted)]


def measure(row: Row, seed: int, folder: Path) -> None:
    """Train with one seed, and add the figure to the results."""
    import raysq

    data = prepare(row.data, folder)
    run = raysq.train(
        row.data.task, data=data, model=row.model, preset=row.preset, settings=row.settings, seed=seed, quiet=True
    )
    result = run.result()
    if row.metric == BLEU:
        value, epoch = bleu(run.directory, data), result["best_epoch"]
    else:
        value, epoch = figure(row, run.directory, result)
    entry = entry_of(row)
    entry["command"] = command(row)
    entry["versions"] = run.config.versions
    seconds = round(result["seconds"], 1)  # of training, also where the run was finished before
    for name, new in (("seeds", seed), ("values", value), ("epochs", epoch), ("seconds", seconds)):
        entry[name].append(new)
    write(row, entry)
    print(f"{row.key} seed {seed}: {row.metric} {value:.4f} (published {row.published}), {seconds} s", flush=True)


def prepare(data: Data, folder: Path) -> Path:
    """Prepare a data set, which takes a moment where it is there, and return its directory."""
    import raysq

    settings = {
        name: str(folder / value.removeprefix("DATA/")) if str(value).startswith("DATA/") else value
        for name, value in data.settings.items()
    }
    return raysq.prepare(data.task, source=str(folder / data.source), settings=settings, quiet=True).directory


def command(row: Row) -> str:
    """Return the command that trains a row's run, after `raysq prepare` of its data."""
    parts = ["raysq", "train", row.data.task, "--model", row.model]
    parts += ["--preset", row.preset] if row.preset else []
    for name, value in row.settings.items():
        text = value if isinstance(value, str) else json.dumps(value)
        parts += ["--set", f"{name}={'none' if text == 'null' else text}"]
    return shlex.join([*parts, "--seed", "SEED"])


def figure(row: Row, directory: Path, result: Mapping[str, Any]) -> tuple[float, int]:
    """Return the row's figure of a run, and its epoch."""
    if row.epoch == "kept":
        return result["metrics"][row.metric], result["best_epoch"]
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    records = {record["epoch"]: record for record in map(json.loads, lines)}
    if row.epoch != "best":
        return records[row.epoch][row.metric], row.epoch
    best = max if "accuracy" in row.metric else min
    epoch = best(records, key=lambda number: records[number][row.metric])
    return records[epoch][row.metric], epoch


def bleu(directory: Path, data: Path) -> float:
    """Return the BLEU of a run's kept weights on all test pairs of its data set, translated with a beam of 5."""
    import raysq
    from raysq.data.dataset import Dataset

    dataset = Dataset.open(data)
    rows = np.flatnonzero(dataset.column("part").slice(0, dataset.rows) == 1)
    predictor = raysq.load(directory)
    texts = [translation.text for translation in predictor.translate(dataset.texts("source", rows), beam=5)]
    return round(predictor.problem.bleu(texts, dataset.texts("target", rows)), 2)


def write(row: Row, entry: Mapping[str, Any]) -> None:
    """Write an entry in the order of the declared rows."""
    file = RESULTS / f"{row.file}.json"
    entries = {(each["what"], each["variant"]): each for each in read(file)} | {(row.what, row.variant): dict(entry)}
    order = {(each.what, each.variant): number for number, each in enumerate(declared_rows()) if each.file == row.file}
    kept = sorted((name for name in entries if name in order), key=order.__getitem__)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.with_suffix(".new").write_text(json.dumps([entries[name] for name in kept], indent=1) + "\n")
    file.with_suffix(".new").replace(file)


def table(entries: list[dict[str, Any]]) -> str:
    """Return a Markdown table: a line for each figure, a column for each variant; mean and deviation of the seeds."""
    variants = list(dict.fromkeys(entry["variant"] for entry in entries))
    lines = [
        f"| figure | published | {' | '.join(variants)} | training of a run |",
        "|---|" + "---|" * (len(variants) + 2),
    ]
    for what in dict.fromkeys(entry["what"] for entry in entries):
        found = {entry["variant"]: entry for entry in entries if entry["what"] == what}
        first = next(iter(found.values()))
        published = "-" if first["published"] is None else f"{first['published']:g}"
        seconds = [second for entry in found.values() for second in entry["seconds"]]
        cells = [spread(found[variant]["values"]) if variant in found else "-" for variant in variants]
        lines.append(f"| {what}, {first['metric']} | {published} | {' | '.join(cells)} | {fmean(seconds):.0f} s |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    return f"{fmean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else " (one seed)")


if __name__ == "__main__":
    main()
