"""Specs of inputs and targets for model builders, and the solutions of reference models."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from raysq.data.columns import take_rows
from raysq.problems.arrays.batches import BLOCK, TableBatches, TableData
from raysq.problems.arrays.design import design, width_of
from raysq.problems.arrays.encode import INPUT, stored_name
from raysq.problems.arrays.inputs import Category, Input, Numbers, Sequences
from raysq.problems.arrays.metadata import TargetValues
from raysq.problems.arrays.references import (
    MOST_COLUMNS,
    MOST_ROWS,
    MOST_WEIGHTS,
    LinearSolution,
    logistic,
    ridge,
)
from raysq.problems.specs import ArraySpec, InputSpec

_BYTES = 1 << 27  # of a design matrix of a block


def make_input_spec(data: TableData) -> InputSpec:
    """Return the input spec of a table; see `raysq.problems.arrays.problem.Tables.input_spec`."""
    inputs = {input.name: _input_spec(data, input) for input in data.inputs}
    targets = {name: _target_spec(data, number) for number, name in enumerate(c["name"] for c in data.targets)}
    first, single = next(iter(targets.values())), next(iter(inputs.values()))
    output_shape = (first.categories,) if first.categories is not None else tuple(first.shape)
    reason = unsolvable(data.inputs, data.target_values)
    numbers = next((input.features for input in data.inputs if isinstance(input, Numbers)), ())
    return InputSpec(
        shape=single.shape if len(inputs) == 1 else (),
        outputs=int(np.prod(output_shape)),
        output_shape=output_shape,
        names=numbers,
        inputs=inputs,
        targets_by_name=targets,
        extra={"solve": None if reason else partial(solve, data, inputs), "unsolved": reason},
    )


def _input_spec(data: TableData, input: Input) -> ArraySpec:
    if isinstance(input, Numbers):
        return ArraySpec(input.shape, input.dtype, extra={"names": input.features})
    if isinstance(input, Category):
        return ArraySpec(input.shape, input.dtype, input.count, {"values": tuple(input.values)})
    if isinstance(input, Sequences):
        return ArraySpec(input.shape, input.dtype, input.ids)
    mean, deviation = data.tensor_moments(INPUT + input.column)  # type: ignore[attr-defined]  # a `Tensor`
    return ArraySpec(input.shape, input.dtype, extra={"mean": mean, "deviation": deviation})


def _target_spec(data: TableData, number: int) -> ArraySpec:
    column, target = data.targets[number], data.target_values[number]
    if target["kind"] == "class":
        extra = {"classes": tuple(target["classes"]), "constant": lambda: target["priors"]}
        return ArraySpec((1,), "int32", len(target["classes"]), extra)
    if not column["shape"]:
        return ArraySpec((1,), extra={"constant": lambda: [0.0]})
    return ArraySpec(tuple(column["shape"]), extra={"constant": lambda: _mean_tensor(data, stored_name(column))})


def _mean_tensor(data: TableData, name: str) -> np.ndarray:
    column, total = data.dataset.matrix(name), 0.0
    for rows in _blocks(data.split.train, column.inner[0]):
        total = total + np.asarray(column.take(rows), np.float64).sum(0)
    return np.asarray(total / len(data.split.train))


def _blocks(rows: np.ndarray, width: int) -> Iterator[np.ndarray]:
    size = max(1, min(BLOCK, _BYTES // (8 * width)))
    for begin in range(0, len(rows), size):
        yield rows[begin : begin + size]


def unsolvable(inputs: Sequence[Input], targets: Sequence[TargetValues]) -> str:
    """Return why reference models cannot be solved, or "" if they can."""
    kinds = {target["kind"] for target in targets}
    if len(kinds) > 1:
        return "it has both numbers and classes as targets"
    if any(target["shape"] for target in targets):
        return "it has tensors as targets"
    if any(isinstance(input, Sequences) for input in inputs):
        return "it has lists of ids as inputs"
    columns = sum(input.count if isinstance(input, Category) else int(np.prod(input.shape)) for input in inputs)
    if columns > MOST_COLUMNS:
        return f"its inputs are {columns:,} columns of a linear model, more than {MOST_COLUMNS:,}"
    classes = max(len(target["classes"]) for target in targets)
    weights = (1 if classes == 2 else classes) * columns
    if weights > MOST_WEIGHTS:
        return f"a logistic regression of it has {weights:,} weights, more than {MOST_WEIGHTS:,}"
    return ""


def solve(data: TableData, inputs: Mapping[str, ArraySpec], model: str, target: str, alpha: float) -> LinearSolution:
    """Return the solution of a reference model for a target, computed once for a data set.

    Args:
        data: rows of a data set.
        inputs: specs of the inputs.
        model: "ridge" or "logistic".
        target: name of the target.
        alpha: penalty of the squared weights.
    """
    key = (model, target, alpha)
    if key not in data.solutions:
        data.solutions[key] = _solve(data, inputs, model, target, alpha)
    return data.solutions[key]


def _solve(data: TableData, inputs: Mapping[str, ArraySpec], model: str, name: str, alpha: float) -> LinearSolution:
    column = next(column for column in data.targets if column["name"] == name)
    observed = data.observed(column)[data.split.train]
    indices = np.flatnonzero(observed)
    if len(indices) > MOST_ROWS[model]:
        indices = indices[np.linspace(0, len(indices) - 1, MOST_ROWS[model]).astype(np.int64)]
    width = sum(map(width_of, inputs.values()))
    if model == "ridge":
        blocks = (_design(data, inputs, name, block) for block in _blocks(indices, width))
        return ridge(((x, y.astype(np.float64)) for x, y in blocks), alpha)
    x, y = _design(data, inputs, name, indices)
    classes = next(len(target["classes"]) for target in data.target_values if target["name"] == name)
    return logistic(x, y[:, 0], classes, alpha)


def _design(
    data: TableData, inputs: Mapping[str, ArraySpec], target: str, indices: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the design matrix and a target of some training examples."""
    batches = TableBatches(data, "train")
    x, y, *_ = batches.gather(indices, batches.mapped(), take_rows)
    return design(inputs, x if isinstance(x, dict) else {next(iter(inputs)): x}), y[target] if isinstance(
        y, dict
    ) else y
