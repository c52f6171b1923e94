"""Tensors packed into flat vectors, to be added or sent together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

Tensor = Any  # TensorFlow has no types
Vectors = tuple[Tensor, ...]  # a flat vector for each dtype of sums

# Half-precision floats and short integers are added in a type of 4 bytes.
_WIDER = {"float16": "float32", "bfloat16": "float32", "int8": "int32", "int16": "int32", "uint8": "int32"}


class Packing:
    """Layout of tensors in flat vectors, one for each dtype in which they are added.

    Args:
        variables: variables or tensors of the same shapes and dtypes.
        wider: names of dtypes by those that are added in another dtype. Defaults to 4 bytes for all that have fewer.
    """

    def __init__(self, variables: Sequence[Any], wider: Mapping[str, str] = _WIDER) -> None:
        self._shapes = [tuple(variable.shape) for variable in variables]
        self._dtypes = [tf.as_dtype(variable.dtype) for variable in variables]
        sums = [wider.get(dtype.name, dtype.name) for dtype in self._dtypes]
        self._members = {dtype: [i for i, of in enumerate(sums) if of == dtype] for dtype in dict.fromkeys(sums)}
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]

    @property
    def dtypes(self) -> list[str]:
        """Dtypes of the vectors."""
        return list(self._members)

    def lengths(self) -> list[int]:
        """Return the lengths of the vectors."""
        return [sum(self._sizes[i] for i in members) for members in self._members.values()]

    def pack(self, tensors: Sequence[Tensor]) -> Vectors:
        """Return tensors as vectors."""
        return tuple(
            tf.concat([tf.reshape(tf.cast(tensors[i], dtype), (-1,)) for i in members], 0)
            for dtype, members in self._members.items()
        )

    def unpack(self, vectors: Vectors) -> list[Tensor]:
        """Return the tensors of `pack`, in their own dtypes."""
        tensors: list[Tensor] = [None] * len(self._shapes)
        for vector, members in zip(vectors, self._members.values(), strict=True):
            parts = tf.split(vector, [self._sizes[i] for i in members])
            for i, part in zip(members, parts, strict=True):
                tensors[i] = tf.cast(tf.reshape(part, self._shapes[i]), self._dtypes[i])
        return tensors

    def to_bits(self, vectors: Vectors) -> Tensor:
        """Return vectors as one float32 vector of the same bits."""
        return tf.concat([tf.reshape(tf.bitcast(vector, tf.float32), (-1,)) for vector in vectors], 0)

    def from_bits(self, bits: Tensor) -> Vectors:
        """Return the vectors of `to_bits`."""
        words = [tf.as_dtype(dtype).size // 4 for dtype in self._members]
        parts = tf.split(bits, [size * length for size, length in zip(words, self.lengths(), strict=True)])
        return tuple(
            tf.bitcast(part if size == 1 else tf.reshape(part, (-1, size)), dtype)
            for part, size, dtype in zip(parts, words, self._members, strict=True)
        )
