"""The order of examples and the seeds of randomness, as pure functions of seed, step and position.

A permutation is evaluated position by position (a keyed Feistel network, walked along its cycle until it
falls inside the range), so nothing is materialized, any step can be asked for at once, and the stream will
never change under us: the arithmetic is on this page.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROUNDS = 6  # an even number, so that halves of different width end where they began
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix_bits(value: ArrayLike) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection that scatters 64-bit words."""
    with np.errstate(over="ignore"):
        z = np.asarray(value, np.uint64) + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


def permute(positions: ArrayLike, size: int, key: ArrayLike) -> NDArray[np.int64]:
    """The values of a keyed permutation of `range(size)` at the given positions.

    Args:
        positions: ints in `range(size)`, any shape.
        size: length of the permuted range, up to 2**62.
        key: uint64, one for all positions or one for each: every key is another permutation.
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
    """The examples of `steps` global batches from `first_step` on, of an endless stream of shuffled passes.

    Global step t takes positions `[t*B, (t+1)*B)` of the stream; a batch may straddle two passes.

    Returns:
        Example numbers, shape `(steps, batch_size)`.
    """
    positions = np.arange(first_step * batch_size, (first_step + steps) * batch_size, dtype=np.int64)
    passes, within = np.divmod(positions, examples)
    key = mix_bits(mix_bits(np.uint64(seed)) ^ passes.astype(np.uint64))
    return permute(within, examples, key).reshape(steps, batch_size)


def replica_slice(batch_size: int, replicas: int) -> int:
    """Rows of a batch that each replica takes; the last replicas' rows beyond the batch weigh nothing."""
    return -(-batch_size // replicas)


def seeds(seed: int, first_step: int, steps: int, replicas: range, generators: int) -> NDArray[np.int64]:
    """Seeds for each step, replica and random generator of a model: masks differ between all of them.

    Returns:
        Shape `(steps, len(replicas), generators, 2)`, values below 2**31.
    """
    step = np.arange(first_step, first_step + steps, dtype=np.uint64)[:, None, None, None]
    replica = np.arange(replicas.start, replicas.stop, dtype=np.uint64)[None, :, None, None]
    generator = np.arange(generators, dtype=np.uint64)[None, None, :, None]
    half = np.arange(2, dtype=np.uint64)[None, None, None, :]
    words = mix_bits(mix_bits(mix_bits(mix_bits(np.uint64(seed)) ^ step) ^ replica) ^ (generator * np.uint64(2) + half))
    return (words >> np.uint64(33)).astype(np.int64)
