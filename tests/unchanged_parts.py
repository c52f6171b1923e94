"""What `unchanged.py` records: numbers of data sets, runs, predictions and a search, by raysq's public functions."""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import unchanged_cases as names
from unchanged_cases import Case

import raysq

THREADS = 2
Values = dict[str, Any]
Parts = dict[str, Callable[[], Values]]


def parts_of(data: Path | None, only: tuple[str, ...]) -> Parts:
    """Return the keys of parts and the functions that make them.

    Args:
        data: folder of the real files; None leaves out the parts of real files.
        only: beginnings of the keys.
    """
    parts: Parts = {}
    for task in names.TASKS:
        parts[f"shards/sample/{task}"] = lambda task=task: shards(task, "sample", names.SAMPLE_SETTINGS.get(task, {}))
    for task, file in names.REAL.items() if data else ():
        parts[f"shards/real/{task}"] = lambda task=task, path=Path(data, file): shards(task, str(path), {})
    parts |= {f"ray/{task}": lambda task=task: shards_on_ray(task) for task in names.ON_RAY}
    parts |= {f"train/{case.name}": lambda case=case: train(case) for case in names.CASES}
    parts |= {f"workers/{case.name}": lambda case=case: train(case, workers=2) for case in names.CASES if case.workers}
    parts[f"tune/{names.SEARCH[0]}"] = search
    parts = {key: make for key, make in parts.items() if key.startswith(only)}
    for task, file in names.REAL.items() if data else ():
        if not Path(data, file).exists() and parts.pop(f"shards/real/{task}", None):
            print(f"skipped: shards/real/{task}, there is no {Path(data, file)}", flush=True)
    return parts


def shards(task: str, source: str, settings: Values) -> Values:
    """Prepare a data set and return the digests of its files."""
    dataset = raysq.prepare(task, source, settings=settings, quiet=True)
    return digests(dataset.directory)


def shards_on_ray(task: str) -> Values:
    """Return the same of a sample that tasks of a Ray cluster prepare."""
    import ray

    cluster = ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    with cluster, tempfile.TemporaryDirectory(prefix="unchanged-") as home, environment(RAYSQ_HOME=home):
        return shards(task, "sample", names.SAMPLE_SETTINGS.get(task, {}))


def train(case: Case, workers: int = 1) -> Values:
    """Train a run and return its numbers."""
    settings = {key: word_vectors() if value == names.VECTORS else value for key, value in case.prepare.items()}
    dataset = raysq.prepare(case.task, case.source, settings=settings, quiet=True)
    run = raysq.train(
        case.task,
        data=dataset.directory,
        model=case.model,
        settings={**names.TRAINING, **case.settings},
        workers=workers,
        threads=THREADS,
        name=f"{case.name.replace('/', '-')}-{workers}",
        fresh=True,
    )
    lines = (run.directory / "metrics.jsonl").read_text().splitlines()
    values: Values = {"epochs": [numbers(json.loads(line)) for line in lines]}
    for path in sorted(run.directory.glob("checkpoints/*/*.npz")):
        values[f"checkpoint {path.parent.name}"] = arrays(path)
    if workers == 1:
        values["result"] = numbers(json.loads((run.directory / "result.json").read_text())["metrics"])
        values["evaluate"] = raysq.evaluate(run, threads=THREADS)
        values["assets"] = digests(run.directory / "assets")
    if case.predict and workers == 1:
        values |= predictions(case, run)
    return values


def predictions(case: Case, run: Any) -> Values:
    """Predict for the file that a run was trained on, or use what else the run can do."""
    if case.task in ("skipgram", "cbow"):
        near = getattr(raysq.load(run), names.NEIGHBORS)("dog", 5)
        return {"neighbors": [[word, float(value)] for word, value in near]}
    if case.task == "translation":
        sentences = ["the red bird sees the house", "a cat", "the old man finds the small dog and the book"]
        translations = raysq.translate(run, sentences)
        return {"translate": [[translation.text, float(translation.score)] for translation in translations]}
    values: Values = {}
    if case.task == "alice":
        values["generate"] = raysq.generate(run, "the", words=12, seed=3, samples=2)["samples"]
    (raw,) = (path for path in raw_files() if f"-{case.source.partition(':')[2]}-" in path.name)
    output = run.directory.parent / "predictions.csv"
    raysq.predict_file(run, raw, output)
    header, _, rows = output.read_bytes().partition(b"\n")
    return {**values, "predict": {"header": header.decode(), "rows": hashlib.sha256(rows).hexdigest()}}


def search() -> Values:
    """Search and return settings and metrics of the trials, by their number."""
    task, source, arguments = names.SEARCH
    dataset = raysq.prepare(task, source, quiet=True)
    experiment = raysq.tune(task, data=dataset.directory, **arguments, name="unchanged", fresh=True)
    trials = sorted(experiment.trials, key=lambda trial: trial["number"])
    return {
        "trials": [
            {"settings": trial[names.TRIAL_SETTINGS], "metrics": numbers(trial.get("metrics") or {})}
            for trial in trials
        ]
    }


def numbers(record: Values) -> Values:
    """Return the numbers of a line of `metrics.jsonl` without durations."""
    return {name: value for name, value in record.items() if isinstance(value, (int, float)) and "second" not in name}


def digests(folder: Path) -> Values:
    """Return the sha256 of every file of a folder that is neither JSON, whose format may change, nor hidden."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.suffix != ".json"
    }


def arrays(path: Path) -> str:
    """Return a digest of a checkpoint's arrays in their order, whatever their names."""
    digest = hashlib.sha256()
    with np.load(path, allow_pickle=False) as variables:
        for name in variables.files:
            array = np.ascontiguousarray(variables[name])
            digest.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def word_vectors() -> str:
    """Write a file of word vectors, the same every time, and return its path."""
    path = Path(os.environ["RAYSQ_HOME"]) / "vectors.txt"
    table = np.random.RandomState(0).randint(-99, 100, (len(names.VECTOR_WORDS), 8)) / 100
    path.write_text(
        "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in zip(names.VECTOR_WORDS, table, strict=True))
    )
    return str(path)


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables for the duration of the context."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def raw_files() -> Iterator[Path]:
    """Return the files of samples in this home."""
    return (path for path in (Path(os.environ["RAYSQ_HOME"]) / "sources").rglob("sample-*") if path.is_file())
