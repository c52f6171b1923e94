#!/usr/bin/env python
"""From 50,000 raw reviews in a JSONL file to numbers: `raysq prepare`, Keras's Tokenizer, and Hugging Face datasets.

Each side is a process of its own that has all cores, timed from its start to its end, reading and the start of Ray
included; memory is the sum over all its processes of their proportional set size (PSS), sampled. All sides split
words alike and count the vocabulary over all reviews.

    python benchmarks/prepare_text.py --source aclImdb_v1.tar.gz
    python benchmarks/prepare_text.py --source aclImdb_v1.tar.gz --times 20 --sides raysq --limit 3600
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SIDES = ("raysq", "keras", "datasets")
WORDS, MAXLEN = 10_000, 500
FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="aclImdb_v1.tar.gz")
    parser.add_argument("--times", type=int, default=1, help="number of copies of the reviews in the file")
    parser.add_argument("--rounds", type=int, default=1, help="number of runs of each side")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--limit", type=float, help="seconds after which a side is stopped and counted as too slow")
    parser.add_argument("--archive", action="store_true", help="also prepare the tar.gz itself, with raysq alone")
    parser.add_argument("--output", type=Path, help="default: results/prepare_text[_TIMESx].json beside this script")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(globals()[f"run_{options.side}"](options.source)))
        return
    with tempfile.TemporaryDirectory() as folder:
        corpus, texts = write_corpus(options.source, Path(folder) / "reviews.jsonl", options.times)
        rows: dict[str, list[dict]] = {side: [] for side in options.sides}
        for _ in range(options.rounds):
            for side in options.sides:
                rows[side].append(measure(side, corpus, options.limit))
                print(describe(side, rows[side][-1]), flush=True)
        if options.archive:
            rows["raysq, tar.gz"] = [measure("raysq", options.source.absolute(), options.limit)]
            print(describe("raysq, tar.gz", rows["raysq, tar.gz"][-1]), flush=True)
    report(rows, options, texts)


def write_corpus(source: Path, target: Path, times: int) -> tuple[Path, int]:
    """Write the reviews as JSONL with columns text and label; return the file and the size of the texts."""
    size = 0
    with tarfile.open(source) as archive, open(target, "w", encoding="utf-8") as out:
        for member in archive:
            parts = member.name.split("/")
            if not member.isfile() or len(parts) != 4 or parts[2] not in ("pos", "neg"):
                continue
            raw = archive.extractfile(member).read()
            size += len(raw)
            out.write(json.dumps({"text": raw.decode(), "label": parts[2]}, ensure_ascii=False) + "\n")
    once = target.stat().st_size
    with open(target, "ab") as out:
        for _ in range(times - 1):
            with open(target, "rb") as written:
                left = once
                while left:
                    chunk = written.read(min(left, 8 << 20))
                    out.write(chunk)
                    left -= len(chunk)
    return target, size * times


def measure(side: str, corpus: Path, limit: float | None) -> dict:
    """Run a side; return its result, wall time and peak memory, with `late` if it was stopped at the limit."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {
            "RAYSQ_HOME": home,
            "HF_HOME": home,
            "HF_HUB_OFFLINE": "1",
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        environment.pop("RAY_ADDRESS", None)
        command = [sys.executable, __file__, "--source", str(corpus), "--side", side]
        if side == "raysq":
            command = [sys.executable, "-m", "raysq", "prepare", "classify", "--source", str(corpus), "--json"]
            if corpus.suffix == ".jsonl":
                command += ["--set", "text=text", "--set", "label=label", "--set", "test=0"]
        with open(Path(home) / "output", "w+") as output, open(Path(home) / "errors", "w+") as errors:
            began = time.perf_counter()
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=errors, cwd=home)
            peak, timed_out = 0, False
            while process.poll() is None:
                peak = max(peak, sum(map(memory_of, process_tree(process.pid))))
                if limit is not None and time.perf_counter() - began > limit:
                    timed_out = True
                    for pid in reversed(process_tree(process.pid)):
                        os.kill(pid, 9)
                    process.wait()
                time.sleep(0.1)  # measuring takes processor time from the side
            wall = time.perf_counter() - began
            for file in (output, errors):
                file.seek(0)
            if timed_out:
                return {"late": True, "wall": wall, "peak": peak}
            if process.returncode:
                raise SystemExit(f"{side} failed:\n{errors.read()[-3000:]}")
            result = json.loads(output.read().splitlines()[-1])
            if side == "raysq":
                result = describe_dataset(Path(result["dataset"]))
            return {"wall": wall, "peak": peak, **result}


def process_tree(root: int) -> list[int]:
    """Return a process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        try:
            parent = int(Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[1]) if entry.isdigit() else 0
        except OSError:
            continue
        if parent:
            children.setdefault(parent, []).append(int(entry))
    pids = [root]
    for pid in pids:
        pids += children.get(pid, [])
    return pids


def memory_of(pid: int) -> int:
    """Return the proportional set size of a process in bytes."""
    try:
        lines: Iterator[str] = iter(Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines())
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def describe_dataset(directory: Path) -> dict:
    """Return the numbers of documents, words and distinct words of a prepared data set."""
    report = json.loads((directory / "manifest.json").read_text())["report"]
    return {"documents": report["documents"], "tokens": report["tokens"], "vocabulary": report["words"]}


def run_keras(corpus: Path) -> dict:
    """The classic Tokenizer and `pad_sequences`, as the book and the tutorials have them."""
    import keras
    from keras.src.legacy.preprocessing.text import Tokenizer

    texts, labels = [], []
    with open(corpus, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            texts.append(row["text"])
            labels.append(row["label"])
    tokenizer = Tokenizer(num_words=WORDS)
    tokenizer.fit_on_texts(texts)
    x = keras.utils.pad_sequences(tokenizer.texts_to_sequences(texts), maxlen=MAXLEN)
    assert len(x) == len(labels)
    return {
        "documents": len(x),
        "tokens": sum(tokenizer.word_counts.values()),
        "vocabulary": len(tokenizer.word_index),
    }


def run_datasets(corpus: Path) -> dict:
    """`map` on two processes: words first, their count with Arrow, then their numbers."""
    import datasets
    import pyarrow.compute as pc

    datasets.disable_progress_bars()
    table = str.maketrans(dict.fromkeys(FILTERS, " "))

    def split_words(batch: dict) -> dict:
        return {
            "words": [[word for word in text.lower().translate(table).split(" ") if word] for text in batch["text"]]
        }

    raw = datasets.load_dataset("json", data_files=str(corpus), split="train")
    split = raw.map(split_words, batched=True, num_proc=2, remove_columns=["text"])
    counts: dict[str, int] = {}
    for batch in split.with_format("arrow").iter(10_000):
        for entry in pc.value_counts(pc.list_flatten(batch["words"])).to_pylist():
            counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
    ids = {word: index for index, (word, _) in enumerate(sorted(counts.items(), key=lambda pair: -pair[1]))}

    def encode(batch: dict) -> dict:
        return {"tokens": [[ids[word] for word in words] for words in batch["words"]]}

    encoded = split.map(encode, batched=True, num_proc=2, remove_columns=["words"])
    return {"documents": len(encoded), "tokens": sum(counts.values()), "vocabulary": len(ids)}


def describe(side: str, row: dict) -> str:
    """Return a line about one measurement."""
    wall, peak = f"{row['wall']:.1f} s", f"{row['peak'] / 1e6:,.0f} MB at most"
    return f"{side}: stopped after {wall}, {peak}" if row.get("late") else f"{side}: {wall}, {peak}"


def report(rows: dict[str, list[dict]], options: argparse.Namespace, texts: int) -> None:
    """Print MB/s of each side and the ratio to raysq, and write all measurements."""
    from raysq.training.run_config import versions

    walls = {side: statistics.median(row["wall"] for row in measurements) for side, measurements in rows.items()}
    print(f"\n{texts / 1e6:,.1f} MB of text")
    print("| side | wall time, s | MB/s | peak memory, MB | raysq against it |\n|---|---|---|---|---|")
    for side, wall in walls.items():
        # A side that was stopped takes longer than its limit: so does the factor.
        mark = "> " if any(row.get("late") for row in rows[side]) else ""
        peak = max(row["peak"] for row in rows[side]) / 1e6
        ratio = f"{mark}{wall / walls['raysq']:.2f}" if "raysq" in walls else ""
        print(f"| {side} | {mark}{wall:.1f} | {texts / 1e6 / wall:.1f} | {peak:,.0f} | {ratio} |")
    facts = {"times": options.times, "rounds": options.rounds, "limit": options.limit, "text_bytes": texts}
    facts |= {"cores": len(os.sched_getaffinity(0)), "processor": platform.processor(), **versions()}
    suffix = "" if options.times == 1 else f"_{options.times}x"
    output = options.output or Path(__file__).parent / "results" / f"prepare_text{suffix}.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps({"facts": facts, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
