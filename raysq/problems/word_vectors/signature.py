"""Signature of exported word vectors: a word or a text in, its vector out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.problems.graph import GraphOps, as_texts
from raysq.problems.signature import Signature, TensorInfo
from raysq.problems.text_graph import NOT_COMPOSED, ODD_TEXTS, is_uncomposed, split_words
from raysq.text.neighbors import embedding_of, unit_rows
from raysq.text.tokenizer import Tokens

_LONG = 500  # words of a long text in a sample


class VectorSignature(Signature):
    """Signature of word vectors.

    Args:
        words: word of each id.
        tokens: tokenization.
    """

    def __init__(self, words: Sequence[str], tokens: Tokens):
        self._words = words
        self._tokens = tokens
        self.inputs = [TensorInfo("text", "string", "word, or text of several words, as UTF-8", column="text")]
        about = "vector of the word, of length one; of a text, the mean of its words' vectors"
        self.outputs = [
            TensorInfo("vector", "float32", about, (None,)),
            TensorInfo("known", "float32", "share of the words that have a vector"),
            TensorInfo("remark", "string", '"no words" or "no known words" for a vector of zeros, or ""'),
        ]
        self.notes = ("the nearest words are not part of the graph",)
        if tokens.normalize == "NFC":
            self.notes += ("no format composes characters: a text in another form than NFC is refused in its remark",)

    def trace(self, ops: GraphOps, inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
        """Build the graph, which needs nothing of the model but its vectors."""
        import tensorflow as tf

        with tf.init_scope():  # variables have no values while a function is traced
            vectors = unit_rows(embedding_of(model.model, len(self._words)))
        vectors[0] = 0.0
        words, uncomposed = split_words(ops, inputs["text"], self._tokens)
        ids = ops.lookup(words, ["", *self._words[1:]], [-1, *range(1, len(self._words))], 0)
        zero = ops.constant(0, "int64")
        counts = {}
        for name, least in (("words", -1), ("known", 0)):
            mask = ops.binary("less", ops.constant(least, "int64"), ids)
            counts[name] = ops.reduce("sum", ops.cast(mask, "int64"), 1)
        places = ops.where(ops.binary("less", ids, zero), zero, ids)
        total = ops.reduce("sum", ops.gather(ops.constant(vectors, "float32"), places), 1)
        some = {name: ops.binary("less", zero, count) for name, count in counts.items()}
        one = ops.constant(1, "int64")
        shares = {name: ops.cast(ops.where(some[name], counts[name], one), "float32") for name in counts}
        found = {
            "vector": ops.binary("divide", total, ops.expand(shares["known"], 1)),
            "known": ops.binary("divide", ops.cast(counts["known"], "float32"), shares["words"]),
        }
        unknown = ops.where(some["words"], ops.constant(["no known words"]), ops.constant(["no words"]))
        remark = ops.where(some["known"], ops.constant([""]), unknown)
        if uncomposed is not None:
            nothing = ops.constant([np.nan], "float32")
            found["vector"] = ops.where(ops.expand(uncomposed, 1), nothing, found["vector"])
            found["known"] = ops.where(uncomposed, nothing, found["known"])
            remark = ops.where(uncomposed, ops.constant([NOT_COMPOSED]), remark)
        return {**found, "remark": remark}

    def samples(self, dataset: Dataset | None) -> pa.Table:
        """Return words, odd texts and a long one."""
        known = as_texts(self._words[1:])
        long = np.random.RandomState(0).choice(known, _LONG).tolist()
        texts = [*ODD_TEXTS, *known[:8].tolist(), "  ".join(long), f"{known[0].upper()}, {known[-1]} no-such-word!"]
        return pa.table({"text": pa.array(texts, pa.large_string())})

    def feed(self, rows: pa.Table) -> dict[str, np.ndarray]:
        """Return the texts."""
        return {"text": as_texts(rows.column("text").to_pylist())}

    def expected(self, rows: pa.Table, predictions: pa.Table) -> dict[str, np.ndarray]:
        """Return the vectors, and the refusals of texts that are not composed."""
        begin, end = (predictions.column_names.index(name) for name in ("known", "remark"))
        columns = [column.to_numpy() for column in predictions.columns[begin + 1 : end]]
        found: dict[str, Any] = {"vector": np.stack(columns, 1), "known": predictions.column("known").to_numpy().copy()}
        found["remark"] = as_texts([remark or "" for remark in predictions.column("remark").to_pylist()])
        if self._tokens.normalize == "NFC":
            refused = np.array([is_uncomposed(text) for text in rows.column("text").to_pylist()])
            found["vector"][refused] = found["known"][refused] = np.nan
            found["remark"][refused] = NOT_COMPOSED
        return found
