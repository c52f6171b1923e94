"""Signature of exported text classifiers: texts in, classes and their probabilities out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems.class_outputs import class_infos, class_outputs, expected_class
from raysq.problems.graph import GraphOps, as_texts
from raysq.problems.signature import Signature, TensorInfo
from raysq.problems.text_classification.settings import START, UNKNOWN
from raysq.problems.text_classification.vocabulary import ClassificationVocabulary
from raysq.problems.text_graph import NOT_COMPOSED, ODD_TEXTS, is_uncomposed, split_words
from raysq.text.tokenizer import Tokens

_DOCUMENTS = 16  # documents of the data set in a sample
_LONG = 3000  # words of a long text in a sample
_NO_WORD, _UNKNOWN = -2, -1  # codes: no word, a word outside of the vocabulary


class TextSignature(Signature):
    """Signature of a text classifier.

    Args:
        vocabulary: vocabulary of the run.
        tokens: tokenization.
        classes: names of the classes.

    Raises:
        UsageError: ids are hashes, which no format computes.
    """

    def __init__(self, vocabulary: ClassificationVocabulary, tokens: Tokens, classes: list[str]):
        if vocabulary.settings.hashing:
            raise UsageError("a run with hashing has no graph of raw texts: its ids are md5 sums of words")
        self._vocabulary = vocabulary
        self._tokens = tokens
        self._classes = classes
        self.inputs = [TensorInfo("text", "string", "text to classify, as UTF-8", column="text")]
        self._class_infos = class_infos("label", classes)
        about = 'why the prediction is unreliable: "no words", "no known words", or ""'
        if tokens.normalize == "NFC":
            about += f". A text whose {NOT_COMPOSED.partition(':')[0]} has no class, and the probabilities NaN"
            self.notes = ("no format composes characters: a text in another form than NFC is refused in its remark",)
        self.outputs = [*self._class_infos, TensorInfo("remark", "string", about)]

    def trace(self, ops: GraphOps, inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
        """Build the graph."""
        settings = self._vocabulary.settings
        words, uncomposed = split_words(ops, inputs["text"], self._tokens)
        terms = self._vocabulary.words.to_pylist()
        codes = ops.lookup(words, ["", *terms], [_NO_WORD, *range(len(terms))], _UNKNOWN)
        is_word = ops.binary("less", ops.constant(_NO_WORD, "int64"), codes)
        x = _bags(ops, codes, self._vocabulary) if settings.bag else _sequences(ops, codes, self._vocabulary)
        ids = ops.gather(x, ops.constant(0, "int64"), 1) if settings.has_counts else x
        known = ops.binary("less", ops.constant(settings.first - 1, "int64"), ops.reduce("max", ids, 1))
        some = ops.binary("less", ops.constant(0, "int64"), ops.reduce("max", ops.cast(is_word, "int64"), 1))
        found = class_outputs(ops, model(ops.cast(x, "int32")), model.example.shape[-1], self._class_infos)
        unknown = ops.where(some, ops.constant(["no known words"]), ops.constant(["no words"]))
        remark = ops.where(known, ops.constant([""]), unknown)
        if uncomposed is None:
            return {**found, "remark": remark}
        nothing = ops.constant([np.nan], "float32")
        found["label"] = ops.where(uncomposed, ops.constant([""]), found["label"])
        found["probability"] = ops.where(uncomposed, nothing, found["probability"])
        found["probabilities"] = ops.where(ops.expand(uncomposed, 1), nothing, found["probabilities"])
        return {**found, "remark": ops.where(uncomposed, ops.constant([NOT_COMPOSED]), remark)}

    def samples(self, dataset: Dataset | None) -> pa.Table:
        """Return documents of the data set, odd texts and a long one."""
        words = self._vocabulary.words.to_pylist()
        random = np.random.RandomState(0)
        texts = [*ODD_TEXTS, " ".join(random.choice(as_texts(words), _LONG).tolist())]
        texts += [f"{words[0].upper()}, {words[-1].title()}! {words[0]}"]
        if dataset is not None:
            stored = as_texts([*dataset.extra("vocabulary").column("word").to_pylist(), "no such word"])
            tokens = dataset.ragged("tokens")
            rows = np.linspace(0, dataset.rows - 1, min(_DOCUMENTS, dataset.rows)).astype(int)
            texts += [self._joiner.join(stored[tokens.row(row)].tolist()) for row in rows.tolist()]
        return pa.table({"text": pa.array(texts, pa.large_string())})

    @property
    def _joiner(self) -> str:
        return "" if self._tokens.level == "char" else self._tokens.split

    def feed(self, rows: pa.Table) -> dict[str, np.ndarray]:
        """Return the texts."""
        return {"text": as_texts(rows.column("text").to_pylist())}

    def expected(self, rows: pa.Table, predictions: pa.Table) -> dict[str, np.ndarray]:
        """Return the classes and their probabilities, and the refusals of texts that are not composed."""
        begin = predictions.column_names.index("label")
        found = expected_class(predictions.columns[begin : begin + 2 + len(self._classes)], self._class_infos)
        found["remark"] = as_texts([remark or "" for remark in predictions.column("remark").to_pylist()])
        if self._tokens.normalize == "NFC":
            refused = np.array([is_uncomposed(text) for text in rows.column("text").to_pylist()])
            found["label"][refused], found["remark"][refused] = "", NOT_COMPOSED
            found["probability"][refused] = found["probabilities"][refused] = np.nan
        return found


def _sequences(ops: GraphOps, codes: Any, vocabulary: ClassificationVocabulary) -> Any:
    """Return the ids of each document, truncated and padded; see `raysq.problems.text_classification.sequences`."""
    settings = vocabulary.settings
    one, most = ops.constant(1, "int64"), ops.constant(settings.maxlen, "int64")
    ids, keep = _ids(ops, codes, vocabulary)
    if not settings.uses_special_tokens:
        keep = ops.binary("less", ops.constant(0, "int64"), ids)
    count = ops.cumsum(ops.cast(keep, "int64"))
    length = ops.expand(ops.reduce("max", count, 1), 1)
    kept = ops.where(ops.binary("less", length, most), length, most)
    place = ops.binary("subtract", count, one)
    if (settings.truncation == "pre") != settings.reversed:
        place = ops.binary("subtract", place, ops.binary("subtract", length, kept))
    inside = ops.binary("and", ops.binary("less", ops.constant(-1, "int64"), place), ops.binary("less", place, kept))
    if settings.reversed:
        place = ops.binary("subtract", ops.binary("subtract", kept, one), place)
    if settings.padding == "pre":
        place = ops.binary("add", place, ops.binary("subtract", most, kept))
    rows, columns = ops.nonzero(ops.binary("and", keep, inside))
    return ops.scatter(codes, most, rows, ops.cells(place, rows, columns), ops.cells(ids, rows, columns))


def _bags(ops: GraphOps, codes: Any, vocabulary: ClassificationVocabulary) -> Any:
    """Return the distinct ids of each document, with counts if any; see `raysq.problems.text_classification.bags`."""
    settings = vocabulary.settings
    zero, one, features = (ops.constant(number, "int64") for number in (0, 1, vocabulary.features))
    ids, _ = _ids(ops, codes, vocabulary)
    parts = [ids]
    if settings.ngrams > 1:
        parts += _ngrams(ops, codes, vocabulary)
    every = ops.concat(parts, 1)
    rows, columns = ops.nonzero(ops.binary("less", zero, every))
    at = ops.cells(every, rows, columns)
    ones = ops.binary("equal", at, at)
    counts = ops.scatter(codes, features, rows, at, ops.cast(ones, "int64"))
    present = ops.binary("less", zero, counts)
    place = ops.cumsum(ops.cast(present, "int64"))
    width = ops.binary("add", ops.reduce("max", ops.reduce("max", place, 1), 0), one)
    rows, columns = ops.nonzero(present)
    places = ops.binary("subtract", ops.cells(place, rows, columns), one)
    bag = ops.scatter(codes, width, rows, places, columns)
    if not settings.has_counts:
        return bag
    of_ids = ops.scatter(codes, width, rows, places, ops.cells(counts, rows, columns))
    return ops.concat([ops.expand(bag, 1), ops.expand(of_ids, 1)], 1)


def _ids(ops: GraphOps, codes: Any, vocabulary: ClassificationVocabulary) -> tuple[Any, Any]:
    """Return the id of each word, 0 for no word, and whether it is a word; with the start token in front, if used."""
    special = vocabulary.settings.uses_special_tokens
    keep = ops.binary("less", ops.constant(_NO_WORD, "int64"), codes)
    # The last id is that of unknown words: code -1 selects it, and -2 is cut off.
    table = np.concatenate([[0, UNKNOWN if special else 0], vocabulary.singles[:-1]]).astype(np.int64)
    places = ops.binary("subtract", codes, ops.constant(_NO_WORD, "int64"))
    ids = ops.gather(ops.constant(table, "int64"), places)
    if not special:
        return ids, keep
    start = ops.fill(codes, 1, START)
    return ops.concat([start, ids], 1), ops.concat([ops.binary("equal", start, start), keep], 1)


def _ngrams(ops: GraphOps, codes: Any, vocabulary: ClassificationVocabulary) -> list[Any]:
    """Return for each length from 2 on the ids of the n-grams that begin at each word, 0 for none."""
    keep = ops.binary("less", ops.constant(_NO_WORD, "int64"), codes)
    one, negative = ops.constant(1, "int64"), ops.constant(-1, "int64")
    rows, columns = ops.nonzero(keep)
    places = ops.binary("subtract", ops.cells(ops.cumsum(ops.cast(keep, "int64")), rows, columns), one)
    shifted = ops.binary("subtract", ops.cells(codes, rows, columns), negative)  # 0 for an unknown word
    # Words next to each other, with a column more for each word of an n-gram; -1 for an unknown or no word.
    width = ops.binary("add", ops.size(codes, 1), ops.constant(vocabulary.settings.ngrams, "int64"))
    words = ops.binary("subtract", ops.scatter(codes, width, rows, places, shifted), one)
    count = ops.size(codes, 1)
    start = ops.arange(count)
    state, found = ops.gather(words, start, 1), []
    for length, (keys, ids) in enumerate(vocabulary.levels, 2):
        last = ops.gather(words, ops.binary("add", start, ops.constant(length - 1, "int64")), 1)
        exists = ops.binary("and", ops.binary("less", negative, state), ops.binary("less", negative, last))
        joined = ops.binary("multiply", state, ops.constant(len(vocabulary.words), "int64"))
        joined = ops.where(exists, ops.binary("add", joined, last), negative)
        if not len(keys):  # no longer ones either
            break
        state = ops.lookup(joined, keys.tolist(), list(range(len(keys))), -1)
        table = np.append(0, ids[:-1]).astype(np.int64)
        found.append(ops.gather(ops.constant(table, "int64"), ops.binary("add", state, one)))
    return found
