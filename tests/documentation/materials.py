"""Small files under the names that the pages use, and what a page expects to have been prepared."""

import csv
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from documentation.blocks import blocks
from PIL import Image

from raysq.problems.forecasting import sample as series
from raysq.problems.text_classification.sample import sample as documents
from raysq.problems.translation.sample import sample as pairs
from raysq.problems.word_vectors.sample import sample as sentences


def weather(path: Path) -> None:
    """Hourly weather with the columns of the Beijing data, and their times in one column."""
    written = series.hourly_sample(path.parent, "100d")
    with written.open() as file, path.open("w", newline="") as out:
        rows = list(csv.DictReader(file))
        table = csv.writer(out)
        table.writerow(["time", "TEMP", "PRES", "wind"])
        for row in rows:
            time = f"{row['year']}-{int(row['month']):02}-{int(row['day']):02} {int(row['hour']):02}:00"
            table.writerow([time, row["TEMP"], row["PRES"], row["cbwd"]])


def beijing(path: Path) -> None:
    """Hourly weather as the Beijing data."""
    series.hourly_sample(path.parent, "100d").rename(path)


def jena(path: Path) -> None:
    """A zip of a csv as the Jena data."""
    written = series.sample(path.parent, "60d")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(written, "jena_climate_2009_2016.csv")


def jena_frame(folder: Path) -> pd.DataFrame:
    """Rows of the Jena data in memory."""
    return pd.read_csv(series.sample(folder, "20d"))


def reviews(folder: Path) -> None:
    """Reviews with stars, and texts to classify."""
    rows = [json.loads(line) for line in documents(folder, "400").read_text().splitlines()]
    with (folder / "reviews.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["review", "stars"])
        table.writerows((row["text"], 5 if row["label"] == "pos" else 1) for row in rows)
    (folder / "new.jsonl").write_text("".join(json.dumps({"text": row["text"]}) + "\n" for row in rows[:20]))
    (folder / "chats.tsv").write_text("text\n" + "".join(f'"{row["text"]}\n' for row in rows[:5]))
    (folder / "glove.6B.100d.txt").write_text("".join(f"{word} {'0.1 ' * 99}0.2\n" for word in ("the", "was", "hero")))


def of_texts(folder: Path) -> None:
    """Reviews, and documents with several labels as lists and as columns of 0 and 1."""
    reviews(folder)
    number = np.arange(120)
    flags = {name: number % step == 0 for name, step in (("toxic", 2), ("insult", 3), ("threat", 5))}
    pd.DataFrame({"text": [f"comment {n}" for n in number], **flags}).astype(dict.fromkeys(flags, int)).to_csv(
        folder / "comments.csv", index=False
    )
    films = [{"text": f"film {n}", "genres": [f"genre{n % 2}", f"genre{n % 3}"]} for n in number.tolist()]
    (folder / "films.jsonl").write_text("".join(json.dumps(film) + "\n" for film in films))


def sentence_pairs(folder: Path) -> None:
    """Sentence pairs in two languages, as a parallel corpus, and some to translate."""
    corpus = folder / "parallel_enja"
    corpus.mkdir()
    rows = [line.split("\t") for line in pairs(folder, "400").read_text().splitlines()]
    for part, some in (("train", rows[:320]), ("dev", rows[320:360]), ("test", rows[360:])):
        (corpus / f"{part}.en").write_text("".join(f"{english}\n" for english, _ in some))
        (corpus / f"{part}.ja").write_text("".join(f"{other}\n" for _, other in some))
    (folder / "test.ja").write_text("".join(f"{other}\n" for _, other in rows[:3]))
    (folder / "reference.en").write_text("".join(f"{english}\n" for english, _ in rows[:3]))
    with (folder / "new.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("japanese", "number"), *((other, n) for n, (_, other) in enumerate(rows[:3]))])


def books(folder: Path) -> None:
    """Texts in a folder and in an archive."""
    texts = [json.loads(line)["text"] for line in sentences(folder, "2000").read_text().splitlines()]
    texts += ["The good king and the good queen help a man and a woman."] * 100
    for name in ("texts", "my-books"):
        (folder / name).mkdir()
        (folder / name / "one.txt").write_text("\n".join(texts))
    with tarfile.open(folder / "aclImdb_v1.tar.gz", "w:gz") as archive:
        for number, text in enumerate(texts):
            label = ("pos", "neg")[number % 2]
            member = tarfile.TarInfo(f"aclImdb/{('train', 'test')[number // 2 % 2]}/{label}/{number}_7.txt")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    (folder / "wordsim353.tsv").write_text("king\tqueen\t8.6\nking\tcastle\t5.0\nwolf\tsheep\t4.0\nprince\tsaw\t1.0\n")


def pictures(folder: Path) -> None:
    """Images as MNIST, as files in folders by class, and as a csv of pixels."""
    random = np.random.RandomState(0)
    digits = random.randint(0, 256, (200, 28, 28)).astype(np.uint8)
    labels = np.arange(200) % 10
    np.savez(folder / "mnist.npz", x_train=digits[:160], y_train=labels[:160], x_test=digits[160:], y_test=labels[160:])
    pngs = folder / "folder-of-pngs"
    pngs.mkdir()
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for number in range(60):
            file = io.BytesIO()
            Image.fromarray(random.randint(0, 256, (70, 60, 3)).astype(np.uint8)).save(file, "png")
            archive.writestr(f"photos/{('cat', 'dog')[number % 2]}/{number}.png", file.getvalue())
    for number in range(3):
        Image.fromarray(digits[number]).save(pngs / f"{number}.png")
    with gzip.open(folder / "digits.csv.gz", "wt") as file:
        for number in range(200):
            file.write(",".join(map(str, [*random.randint(0, 17, 64), number % 10])) + "\n")


def of_readme(folder: Path) -> None:
    """All that the README names."""
    for make in (reviews, sentence_pairs, books, pictures):
        make(folder)
    weather(folder / "weather.csv")
    weather(folder / "new.csv")
    (script,) = (block.text for block in blocks("docs/first_hour.md") if block.file == "network.py")
    (folder / "network.py").write_text(script)


def of_forecasting(folder: Path) -> None:
    """All that the page on series names."""
    jena(folder / "jena_climate_2009_2016.csv.zip")
    weather(folder / "weather.csv")
    beijing(folder / "PRSA_data_2010.1.1-2014.12.31.csv")
    beijing(folder / "new.csv")


def houses(folder: Path) -> None:
    """Houses with prices, and some without."""
    random = np.random.RandomState(0)
    frame = pd.DataFrame(
        {"area": random.uniform(30, 200, 300).round(1), "city": random.choice(["Aarau", "Bergen"], 300)}
    )
    frame["price"] = 3000 * frame["area"] + 50_000 * (frame["city"] == "Bergen")
    frame.to_csv(folder / "house.csv", index=False)
    frame[["area", "city"]].head(5).to_csv(folder / "new.csv", index=False)


def opinions(folder: Path) -> None:
    """Reviews with authors, weights and parts, and others to validate on."""
    for name, rows in (("train", 200), ("old", 200), ("new", 40)):
        number = np.arange(rows)
        frame = pd.DataFrame({"stars": np.where(number % 2, "up", "down"), "trust": 1 + number % 3})
        frame["text"] = [f"{('dull', 'good')[n % 2]} film number {name}{n}" for n in number]
        frame["author"] = [f"{name}{n // 4}" for n in number]
        frame["length"] = frame["text"].str.len() + number
        frame["part"] = np.array(["train", "train", "val", "test"])[number // 2 % 4]
        (frame if name == "train" else frame.drop(columns="part")).to_csv(folder / f"{name}.csv", index=False)


FILES: dict[str, Callable[[Path], None]] = {
    "README.md": of_readme,
    "docs/arrays.md": houses,
    "docs/exporting.md": houses,
    "docs/forecasting.md": of_forecasting,
    "docs/images.md": pictures,
    "docs/language_modeling.md": books,
    "docs/splits.md": opinions,
    "docs/text_classification.md": of_texts,
    "docs/translation.md": sentence_pairs,
    "docs/word_vectors.md": books,
}
# Commands of other pages, or of the text around the blocks.
BEFORE = {
    "README.md": ["raysq prepare beijing"],
    "docs/callbacks.md": ["raysq prepare jena"],
    "docs/distributed.md": ["raysq prepare beijing", "raysq prepare imdb"],
    "docs/forecasting.md": ["raysq prepare beijing"],
    "docs/models.md": ["raysq prepare jena"],
    "docs/python.md": ["raysq prepare jena"],
    "docs/results.md": ["raysq prepare beijing", "raysq prepare imdb"],
    "docs/settings.md": ["raysq prepare jena"],
    "docs/tuning.md": ["raysq prepare beijing", "raysq prepare imdb", "raysq prepare jena"],
}
