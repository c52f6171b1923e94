"""Small texts, prepared without a home."""

from pathlib import Path

from raysq.config import make_settings
from raysq.data import sources
from raysq.data.dataset import Dataset
from raysq.data.pipeline import build
from raysq.problems.language_modeling.problem import LanguageModeling as PROBLEM
from raysq.problems.language_modeling.settings import LanguageModelingSettings

TEXT = """The cat sat on the mat. The dog sat on the log! The cat sat on the mat again.

A bird sang. The bird sat on the cat? "The dog ran," said the cat. The dog ran to the mat, and the bird sang.

A cat and a dog sang on the log. The cat ran. The bird ran to the log. On the mat sat the dog; the bird sang.
"""


def prepared(directory: Path, text: str = TEXT, *, shard_rows: int = 5, cpus: int | None = None, **settings) -> Dataset:
    """A data set of a text.

    Args:
        directory: of the data set's folder.
        text: the text.
        shard_rows: rows of a shard.
        cpus: as for `build`.
        settings: of the preparation.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "some.txt"
    path.write_text(text, encoding="utf-8")
    preparation, _ = make_settings(PROBLEM.Preprocessor, {"test": 0.2, **settings}).infer([path])
    found = sources.resolve(str(path), suffixes=preparation.suffixes)
    identity = {"task": "text", "problem": "language_modeling", "name": "made"}
    return build(preparation, found, directory / "made", identity, shard_rows=shard_rows, cpus=cpus)


def spoken(dataset: Dataset) -> list[list[str]]:
    """The words of every row; None for those that the vocabulary lacks."""
    words = dataset.extra("vocabulary").column("word").to_pylist()
    tokens = dataset.ragged("tokens")
    return [[words[code] if code >= 0 else None for code in tokens.row(row).tolist()] for row in range(dataset.rows)]


def bind(dataset: Dataset, settings: LanguageModelingSettings | None = None, **values) -> PROBLEM:
    """The problem bound to a data set, with settings or with their values."""
    settings = LanguageModelingSettings(**values) if settings is None else settings
    return PROBLEM(settings, PROBLEM.make_metadata(dataset, settings))
