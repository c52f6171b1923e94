"""A small learnable corpus of pairs, prepared without Ray."""

from pathlib import Path

import numpy as np

from raysq.data.dataset import Dataset
from raysq.data.pipeline import build
from raysq.data.sources import resolve
from raysq.problems.translation.preprocessor import TranslationPreprocessor

SMALL = {
    "batch_size": 32,
    "eval_batch_size": 64,
    "steps_per_epoch": None,
    "optimizer": "adam",
    "learning_rate": 0.01,
    "embedding": 16,
    "units": 32,
}


def sentences(count: int = 400, seed: int = 0) -> list[tuple[str, str]]:
    """Sentences of 2 to 6 words, and their words from the end, in capitals where the first word is "w0"."""
    random = np.random.RandomState(seed)
    found = []
    for _ in range(count):
        numbers = random.randint(0, 12, random.randint(2, 7)).tolist()
        target = [f"{'u' if numbers[0] == 0 else 't'}{number}" for number in numbers[::-1]]
        found.append((" ".join(f"w{number}" for number in numbers), " ".join(target)))
    return found


def write_tabbed(path: Path, pairs: list[tuple[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    return path


def write_aligned(folder: Path, stem: str, pairs: list[tuple[str, str]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for place, side in enumerate(("src", "tgt")):
        text = "".join(f"{pair[place]}\n" for pair in pairs)
        (folder / f"{stem}.{side}").write_text(text, encoding="utf-8")


def prepared(raw: Path, out: Path, *, cpus: int | None = None, shard_rows: int = 100, **settings) -> Dataset:
    """What `raysq prepare pairs` makes of raw files."""
    preparation = TranslationPreprocessor(**settings)
    found = resolve(str(raw), suffixes=preparation.suffixes, trees=False)
    preparation, told = preparation.infer(found.files)
    identity = {"task": "pairs", "problem": "translation", "name": out.name}
    return build(preparation, found, out, identity, messages=told, shard_rows=shard_rows, cpus=cpus)
