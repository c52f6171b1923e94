"""Order of examples and random seeds, as pure functions of seed, step and position.

A permutation is evaluated position by position with a keyed Feistel network, which is iterated until the value falls
inside the range. No permutation is materialized, and any step can be computed directly. The order depends only on the
arithmetic in this module.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROUNDS = 6  # even, so that halves of different widths return to their positions
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix_bits(value: ArrayLike) -> NDArray[np.uint64]:
    """Apply the finalizer of SplitMix64 (Steele, Lea and Flood 2014), a bijection that scatters 64-bit words."""
    with np.errstate(over="ignore"):
        z = np.asarray(value, np.uint64) + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


def permute(positions: ArrayLike, size: int, key: ArrayLike) -> NDArray[np.int64]:
    """Return the values of a keyed permutation of `range(size)` at the given positions.

    Args:
        positions: integers in `range(size)`, of any shape.
        size: length of the permuted range, up to 2**62.
        key: uint64 key, shared or one per position. Each key selects another permutation.

    Returns:
        int64 array of the shape of `positions`.
    """
    bits = max(2, int(size - 1).bit_length())
    shape = np.shape(positions)
    x = np.array(positions, np.uint64).reshape(-1)
    keys = np.broadcast_to(np.asarray(key, np.uint64), shape).reshape(-1)
    outside = np.arange(x.size)
    while outside.size:
        x[outside] = _feistel(x[outside], bits, keys[outside])
        outside = outside[x[outside] >= np.uint64(size)]
    return x.astype(np.int64).reshape(shape)


def _feistel(x: NDArray[np.uint64], bits: int, key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    left_bits, right_bits = bits // 2, bits - bits // 2
    right_mask = np.uint64((1 << right_bits) - 1)
    left, right = x >> np.uint64(right_bits), x & right_mask
    for number in range(_ROUNDS):
        left_mask = np.uint64((1 << left_bits) - 1)
        left, right = right, left ^ (mix_bits(mix_bits(key + np.uint64(number)) ^ right) & left_mask)
        left_bits, right_bits = right_bits, left_bits
    return (left << np.uint64(right_bits)) | right


def batch_order(seed: int, examples: int, batch_size: int, first_step: int, steps: int) -> NDArray[np.int64]:
    """Return the examples of `steps` global batches of an endless stream of shuffled passes.

    Global step t takes positions `[t*B, (t+1)*B)` of the stream, where B is the batch size. A batch may span two
    passes.

    Returns:
        Example numbers, int64 array of shape `(steps, batch_size)`.
    """
    positions = np.arange(first_step * batch_size, (first_step + steps) * batch_size, dtype=np.int64)
    passes, within = np.divmod(positions, examples)
    key = mix_bits(mix_bits(np.uint64(seed)) ^ passes.astype(np.uint64))
    return permute(within, examples, key).reshape(steps, batch_size)


def replica_slice(batch_size: int, replicas: int) -> int:
    """Return the number of rows of a batch per replica. The last replicas' rows beyond the batch have weight zero."""
    return -(-batch_size // replicas)


def seeds(seed: int, first_step: int, steps: int, replicas: range, generators: int) -> NDArray[np.int64]:
    """Return seeds for each step, replica and random generator of a model, so that all masks differ.

    Args:
        replicas: range of replica numbers.
        generators: number of random generators of the model.

    Returns:
        int64 array of shape `(steps, len(replicas), generators, 2)`, with values below 2**31.
    """
    step = np.arange(first_step, first_step + steps, dtype=np.uint64)[:, None, None, None]
    replica = np.arange(replicas.start, replicas.stop, dtype=np.uint64)[None, :, None, None]
    generator = np.arange(generators, dtype=np.uint64)[None, None, :, None]
    half = np.arange(2, dtype=np.uint64)[None, None, None, :]
    words = mix_bits(mix_bits(mix_bits(mix_bits(np.uint64(seed)) ^ step) ^ replica) ^ (generator * np.uint64(2) + half))
    return (words >> np.uint64(33)).astype(np.int64)
