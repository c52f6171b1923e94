"""Graph operations in TensorFlow, for SavedModel and LiteRT."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from raysq.errors import UsageError
from raysq.problems.graph import GraphOps, Tensor, as_texts


class TensorFlowOps(GraphOps):
    """Graph operations in TensorFlow, for a function that is traced, once or more often."""

    def __init__(self) -> None:
        import tensorflow as tf

        self._tf = tf
        self._tables: dict[Any, Any] = {}

    @property
    def tables(self) -> list[Any]:
        """Look-up tables of the graph, which the exported module must own."""
        return list(self._tables.values())

    def constant(self, value: Any, dtype: str | None = None) -> Tensor:
        return self._tf.constant(np.asarray(value, dtype) if dtype else value)

    def cast(self, x: Tensor, dtype: str) -> Tensor:
        return self._tf.cast(x, dtype)

    def binary(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        tf = self._tf
        if name == "divide":
            return a // b if a.dtype.is_integer else a / b
        functions = {"and": tf.logical_and, "or": tf.logical_or, "equal": tf.equal, "less": tf.less}
        return (functions.get(name) or getattr(tf, name))(a, b)

    def unary(self, name: str, x: Tensor) -> Tensor:
        tf = self._tf
        return {"not": tf.logical_not, "is_nan": tf.math.is_nan, "round": tf.round, "sin": tf.sin, "cos": tf.cos}[name](
            x
        )

    def where(self, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return self._tf.where(condition, a, b)

    def reduce(self, name: str, x: Tensor, axis: int) -> Tensor:
        tf = self._tf
        if name == "argmax":
            return tf.argmax(x, axis)
        return tf.reduce_sum(x, axis) if name == "sum" else tf.reduce_max(x, axis)

    def sort(self, x: Tensor, size: int) -> Tensor:
        return self._tf.sort(x, axis=-1)

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        return self._tf.reshape(x, shape)

    def expand(self, x: Tensor, axis: int) -> Tensor:
        return self._tf.expand_dims(x, axis)

    def concat(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        return self._tf.concat(list(parts), axis)

    def gather(self, x: Tensor, indices: Tensor, axis: int = 0) -> Tensor:
        return self._tf.gather(x, indices, axis=axis)

    def gather_each(self, x: Tensor, indices: Tensor) -> Tensor:
        return self._tf.gather(x, indices, axis=1, batch_dims=1)

    def size(self, x: Tensor, axis: int) -> Tensor:
        return self._tf.shape(x, self._tf.int64)[axis]

    def fill(self, like: Tensor, width: int, value: str | int) -> Tensor:
        return self._tf.fill(self._tf.stack([self.size(like, 0), width]), self._tf.constant(value, _type_of(value)))

    def arange(self, end: Tensor) -> Tensor:
        return self._tf.range(end)

    def cumsum(self, x: Tensor) -> Tensor:
        return self._tf.cumsum(x, axis=1)

    def nonzero(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        places = self._tf.where(mask)
        return places[:, 0], places[:, 1]

    def cells(self, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return self._tf.gather_nd(x, self._tf.stack([rows, columns], 1))

    def scatter(self, like: Tensor, width: Tensor, rows: Tensor, columns: Tensor, values: Tensor) -> Tensor:
        shape = self._tf.stack([self.size(like, 0), width])
        return self._tf.scatter_nd(self._tf.stack([rows, columns], 1), values, shape)

    def lookup(self, x: Tensor, keys: Sequence[Any], values: Sequence[Any], default: Any) -> Tensor:
        key = (tuple(keys), tuple(values), default)
        if key not in self._tables:
            lookup = self._tf.lookup
            # Made outside of the function that is traced, so that the module owns the table.
            with self._tf.init_scope():
                initializer = lookup.KeyValueTensorInitializer(_column(keys), _column(values))
                self._tables[key] = lookup.StaticHashTable(initializer, default)
        return self._tables[key].lookup(x)

    def characters(self, texts: Tensor) -> Tensor:
        characters = self._tf.strings.unicode_split(texts, "UTF-8").to_tensor("")
        return self.concat([characters, self.fill(texts, 1, "")], 1)

    def join(self, parts: Tensor) -> Tensor:
        return self._tf.strings.reduce_join(parts, axis=1)

    def split(self, texts: Tensor, separator: str) -> Tensor:
        # The operation of the second version drops no empty parts if it is given a separator.
        return self._tf.strings.split(texts, separator).to_tensor("")

    def concat_texts(self, a: Tensor, b: Tensor) -> Tensor:
        return self._tf.strings.join([a, b])


class LiteOps(TensorFlowOps):
    """Graph operations of LiteRT: TensorFlow's, in float32 and without texts."""

    wide = "float32"

    def normalize(self, x: Tensor, mean: Sequence[float], deviation: Sequence[float]) -> Tensor:
        # The mean in two parts: subtracting one float32 would lose the digits of numbers far from 0.
        high = np.asarray(mean, np.float32)
        low = (np.asarray(mean, np.float64) - high).astype(np.float32)
        return ((x - high) - low) * (1.0 / np.asarray(deviation, np.float64)).astype(np.float32)

    def remarks(self, messages: Any) -> Tensor:
        raise UsageError("LiteRT has no texts")


def _column(values: Sequence[Any]) -> np.ndarray:
    return np.asarray(values, np.int64) if len(values) and not isinstance(values[0], str) else as_texts(values)


def _type_of(value: str | int) -> str:
    return "string" if isinstance(value, str) else "int64"
