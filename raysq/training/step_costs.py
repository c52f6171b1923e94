"""Measured cost of a step in a worker group: its gradients and its sum over the workers, each alone."""

import time
from collections.abc import Callable

import tensorflow as tf

from raysq.training.batch_feed import BatchFeed
from raysq.training.model_functions import Tensor
from raysq.training.scaling import StepCost
from raysq.training.trainer import Trainer

_SECONDS = 0.1  # of each measurement
_LEAST, _MOST = 3, 100  # steps of a measurement


def measure_step_cost(trainer: Trainer, seconds: float, remaining_steps: int) -> StepCost | None:
    """Measure the cost of a step; training continues as if it had not been measured.

    All workers of a group call this function at the same time.

    Args:
        trainer: trainer of the run.
        seconds: time of a step, as seen by this worker. Only the chief's counts.
        remaining_steps: number of steps to come.

    Returns:
        The cost, or None where the remaining steps are too short for the measurement to be worth its time.
    """
    repeats = int(min(_MOST, max(_LEAST, _SECONDS / seconds)))
    worthwhile = seconds * remaining_steps > 50 * _SECONDS
    repeats = trainer.broadcast(repeats if worthwhile else 0)
    if not repeats:
        return None
    batches = trainer.batches.train(0, repeats)

    def gradient_steps(feed: BatchFeed, batch: Tensor, weights: Tensor, totals: Tensor, seeds: Tensor) -> Tensor:
        def step(*arguments: Tensor) -> Tensor:
            rows, row_weights, total, step_seeds = arguments
            replica, rows, row_weights = trainer.local_rows(rows, row_weights)
            batch = feed.gather(rows)
            factors = trainer.loss_factors(batch, row_weights, step_seeds[replica])
            _, gradients, _ = trainer.gradients(batch, row_weights, total, step_seeds[replica], factors)
            return tf.add_n([tf.cast(tf.reduce_sum(gradient), tf.float32) for gradient in gradients])

        total = tf.constant(0.0)
        for number in tf.range(tf.shape(weights)[0]):
            rows = tf.nest.map_structure(lambda part, at=number: part[at], batch)
            results = trainer.strategy.run(step, args=(rows, weights[number], totals[number], seeds[number]))
            total += tf.add_n(list(trainer.strategy.experimental_local_results(results)))
        return total

    size = trainer.model_functions.summed_bytes() // 4

    sum_steps = repeated_sums(trainer, size, lambda vector: trainer.sums([vector])[0])

    def seconds_of(run: Callable[[], float]) -> float:
        run()  # traces
        started = time.perf_counter()
        run()
        return (time.perf_counter() - started) / repeats

    compute = seconds_of(lambda: float(trainer.call(gradient_steps, "train", batches)))
    communication = seconds_of(lambda: sum_steps(repeats))
    return StepCost(trainer.replicas, compute, communication)


def repeated_sums(trainer: Trainer, size: int, add: Callable[[Tensor], Tensor]) -> Callable[[int], float]:
    """Return a function that sums a vector over the replicas as many times as asked, in one compiled call.

    Args:
        trainer: trainer whose strategy runs the sums.
        size: length of the vector.
        add: sum of a float32 vector over the replicas, in replica context.
    """

    def step(value: Tensor) -> Tensor:
        return tf.reduce_max(add(tf.fill([size], value)))

    def steps(count: Tensor) -> Tensor:
        value = tf.constant(1.0)
        for _ in tf.range(count):
            results = trainer.strategy.run(step, args=(value,))
            value = trainer.strategy.experimental_local_results(results)[0] / trainer.replicas
        return value

    function = tf.function(steps, input_signature=[tf.TensorSpec((), tf.int32)])
    return lambda count: float(function(tf.constant(count)))
