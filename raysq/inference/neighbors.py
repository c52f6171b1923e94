"""Word vectors of a run: nearest words, analogies, test sets and word2vec's text format, without TensorFlow."""

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from raysq.errors import DataError, SourceError, UsageError
from raysq.inference.commands import refusal, require
from raysq.problems.capabilities import WordEmbedder
from raysq.storage.atomic import atomic_write
from raysq.text.neighbors import WordEmbeddings, nearest, rank_correlation
from raysq.training.best import best_weights
from raysq.training.run import Run

_BATCH = 512  # number of questions per batch


def word_vectors(run: Run | str | Path, *, trust: bool = False) -> WordEmbeddings:
    """Return the word vectors of a run's best weights, the most frequent words first.

    Args:
        run: a run, its directory or its id; any run whose model has an Embedding of words.
        trust: as for `raysq.load`.

    Raises:
        DataError: if the run has no finished epoch, or was not trained to its end.
        UsageError: if the model has no word vectors.

    Example:
        >>> raysq.word_vectors("skipgram").neighbors("king", 3)
        [('queen', 0.71), ...]
    """
    run = Run.of(run, trust=trust)
    require(run, "neighbors")
    weights = best_weights(run)
    if not run.assets.exists():
        raise DataError(f"run {run.name} has not trained to its end: the same `raysq train` command continues it")
    problem = run.problem
    assert isinstance(problem, WordEmbedder)
    words = problem.embedded_words()
    table = _table(weights, len(words))
    if table is None:
        raise refusal(run, "neighbors", "this model has no vectors of words")
    rows = [row for row, word in enumerate(words) if word]
    if not rows:
        raise refusal(run, "neighbors", "it has vectors of hashes: train with hashing=0 for those of words")
    return WordEmbeddings([words[row] for row in rows], table[rows])


def _table(values: Mapping[str, np.ndarray], rows: int) -> np.ndarray | None:
    """Return the first matrix of a model with `rows` rows and more than one column, or None."""
    numbers = sorted(int(name.split("/")[1]) for name in values if name.startswith("model/"))
    for number in numbers:
        value = values[f"model/{number}"]
        if value.ndim == 2 and value.shape[0] == rows and value.shape[1] > 1:
            return value.astype(np.float32)
    return None


def parse_analogy(text: str) -> tuple[list[str], list[str]]:
    """Parse an analogy such as `king - man + woman`.

    Words and signs are separated by spaces, because words may contain hyphens.

    Returns:
        The words to add and the words to subtract.

    Raises:
        UsageError: if the text has another form.
    """
    parts = text.split()
    terms: tuple[list[str], list[str]] = ([], [])
    sign = "+"
    for number, part in enumerate(parts):
        if number % 2:
            sign = part
            if sign not in ("+", "-"):
                break
        else:
            terms[sign == "-"].append(part)
    if len(parts) % 2 == 0 or len(parts) < 3 or sign not in ("+", "-"):
        raise UsageError(f'an analogy is words with + and - between, such as "king - man + woman"; received {text!r}')
    return terms


@dataclass(frozen=True)
class TestSet:
    """A test set: word pairs with human similarity ratings, or questions "a is to b as c is to d".

    Attributes:
        name: name of the file.
        pairs: two words and their rating.
        sections: name of each section and its questions of four words.
    """

    name: str
    pairs: tuple[tuple[str, str, float], ...] = ()
    sections: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = ()


def read_test_set(path: str | Path) -> TestSet:
    """Read a test set of word vectors.

    A line holds two words and a number, as in WordSim-353, or four words, as in word2vec's questions. A line ": name"
    starts a section of questions. Lines that begin with # are ignored.

    Raises:
        SourceError: if the file cannot be read.
        DataError: if the file has neither form.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    pairs: list[tuple[str, str, float]] = []
    sections: list[tuple[str, list[tuple[str, ...]]]] = []
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    numbered = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    for number, line in numbered:
        if line.startswith(":"):
            sections.append((line[1:].strip(), []))
            continue
        parts = [part.strip() for part in (line.split("\t") if "\t" in line else re.split(r"[,\s]\s*", line))]
        if len(parts) == 4 and all(parts):
            if not sections:
                sections.append(("all", []))
            sections[-1][1].append(tuple(parts))
            continue
        value = _number(parts[2]) if len(parts) == 3 else None
        if value is not None:
            pairs.append((parts[0], parts[1], value))
        elif number != numbered[0][0]:  # an invalid first line is taken for column names
            raise DataError(
                f"line {number} of {path.name} is neither two words and a number nor four words: {line[:60]!r}"
            )
    questions = tuple((name, tuple(found)) for name, found in sections if found)
    if bool(pairs) == bool(questions):
        raise DataError(f"{path.name} holds neither pairs of words with a number nor questions of four words")
    return TestSet(path.name, tuple(pairs), questions)


def evaluate(vectors: WordEmbeddings, tests: TestSet) -> dict[str, Any]:
    """Evaluate word vectors on a test set, as gensim's `evaluate_word_pairs` and `evaluate_word_analogies` do.

    Entries with an unknown word are left out, and `covered` counts the others. Case is ignored.

    Args:
        vectors: the word vectors.
        tests: the test set.

    Returns:
        For pairs: `set`, `pairs`, `covered` and `spearman`, the rank correlation of cosines and ratings (None for fewer
        than three covered pairs). For questions: `set`, `questions`, `covered`, `accuracy` (None if none is covered)
        and `sections`, a list with `name`, `questions`, `covered` and `accuracy`.
    """
    if tests.pairs:
        found = [
            (a, b, value)
            for word, other, value in tests.pairs
            if (a := _find(vectors, word)) is not None and (b := _find(vectors, other)) is not None
        ]
        cosines = [float(vectors.unit[a] @ vectors.unit[b]) for a, b, _ in found]
        enough = len(found) > 2
        spearman = rank_correlation(cosines, [value for *_, value in found]) if enough else None
        return {"set": tests.name, "pairs": len(tests.pairs), "covered": len(found), "spearman": spearman}
    sections = [_section(vectors, name, questions) for name, questions in tests.sections]
    covered = sum(entry["covered"] for entry in sections)
    right = sum(entry.pop("right") for entry in sections)
    return {
        "set": tests.name,
        "questions": sum(entry["questions"] for entry in sections),
        "covered": covered,
        "accuracy": right / covered if covered else None,
        "sections": sections,
    }


def _section(vectors: WordEmbeddings, name: str, questions: Sequence[Sequence[str]]) -> dict[str, Any]:
    rows = [[_find(vectors, word) for word in question] for question in questions]
    known = np.array([row for row in rows if None not in row], np.int64).reshape(-1, 4)
    right = 0
    for low in range(0, len(known), _BATCH):
        a, b, c, d = known[low : low + _BATCH].T
        query = vectors.unit[b] - vectors.unit[a] + vectors.unit[c]
        best = nearest(vectors.unit, query, 1, without=np.stack([a, b, c], 1).tolist())
        right += sum(bool(found) and found[0][0] == wanted for found, wanted in zip(best, d.tolist(), strict=True))
    covered = len(known)
    accuracy = right / covered if covered else None
    return {"name": name, "questions": len(rows), "covered": covered, "accuracy": accuracy, "right": right}


def _find(vectors: WordEmbeddings, word: str) -> int | None:
    return vectors.find(word)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def write_word2vec(vectors: WordEmbeddings, path: str | Path) -> dict[str, Any]:
    """Write word vectors in word2vec's text format, which gensim and most other tools read.

    Words with a space or a line break are left out, because the format cannot express them.

    Args:
        vectors: the word vectors, written in their order.
        path: path of the file; compressed if it ends in .gz.

    Returns:
        `output`, `words` (number of words written), `left_out` and `dimension`.

    Raises:
        SourceError: if the file cannot be written.
        UsageError: if the path has another ending than .txt, .txt.gz, .vec or .vec.gz.
    """
    path = Path(path)
    if not path.name.endswith((".txt", ".txt.gz", ".vec", ".vec.gz")):
        raise UsageError(
            f"word vectors are written as text, to a file that ends in .txt or .txt.gz, received {str(path)!r}"
        )
    rows = [row for row, word in enumerate(vectors.words) if not re.search(r"[ \t\r\n\v\f]", word)]
    dimension = vectors.vectors.shape[1]
    with atomic_write(path, "choose another --output", parents=False) as partial, open(partial, "wb") as raw:
        # No name and no time in the gzip header: the same vectors give the same bytes.
        packed = gzip.GzipFile("", "wb", 6, raw, 0) if path.name.endswith(".gz") else None
        file = cast(IO[bytes], packed or raw)
        file.write(f"{len(rows)} {dimension}\n".encode())
        for row in rows:
            # Nine significant digits restore every float32 exactly.
            numbers = " ".join([f"{value:.9g}" for value in vectors.vectors[row].tolist()])
            file.write(f"{vectors.words[row]} {numbers}\n".encode())
        if packed is not None:
            packed.close()
    return {"output": str(path), "words": len(rows), "left_out": len(vectors) - len(rows), "dimension": dimension}
