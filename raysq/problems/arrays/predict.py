"""Predictions for raw rows of a table: classes with their probabilities, and values in the target's own unit."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysq.problems.arrays.metadata import TargetValues
from raysq.problems.arrays.raw_rows import input_rows
from raysq.problems.classification_report import predicted_classes, probabilities
from raysq.problems.fixed_batches import fixed_batches
from raysq.problems.model_outputs import match_outputs

if TYPE_CHECKING:
    from raysq.problems.arrays.problem import Tables

BATCH = 256  # rows in a batch of predictions


def predict(problem: "Tables", model: Any, table: pa.Table) -> pa.Table:
    """Return the predictions for each row.

    The prediction of a row does not depend on the other rows, bit for bit.

    Args:
        problem: problem of the run.
        model: Keras model.
        table: raw rows with the input columns of the run.

    Returns:
        A table with `row`, and for each target a column of its name. A class adds its `probability` and `p_CLASS` for
        each class, with the target's name in front where there are several targets. `remark` is null, or names values
        that the training rows lack.

    Raises:
        DataError: a column is missing or holds cells of another kind than in training.
    """
    rows = input_rows(table, problem.metadata.columns)
    stored = {input.name: input.of_rows(rows) for input in problem.inputs}
    names = [target["name"] for target in problem.metadata.targets]
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for indices, count in fixed_batches(np.arange(rows.num_rows), BATCH):
        x = {input.name: input.batch(stored[input.name][indices]) for input in problem.inputs}
        prediction = model.predict_on_batch(x if len(x) > 1 else next(iter(x.values())))
        for name, output in outputs_by_name(prediction, names, model).items():
            outputs[name].append(np.asarray(output)[:count])
    columns: dict[str, Any] = {"row": pa.array(np.arange(rows.num_rows))}
    for target in problem.metadata.targets:
        columns |= _columns(target, outputs[target["name"]], len(names) > 1, columns)
    # The column is there without remarks too: the rows of a file are predicted block by block, in one schema.
    columns[_free("remark", columns)] = _remarks(problem, rows)
    return pa.table(columns)


def outputs_by_name(prediction: Any, names: Sequence[str], model: Any = None) -> dict[str, Any]:
    """Return the outputs of a model by target, as training matches them.

    Args:
        prediction: array, or a structure of arrays.
        names: names of the targets.
        model: the model, for the names of its outputs, or None.
    """
    if len(names) == 1:
        return {names[0]: match_outputs(prediction, None, model)}
    outputs: dict[str, Any] = match_outputs(prediction, dict.fromkeys(names), model)
    return outputs


def denormalized(target: TargetValues, output: np.ndarray) -> np.ndarray:
    """Return numbers in the target's own unit, float64."""
    return np.asarray(output, np.float64) * target["deviation"] + target["mean"]


def _columns(
    target: TargetValues, outputs: list[np.ndarray], several: bool, taken: Mapping[str, Any]
) -> dict[str, pa.Array]:
    name = _free(target["name"], taken)
    if target["kind"] == "class":
        classes = target["classes"]
        empty = np.empty((0, len(classes)))
        shares = np.concatenate([empty, *(probabilities(output) for output in outputs)]).astype(np.float32)
        predicted = predicted_classes(shares)
        prefix = f"{target['name']}_" if several else ""
        columns = {name: pa.array([classes[number] for number in predicted.tolist()], pa.string())}
        added = {"probability": shares[np.arange(len(predicted)), predicted]}
        added |= {f"p_{label}": np.ascontiguousarray(shares[:, number]) for number, label in enumerate(classes)}
        for label, values in added.items():
            columns[_free(prefix + label, {**taken, **columns})] = pa.array(values)
        return columns
    shape = tuple(target["shape"]) or (1,)
    values = denormalized(target, np.concatenate([np.empty((0, *shape)), *outputs]))
    if target["shape"]:
        flat = pa.array(values.astype(np.float32).reshape(-1))
        return {name: pa.FixedSizeListArray.from_arrays(flat, int(np.prod(shape)))}
    return {name: pa.array(np.ascontiguousarray(values[:, 0]))}


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """Return the name, with "predicted_" in front while it is taken."""
    while name in taken:
        name = f"predicted_{name}"
    return name


def _remarks(problem: "Tables", rows: pa.Table) -> pa.Array:
    """Return a message for each row with something that the training rows lack, null for other rows."""
    remarks = np.full(rows.num_rows, "", object)
    for input in problem.inputs:
        for message, mask in input.unknown(rows).items():
            for row in np.flatnonzero(mask).tolist():
                remarks[row] += f"; {message}" if remarks[row] else message
    return pa.array([remark or None for remark in remarks.tolist()], pa.string())
