"""Cost of a step in a worker group: what it computes, what it communicates, and whether more workers help.

A step of W workers takes `compute(batch / W) + communication(bytes, W)`. Computing costs a constant and a part for each
row; communication costs a constant for each hop between workers and a part for each byte.
"""

import math
from typing import NamedTuple

# TensorFlow's ring passes a vector around twice, in parts; a gather passes it around once, whole. So a gather takes
# half the time where latency decides, and more where bytes do. They break even at twice this size (two cores, gRPC).
_GATHER_BYTES = 1 << 20


def gathers(size: int, workers: int) -> bool:
    """Return whether a vector of `size` bytes is gathered by all workers and summed there, instead of in a ring."""
    return size * workers <= _GATHER_BYTES


class Interconnect(NamedTuple):
    """Link between workers.

    Attributes:
        name: name for messages.
        hop_seconds: time of a message without content from one worker to the next, with all threads it wakes.
        bytes_per_second: rate of a large message between two workers.
        gathers: whether small sums are gathered; see `gathers`.
        trees: whether sums pass along trees, so that the number of hops grows with the logarithm of the workers.
    """

    name: str
    hop_seconds: float
    bytes_per_second: float
    gathers: bool = False
    trees: bool = False

    def seconds(self, size: int, workers: int) -> float:
        """Return the time to sum a vector over workers.

        Args:
            size: bytes of the vector.
            workers: number of workers.
        """
        if workers == 1:
            return 0.0
        if self.gathers and gathers(size, workers):
            hops, sent = workers - 1, float((workers - 1) * size)
        else:  # every part of the vector is passed around twice
            hops = 2 * (math.ceil(math.log2(workers)) if self.trees else workers - 1)
            sent = 2 * (workers - 1) / workers * size
        return hops * self.hop_seconds + sent / self.bytes_per_second


# Fitted by benchmarks/scaling.py on two cores of one machine; docs/scaling.md has the figures.
GRPC = Interconnect("gRPC", 0.32e-3, 1.1e9, gathers=True)
# A port of 400 Gbit/s for each GPU, of which 80 % reach the sum; NCCL has passed sums along trees since 2.4. Not
# measured by raysq: docs/scaling.md names the source.
NCCL = Interconnect("NCCL", 10e-6, 40e9, trees=True)


class StepCost(NamedTuple):
    """Cost of a step of a worker group.

    Attributes:
        workers: number of workers.
        compute_seconds: time to compute one worker's share of a batch, with reading it.
        communication_seconds: time to sum the gradients over the workers.
    """

    workers: int
    compute_seconds: float
    communication_seconds: float

    @property
    def seconds(self) -> float:
        """Time of the step."""
        return self.compute_seconds + self.communication_seconds

    def advice(self) -> str | None:
        """Return a message where more workers will not help, or where fewer are faster; else None."""
        costs = (
            f"a step computes for {milliseconds(self.compute_seconds)} and communicates for "
            f"{milliseconds(self.communication_seconds)}"
        )
        # One worker computes all rows in at most `workers` times as long.
        if self.communication_seconds >= (self.workers - 1) * self.compute_seconds:
            return f"{costs}: --workers 1 is faster with this batch; a larger --per-worker-batch makes workers worth it"
        if self.communication_seconds > self.compute_seconds:
            return f"{costs}: more workers will not help with this batch; a larger --per-worker-batch will"
        return None


class CostModel(NamedTuple):
    """Model of a step's cost for any number of workers.

    Attributes:
        constant_seconds: part of the computation that does not depend on the rows.
        row_seconds: computation of a row of the batch.
        size: bytes that a step sums over the workers.
    """

    constant_seconds: float
    row_seconds: float
    size: int

    @classmethod
    def fit(cls, seconds: dict[int, float], size: int) -> "CostModel":
        """Return the model through the times of two batches.

        Args:
            seconds: time of a step by its number of rows; a smaller batch that takes longer counts as equally long.
            size: bytes that a step sums over the workers.
        """
        (fewer, short), (more, long) = sorted(seconds.items())[:: len(seconds) - 1]
        row = max(0.0, (long - short) / (more - fewer))
        return cls(max(0.0, long - row * more), row, size)

    def step(self, batch: int, workers: int, interconnect: Interconnect) -> StepCost:
        """Return the forecast of a step.

        Args:
            batch: rows of the global batch.
            workers: number of workers.
            interconnect: link between them.
        """
        rows = -(-batch // workers)
        compute = self.constant_seconds + self.row_seconds * rows
        return StepCost(workers, compute, interconnect.seconds(self.size, workers))

    def fastest(self, batch: int, interconnect: Interconnect, most: int = 512) -> StepCost:
        """Return the cheapest step among 1, 2, 4, ... workers, at most `most` and one for each row."""
        counts = [1 << power for power in range(most.bit_length()) if 1 << power <= min(most, batch)]
        return min((self.step(batch, workers, interconnect) for workers in counts), key=lambda cost: cost.seconds)


def milliseconds(seconds: float) -> str:
    """Return a duration as text, such as "0.35 ms"."""
    return f"{seconds * 1000:.2g} ms" if seconds < 0.1 else f"{seconds * 1000:,.0f} ms"
