"""Arguments of the metrics for a batch."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from raysq.problems.specs import OutputMetric
from raysq.training.batch_feed import Batch
from raysq.training.compilation import Compilation
from raysq.training.masks import metric_weights
from raysq.training.model_functions import Forward
from raysq.training.observed import for_metric
from raysq.training.outputs import pick

Tensor = Any  # TensorFlow has no types


def metric_updates(
    metrics: Mapping[str, keras.Metric], compilation: Compilation, batch: Batch, forward: Forward, weights: Tensor
) -> Iterator[tuple[keras.Metric, tuple[Tensor, ...]]]:
    """Iterate over the metrics and their arguments for a batch; metrics are means over the observed outputs.

    Args:
        metrics: metrics by name, of `raysq.training.compilation.make_metrics`.
        compilation: what they were made of.
        batch: inputs, targets, and what they weigh.
        forward: losses, predictions and their masks.
        weights: how much each example counts, 0 for padding, of shape (batch,).
    """
    for name, metric in metrics.items():
        if name in forward.losses:
            yield metric, (forward.losses[name], weights)
            continue
        given = compilation.metrics[name]
        output = given.output if isinstance(given, OutputMetric) else None
        key, column = (output, None) if isinstance(output, str) else ("", output)
        of_output, weighted = batch.output(key), name in compilation.weighted_metrics
        factors = (batch.sample_weight or {}).get("") if weighted else None
        y, predicted, observed = of_output.y, pick(forward.prediction, key), of_output.observed
        mask = forward.masks.get(key)
        if mask is not None and isinstance(metric, keras.metrics.MeanMetricWrapper):
            yield metric, (y, predicted, metric_weights(mask, weights if factors is None else weights * factors))
            continue
        arguments = for_metric(y, predicted, observed, weights, column, factors)
        # Whole batches have no padding, which weights would leave out.
        yield metric, arguments[:2] if compilation.whole_batches and factors is None else arguments
