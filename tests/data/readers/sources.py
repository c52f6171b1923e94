"""Small valid sources of every form that is read, to be damaged."""

import gzip
import io
import json
import pickle
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from PIL import Image

Source = tuple[str, dict[str, Any], Path]  # task, settings, and the file or the folder

WORDS = ["good", "bad", "film", "long", "short", "plot", "actor", "it", "was", "the", "a", "of", "and", "é", "ü"]
IMAGES = ("png", "jpg", "gif", "bmp", "tif", "webp", "ppm")


def write_sources(root: Path) -> dict[str, Source]:
    """Write the sources, and return them by their names."""
    sources = {}
    for name, task, settings, content in (*_texts(), *_series(), *_pairs(), *_images()):
        path = root / name
        _write(path, content)
        sources[name] = (task, settings, path)
    return sources


def rows(count: int = 60) -> list[tuple[str, str]]:
    """Texts and their labels."""
    source = random.Random(1)
    return [
        (" ".join(source.choice(WORDS) for _ in range(source.randrange(3, 30))), source.choice(["pos", "neg"]))
        for _ in range(count)
    ]


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    """A tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


def parquet(table: pa.Table, **options: Any) -> bytes:
    """A Parquet file."""
    buffer = io.BytesIO()
    pa.parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


def npz(save: Callable[..., None] = np.savez, **arrays: np.ndarray) -> bytes:
    """An npz file."""
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


Content = bytes | dict[str, bytes]
Made = Iterator[tuple[str, str, dict[str, Any], Content]]


def _write(path: Path, content: Content) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    for name, inner in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(inner)


def _texts() -> Made:
    texts = rows()
    csv = "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in texts)
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in texts).encode()
    table = pa.table({"text": [text for text, _ in texts], "label": [label for _, label in texts]})
    tree = {f"{label}/{number}.txt": text.encode() for number, (text, label) in enumerate(texts)}
    book = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n" + "\n\n".join(text for text, _ in texts)
    book += "\n\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\nlicense\n"
    vectors = "".join(f"{word} {number / 7:.4f} {number / 3:.4f} 1\n" for number, word in enumerate(WORDS)).encode()
    for name, content in {
        "text.csv": csv.encode(),
        "text.csv.gz": gzip.compress(csv.encode()),
        "text16.csv": csv.encode("utf-16"),
        "text.tsv": csv.replace('"', "").replace(",", "\t").encode(),
        "text.zip": zipped({"text.csv": csv.encode()}),
        "text.jsonl": lines,
        "text.jsonl.gz": gzip.compress(lines),
        "text.json": json.dumps(table.to_pylist()).encode(),
        "columns.json": json.dumps(table.to_pydict()).encode(),
        "text.parquet": parquet(table, row_group_size=25),
        "plain.parquet": parquet(table, compression="none", use_dictionary=False),
        "tree": tree,
        "text.tar": tarred(tree),
        "text.tar.gz": gzip.compress(tarred(tree)),
    }.items():
        yield name, "classify", {}, content
    yield "book.txt", "text", {}, book.encode()
    yield "book.txt.gz", "text", {}, gzip.compress(book.encode())
    source = np.random.RandomState(0)
    ranks = {
        part: np.array([source.randint(1, 50, source.randint(3, 20)).tolist() for _ in range(count)] + [None], object)
        for part, count in (("train", 30), ("test", 20))
    }
    arrays = {f"x_{part}": lists[:-1] for part, lists in ranks.items()}
    arrays |= {f"y_{part}": source.randint(0, 2, len(lists) - 1) for part, lists in ranks.items()}
    yield "imdb.npz", "imdb", {}, npz(**arrays)
    for name, content in {
        "vectors.txt": vectors,
        "vectors.txt.gz": gzip.compress(vectors),
        "vectors.zip": zipped({"vectors.txt": vectors}),
    }.items():
        yield name, "vectors", {}, content


def _series() -> Made:
    times = np.datetime64("2020-01-01T00:00:00") + np.arange(150) * np.timedelta64(1, "h")
    table = pa.table(
        {
            "time": pa.array(times),
            "a": np.sin(np.arange(150) / 5).round(4),
            "b": np.arange(150) % 7,
            "c": [("red", "blue", "blue")[number % 3] for number in range(150)],
        }
    )
    csv = "time,a,b,c\n" + "".join(",".join(map(str, row.values())) + "\n" for row in table.to_pylist())
    text = table.set_column(0, "time", pa.array([str(time).replace("T", " ") for time in times]))
    for name, content in {
        "series.csv": csv.encode(),
        "series.csv.gz": gzip.compress(csv.encode()),
        "series16.csv": csv.encode("utf-16"),
        "series.zip": zipped({"series.csv": csv.encode()}),
        "series.parquet": parquet(table, row_group_size=60),
        "series_text.parquet": parquet(text, compression="none", use_dictionary=False),
    }.items():
        yield name, "forecast", {"targets": "a"}, content
    yield "series_levels.csv", "forecast", {"targets": "a", "categories": "c"}, csv.encode()


def _pairs() -> Made:
    texts = [text for text, _ in rows()]
    sides = list(zip(texts, reversed(texts), strict=True))
    table = pa.table({"source": texts, "target": texts[::-1]})
    csv = "source,target\n" + "".join(f'"{left}","{other}"\n' for left, other in sides)
    for name, content in {
        "pairs": {"train.en": "\n".join(texts).encode(), "train.de": "\n".join(texts[::-1]).encode()},
        "pairs.txt": "".join(f"{left}\t{other}\n" for left, other in sides).encode(),
        "pairs.csv": csv.encode(),
        "pairs.jsonl": "".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode(),
        "pairs.parquet": parquet(table),
    }.items():
        yield name, "pairs", {}, content


def _images() -> Made:
    source = np.random.RandomState(0)
    pixels, labels = source.randint(0, 256, (40, 8, 8)).astype("u1"), np.arange(40) % 2
    idx = {
        "train-images-idx3-ubyte": struct.pack(">I3I", 0x803, *pixels.shape) + pixels.tobytes(),
        "train-labels-idx1-ubyte": struct.pack(">II", 0x801, len(labels)) + labels.astype("u1").tobytes(),
    }
    cifar = {
        name: pickle.dumps(
            {
                b"data": source.randint(0, 256, (6, 3072)).astype("u1"),
                b"labels": [0, 1, 0, 1, 0, 1],
                b"filenames": [b"x"] * 6,
            },
            protocol=2,
        )
        for name in ("data_batch_1", "test_batch")
    }
    cifar["batches.meta"] = pickle.dumps({"label_names": ["cat", "dog"]}, protocol=2)
    csv = "label," + ",".join(f"p{number}" for number in range(64)) + "\n"
    csv += "".join(
        f"{label}," + ",".join(map(str, image.ravel())) + "\n" for label, image in zip(labels, pixels, strict=True)
    )
    trees = {}
    for form in IMAGES:
        trees[form] = {}
        for number in range(8):
            buffer = io.BytesIO()
            image = Image.fromarray(source.randint(0, 256, (8, 8, 3)).astype("u1"))
            image.save(buffer, {"jpg": "jpeg", "tif": "tiff"}.get(form, form))
            trees[form][f"{'ab'[number % 2]}/{number}.{form}"] = buffer.getvalue()
    tree = trees["png"]
    listed = {name.rpartition("/")[2]: content for name, content in tree.items()}
    listed["labels.csv"] = ("file,label\n" + "".join(f"{name[2:]},{name[0]}\n" for name in tree)).encode()
    for name, content in {
        "images.npz": npz(x_train=pixels, y_train=labels, x_test=pixels[:10], y_test=labels[:10]),
        "packed.npz": npz(np.savez_compressed, x=pixels, y=labels),
        "fortran.npz": npz(x=np.asfortranarray(pixels), y=labels.astype("f4")),
        "idx": idx,
        "idx_gz": {f"{name}.gz": gzip.compress(content) for name, content in idx.items()},
        "cifar": cifar,
        "cifar.tar.gz": gzip.compress(tarred(cifar)),
        **{f"images_{form}": tree for form, tree in trees.items()},
        "images.zip": zipped(tree),
        "images.tar": tarred(tree),
        "images.tar.gz": gzip.compress(tarred(tree)),
        "images.csv": csv.encode(),
        "listed": listed,
    }.items():
        yield name, "images", {}, content
