"""Permutation importance: how much the loss grows when the cells of a column are shuffled among the rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from raysq.data.columns import take_rows
from raysq.problems.arrays.batches import TableBatches
from raysq.problems.arrays.inputs import Numbers
from raysq.problems.arrays.metadata import TargetValues
from raysq.problems.arrays.predict import outputs_by_name
from raysq.problems.base import ReportModel
from raysq.problems.classification_report import probabilities
from raysq.problems.even_rows import evenly
from raysq.problems.fixed_batches import padded

_ROWS = 1000  # rows that are shuffled
_COLUMNS = 60  # most columns, as each takes a prediction of these rows
_LEAST = 1e-7  # probability whose logarithm is taken


def importance(
    batches: TableBatches, indices: np.ndarray, model: ReportModel, targets: Sequence[TargetValues]
) -> dict[str, float]:
    """Return the growth of the loss by column: the cross-entropy of classes, the squared error of normalized numbers.

    Args:
        batches: batch source of a split.
        indices: examples, of which up to 1,000 are used.
        model: the run's model.
        targets: targets of the run.

    Returns:
        The growth by column of numbers, category, tensor or lists; empty if there are more than 60 columns.
    """
    inputs = batches.data.inputs
    columns: list[tuple[str, str, list[int]]] = []
    for input in inputs:
        if isinstance(input, Numbers):
            missing = len(input.columns)
            for number, column in enumerate(input.columns):
                places = [number, missing] if column["indicator"] else [number]
                missing += column["indicator"]
                columns.append((column["name"], input.name, places))
        else:
            columns.append((input.name, input.name, []))
    if len(columns) > _COLUMNS:
        return {}
    chosen = indices[evenly(len(indices), _ROWS)]
    size = 1 << max(5, (len(chosen) - 1).bit_length())
    x, y, *rest = batches.gather(padded(chosen, size), batches.mapped(), take_rows)
    bare = not isinstance(x, dict)
    x = {inputs[0].name: x} if bare else x
    names = [target["name"] for target in targets]
    truth = outputs_by_name(y, names)
    masks = rest[0] if rest else {}
    order = np.random.default_rng(0).permutation(len(chosen))
    order = np.concatenate([order, np.arange(len(chosen), size)])

    def loss(values: dict[str, Any]) -> float:
        outputs = outputs_by_name(model.predict(values[inputs[0].name] if bare else values), names)
        losses = []
        for target in targets:
            mask = masks.get(target["name"])
            seen = np.ones(len(chosen), bool) if mask is None else mask[: len(chosen), 0] > 0
            losses.append(_loss(target, truth[target["name"]][: len(chosen)], outputs[target["name"]], seen))
        return float(np.sum(losses))

    plain = loss(x)
    growth = {}
    for name, key, places in columns:
        shuffled = x[key].copy()
        if places:
            shuffled[:, places] = shuffled[order][:, places]
        else:
            shuffled = shuffled[order]
        growth[name] = loss({**x, key: shuffled}) - plain
    return growth


def _loss(target: TargetValues, y: np.ndarray, output: np.ndarray, seen: np.ndarray) -> float:
    output = np.asarray(output)[: len(y)]
    if target["kind"] == "class":
        shares = probabilities(output)[np.arange(len(y)), y[:, 0]]
        losses = -np.log(np.maximum(shares, _LEAST))
    else:
        losses = ((output.reshape(len(y), -1) - y.reshape(len(y), -1)) ** 2).mean(1)
    return float(losses[seen].mean()) if seen.any() else 0.0
