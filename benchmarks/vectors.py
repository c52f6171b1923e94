#!/usr/bin/env python
"""Word vectors of the IMDB reviews: raysq beside gensim, in speed and in quality.

Both sides train on the same passages of the 50,000 reviews, tokenized alike, with the same window, dimension,
negatives, minimal count, subsampling and epochs, and each side's own defaults of the rest; each is a process of its own
that has all cores, and no two run at a time. Words per second are words of the training texts (before
subsampling) times epochs by the time of training, without reading and counting, as gensim's own log counts them; the
wall time is that of the whole process. Quality is Spearman's correlation with WordSim-353 and the share of word2vec's
analogy questions answered right, both files as gensim ships them, both sides measured by gensim on their exported
vectors, unknown words left out.

    pip install 'raysq[test]'
    python benchmarks/vectors.py --source aclImdb_v1.tar.gz
    python benchmarks/vectors.py --source aclImdb_v1.tar.gz --limit 5000 --epochs 1      # a look
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

SIDES = ("raysq", "gensim")
TASKS = ("skipgram", "cbow")
VAL = 0.02  # of the text validates in raysq; gensim is not given it either
SHARED = {"window": 5, "dimension": 100, "negatives": 5, "min_count": 5, "subsample": 1e-3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="aclImdb_v1.tar.gz")
    parser.add_argument("--limit", type=int, help="only so many reviews")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of raysq, beside the defaults")
    parser.add_argument("--output", type=Path, help="default: results/vectors.json beside this script")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    parser.add_argument("--export", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(globals()[f"run_{options.side}"](options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "reviews.jsonl"
        write_corpus(options.source, corpus, options.limit)
        prepare(corpus, Path(folder))
        rows = []
        for task in options.tasks:
            for side in options.sides:
                rows.append(measure(side, task, Path(folder), options))
                print(describe(rows[-1]), flush=True)
    report(rows, options)


def write_corpus(source: Path, target: Path, limit: int | None) -> None:
    """Write the reviews as JSONL; of a limited number, equally many from each folder."""
    reviews: dict[str, list[str]] = {}
    with tarfile.open(source) as archive:
        for member in archive:
            parts = member.name.split("/")
            if member.isfile() and len(parts) == 4 and parts[2] in ("pos", "neg"):
                reviews.setdefault("/".join(parts[1:3]), []).append(archive.extractfile(member).read().decode())
    with open(target, "w", encoding="utf-8") as out:
        for texts in reviews.values():
            for text in texts[: None if limit is None else limit // len(reviews)]:
                out.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


def prepare(corpus: Path, home: Path) -> None:
    """Prepare the data set, and write its training passages as lines of words for gensim."""
    os.environ["RAYSQ_HOME"] = str(home)
    import numpy as np

    import raysq
    from raysq.problems.word_vectors.settings import WordVectorsSettings
    from raysq.problems.word_vectors.stream import Streams

    began = time.perf_counter()
    data = raysq.prepare("skipgram", str(corpus), name="reviews", quiet=True)
    print(f"raysq prepare: {time.perf_counter() - began:.1f} s, {data.manifest.report['tokens']:,} words", flush=True)
    streams = Streams(data, WordVectorsSettings(val=VAL))
    words = np.array(data.extra("vocabulary").column("word").to_pylist(), object)
    offsets = streams.passages.offsets.tolist()
    tokens = data.ragged("tokens").slice(0, offsets[-1])
    with open(home / "lines.txt", "w", encoding="utf-8") as out:
        for passage in np.flatnonzero(streams.split == 0).tolist():
            codes = tokens[offsets[passage] : offsets[passage + 1]]
            out.write(" ".join(words[codes].tolist()) + "\n")


def measure(side: str, task: str, home: Path, options: argparse.Namespace) -> dict:
    """Train one side in a process of its own, and measure the quality of its vectors with gensim."""
    export = home / f"{side}-{task}.txt"
    command = [sys.executable, __file__, "--source", str(options.source), "--side", side, "--task", task]
    command += ["--export", str(export), "--epochs", str(options.epochs), *(f"--set={pair}" for pair in options.set)]
    environment = os.environ | {"RAYSQ_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{side} {task} failed:\n{done.stderr[-3000:]}")
    result = json.loads(done.stdout.splitlines()[-1])
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"side": side, "task": task, "wall": wall, "processor": processor, **result, **quality(export)}


def run_raysq(options: argparse.Namespace) -> dict:
    """`raysq train`, as from the command line."""
    import raysq
    from raysq.config import parse_pairs
    from raysq.inference.neighbors import word_vectors, write_word2vec

    settings = {**SHARED, "val": VAL, "epochs": options.epochs, **parse_pairs(options.set)}
    data = Path(os.environ["RAYSQ_HOME"]) / "data" / "skipgram" / "reviews"
    run = raysq.train(options.task, data=data, settings=settings)
    seconds = run.result()["seconds"]
    metadata = run.config.metadata
    write_word2vec(word_vectors(run), options.export)
    return {
        "seconds": seconds,
        "words": metadata["tokens"],
        "vocabulary": metadata["words"],
        "words_per_second": metadata["tokens"] * options.epochs / seconds,
        "settings": {**run.config.settings["data"], **run.config.settings["model"], **run.config.settings["training"]},
    }


def run_gensim(options: argparse.Namespace) -> dict:
    """`Word2Vec` over the same lines, with as many workers as there are cores."""
    from gensim.models import Word2Vec

    with open(Path(os.environ["RAYSQ_HOME"]) / "lines.txt", encoding="utf-8") as file:
        lines = [line.split() for line in file]
    words = sum(map(len, lines))
    cores = len(os.sched_getaffinity(0))
    settings = {
        "vector_size": SHARED["dimension"],
        "window": SHARED["window"],
        "negative": SHARED["negatives"],
        "min_count": SHARED["min_count"],
        "sample": SHARED["subsample"],
        "sg": int(options.task == "skipgram"),
        "workers": cores,
        "epochs": options.epochs,
    }
    model = Word2Vec(**settings, seed=1)
    model.build_vocab(lines)
    began = time.perf_counter()
    model.train(lines, total_examples=len(lines), epochs=options.epochs)
    seconds = time.perf_counter() - began
    model.wv.save_word2vec_format(str(options.export))
    return {
        "seconds": seconds,
        "words": words,
        "vocabulary": len(model.wv),
        "words_per_second": words * options.epochs / seconds,
        "settings": settings,
    }


def quality(export: Path) -> dict:
    """WordSim-353 and the analogy questions, as gensim counts them."""
    from gensim.models import KeyedVectors
    from gensim.test.utils import datapath

    vectors = KeyedVectors.load_word2vec_format(str(export))
    _, spearman, unknown = vectors.evaluate_word_pairs(datapath("wordsim353.tsv"))
    accuracy, sections = vectors.evaluate_word_analogies(datapath("questions-words.txt"))
    return {
        "wordsim_spearman": float(spearman[0]),
        "wordsim_covered": round(353 * (1 - unknown / 100)),
        "analogy_accuracy": float(accuracy),
        "analogy_covered": len(sections[-1]["correct"]) + len(sections[-1]["incorrect"]),
    }


def describe(row: dict) -> str:
    """Return a line about one measurement."""
    return (
        f"{row['side']} {row['task']}: {row['words_per_second']:,.0f} words/s, training {row['seconds']:.1f} s, wall "
        f"{row['wall']:.1f} s, processor {row['processor']:.1f} s; WordSim-353 {row['wordsim_spearman']:.3f} "
        f"({row['wordsim_covered']} of 353 pairs), analogies {100 * row['analogy_accuracy']:.1f} % "
        f"({row['analogy_covered']:,} of 19,544)"
    )


def report(rows: list[dict], options: argparse.Namespace) -> None:
    """Print a table, and write all measurements."""
    from importlib.metadata import version

    from raysq.training.run_config import versions

    print(
        "\n| task | side | words/s | wall, s | processor, s | WordSim-353 | analogies |\n|---|---|---|---|---|---|---|"
    )
    for row in rows:
        print(
            f"| {row['task']} | {row['side']} | {row['words_per_second']:,.0f} | {row['wall']:.0f} | "
            f"{row['processor']:.0f} | {row['wordsim_spearman']:.3f} | {100 * row['analogy_accuracy']:.1f} % |"
        )
    facts = {
        "limit": options.limit,
        "epochs": options.epochs,
        "cores": len(os.sched_getaffinity(0)),
        "set": options.set,
    }
    facts |= {**versions(), "gensim": version("gensim")}
    output = options.output or Path(__file__).parent / "results" / "vectors.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps({"facts": facts, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
