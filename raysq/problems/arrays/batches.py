"""Batch source of a table: inputs and targets of each split, and the gather that builds a batch."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from raysq.data.columns import validate_range
from raysq.data.dataset import Dataset
from raysq.data.moments import merge, moments
from raysq.errors import UsageError
from raysq.problems.arrays.encode import INPUT, TARGET, stored_name
from raysq.problems.arrays.inputs import Input, Stored, make_inputs, stored_values, tensor_batch
from raysq.problems.arrays.metadata import Number, TargetValues
from raysq.problems.arrays.references import LinearSolution
from raysq.problems.arrays.roles import Column
from raysq.problems.arrays.settings import TableSettings
from raysq.problems.arrays.table_splits import table_splits
from raysq.problems.class_weights import class_weights, weigh
from raysq.problems.even_rows import evenly
from raysq.problems.row_batches import RowBatches, column_weights
from raysq.problems.splits import SPLITS

MASK = "observed:"  # before the name of a target, in `arrays`
BLOCK = 1 << 18  # rows read at a time
_SAMPLED = 4096  # rows whose tensors are measured


class TableData:
    """The rows of a data set, shared by all splits.

    Attributes:
        dataset: prepared table.
        settings: batch-time settings.
        columns: input columns.
        targets: target columns, in the order of the setting `target`.
        split: rows of each split, without those that have no target.
        left_out: number of rows without any target.
        class_weights: weight of each class of the only target in training, or None for 1 each.
        solutions: solutions of reference models, by model, target and penalty.
    """

    def __init__(self, dataset: Dataset, settings: TableSettings):
        self.dataset = dataset
        self.settings = settings
        self.solutions: dict[tuple[str, str, float], LinearSolution] = {}
        columns: list[Column] = dataset.manifest.report["columns"]
        self.columns = [column for column in columns if not column["target"]]
        by_name = {column["name"]: column for column in columns if column["target"]}
        self.targets = [by_name[name] for name in dataset.preprocessor_settings["target"]]
        observed = np.any([self.observed(column) for column in self.targets], axis=0)
        self.left_out = int((~observed).sum())
        self.split = table_splits(dataset, settings, observed, self.targets[0]["name"], self.targets[0]["kind"])
        self.class_weights = self._class_weights()

    def observed(self, column: Column) -> np.ndarray:
        """Return whether each row has a target."""
        if not column["missing"]:
            return np.ones(self.dataset.rows, bool)
        values = self.dataset.column(TARGET + column["name"]).slice(0, self.dataset.rows)
        return values > 0 if column["kind"] == "class" else ~np.isnan(values)

    @cached_property
    def numbers(self) -> list[Number]:
        """Columns of numbers, with mean and deviation of the training rows."""
        numbers = []
        for column in self.columns:
            if column["kind"] == "number":
                count, mean, deviation = self._moments(INPUT + column["name"])
                missing = count < len(self.split.train)
                numbers.append(Number(name=column["name"], mean=mean, deviation=deviation, indicator=missing))
        return numbers

    def tensor_moments(self, name: str) -> tuple[float, float]:
        """Return mean and deviation of all numbers of the tensors of some training rows, evenly spaced."""
        rows = self.split.train
        rows = rows[evenly(len(rows), _SAMPLED)]
        values = np.asarray(self.dataset.matrix(name).take(rows), np.float64)
        return float(values.mean()), float(values.std()) or 1.0

    def _moments(self, name: str) -> tuple[int, float, float]:
        """Return count, mean and deviation of a column over the training rows; 1 for a deviation of 0."""
        column, total = self.dataset.column(name), (0, 0.0, 0.0)
        for rows in blocks(self.split.train):
            total = merge(total, moments(column.take(rows)))
        deviation = float(np.sqrt(total[2] / max(total[0], 1)))
        return total[0], total[1], deviation or 1.0

    @cached_property
    def categories(self) -> dict[str, list[str]]:
        """Values of each column of categories with at least `min_count` training rows, most often first."""
        values, known = stored_values(self.dataset), {}
        for column in self.columns:
            if column["kind"] != "category":
                continue
            texts = values[column["name"]]
            counts = self._counts(INPUT + column["name"], len(texts))
            order = np.argsort(-counts, kind="stable")
            known[column["name"]] = [texts[n] for n in order.tolist() if counts[n] >= self.settings.min_count]
        return known

    def _counts(self, name: str, values: int) -> np.ndarray:
        """Return the number of training rows of each value of a column of codes."""
        codes = self.dataset.column(name)
        counts = np.zeros(values + 1, np.int64)
        for rows in blocks(self.split.train):
            taken = codes.take(rows)
            validate_range(taken, 0, values + 1, "code of a category")
            counts += np.bincount(taken, minlength=values + 1)
        return counts[1:]

    @property
    def ids(self) -> dict[str, int]:
        """Number of ids of each column of lists."""
        return {column["name"]: column["values"] for column in self.columns if column["kind"] == "sequence"}

    @cached_property
    def inputs(self) -> list[Input]:
        """Inputs of a model."""
        return make_inputs(self.columns, self.numbers, self.categories, self.ids, self.settings.maxlen)

    @cached_property
    def stored(self) -> dict[str, Stored]:
        """Stored values of each input, by its name in `arrays`."""
        return {INPUT + input.name: input.of_dataset(self.dataset) for input in self.inputs}

    @cached_property
    def target_values(self) -> list[TargetValues]:
        """Targets, with classes or moments of the training rows."""
        return [self._target(column) for column in self.targets]

    def _target(self, column: Column) -> TargetValues:
        name, is_class = column["name"], column["kind"] == "class"
        observed = self.observed(column)
        target = TargetValues(
            name=name,
            kind=column["kind"],
            classes=stored_values(self.dataset)[name] if is_class else [],
            priors=[],
            shape=column["shape"],
            mean=0.0,
            deviation=1.0,
            variance={},
            unobserved=int((~observed).sum()),
        )
        if is_class:
            counts = self._counts(TARGET + name, len(target["classes"]))
            target["priors"] = (counts / max(counts.sum(), 1)).tolist()
        elif not column["shape"]:
            _, target["mean"], target["deviation"] = self._moments(TARGET + name)
            for split in SPLITS:
                rows = getattr(self.split, split)
                rows = rows[observed[rows]]
                if len(rows):
                    values = self.dataset.column(TARGET + name).take(rows).astype(np.float64)
                    target["variance"][split] = float(np.var(values) / target["deviation"] ** 2)
        return target

    def target_array(self, column: Column, target: TargetValues, rows: np.ndarray) -> np.ndarray:
        """Return a target of some rows: class indices int32, normalized numbers float32, or tensors as they are.

        A missing target is 0.
        """
        if column["shape"]:
            return self.dataset.matrix(stored_name(column)).take(rows)
        values = self.dataset.column(stored_name(column)).take(rows)
        if column["kind"] == "class":
            validate_range(values, 0, len(target["classes"]) + 1, "code of a class")
            return np.maximum(values.astype(np.int32) - 1, 0)[:, None]
        scaled = (values.astype(np.float64) - target["mean"]) / target["deviation"]
        return np.nan_to_num(scaled).astype(np.float32)[:, None]

    @cached_property
    def labels(self) -> dict[str, np.ndarray]:
        """Targets of all rows in memory, by name in `arrays`; tensors are read where they are needed."""
        rows = np.arange(self.dataset.rows)
        return {
            TARGET + column["name"]: self.target_array(column, target, rows)
            for column, target in zip(self.targets, self.target_values, strict=True)
            if not column["shape"]
        }

    @cached_property
    def masks(self) -> dict[str, np.ndarray]:
        """1 for each row with a target, 0 for each other one, by target with missing values where there are several."""
        if len(self.targets) == 1:
            return {}  # rows without the target are left out
        return {c["name"]: self.observed(c).astype(np.float32) for c in self.targets if c["missing"]}

    @cached_property
    def observations(self) -> dict[str, np.ndarray]:
        """Masks by name in `arrays`."""
        return {MASK + name: mask for name, mask in self.masks.items()}

    def _class_weights(self) -> np.ndarray | None:
        """Return the weight of each class of the only target, or None for 1 each."""
        if self.settings.class_weight is None:
            return None
        if [column["kind"] for column in self.targets] != ["class"]:
            targets = ", ".join(f"{column['name']} ({column['kind']})" for column in self.targets)
            raise UsageError(
                f"setting class_weight needs a single target of classes, and this table has {targets}: leave it out, "
                "or weigh rows by a column (--weight)"
            )
        (target,) = self.target_values
        return class_weights(self.settings.class_weight, target["classes"], target["priors"])

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """All inputs and targets in memory."""
        rows = np.arange(self.dataset.rows)
        inputs = {name: stored.take(rows) for name, stored in self.stored.items()}
        tensors = {name: np.array(column.slice(0, self.dataset.rows)) for name, column in self.target_tensors.items()}
        return {**inputs, **self.labels, **self.observations, **tensors}

    @cached_property
    def target_tensors(self) -> dict[str, Any]:
        """Stored targets that are tensors, by name in `arrays`."""
        return {stored_name(c): self.dataset.matrix(stored_name(c)) for c in self.targets if c["shape"]}

    @property
    def nbytes(self) -> int:
        """Size of `arrays` in bytes."""
        row = sum(stored.row_bytes for stored in self.stored.values()) + 4 * (len(self.labels) + len(self.masks))
        row += sum(int(np.prod(c.inner)) * c.dtype.itemsize for c in self.target_tensors.values())
        return int(row * self.dataset.rows)


def blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield rows in blocks of a bounded size."""
    for begin in range(0, len(rows), BLOCK):
        yield rows[begin : begin + BLOCK]


class TableBatches(RowBatches[TableData]):
    """Batch source of the rows of one split."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the inputs and targets of all rows, shared by all splits, and the rows of this split."""
        return {**self.data.arrays, "rows": self.rows}

    def mapped(self) -> dict[str, Any]:
        """Return the same arrays, with the inputs on disk."""
        data = self.data
        return {**data.stored, **data.target_tensors, **data.labels, **data.observations, "rows": self.rows}

    @property
    def weights(self) -> np.ndarray | None:
        """Weight of each example, of training examples by their class too; None where all weigh the same."""
        weights = column_weights(self.data.dataset, self.rows)
        if self.name != "train" or self.data.class_weights is None:
            return weights
        (labels,) = self.data.labels.values()
        return weigh(weights, self.data.class_weights, labels[self.rows, 0])

    @property
    def shares(self) -> dict[str, np.ndarray] | None:
        """1 for each example with a target, else 0, by target with missing values; None if none has."""
        masks = self.data.masks
        return {name: mask[self.rows] for name, mask in masks.items()} if masks else None

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, ...]:
        """Build a batch.

        Args:
            indices: int vector of n example indices (NumPy or TensorFlow).
            arrays: the result of `arrays` or `mapped`, or device copies of it.
            take: `take(array, rows)` gathers along the first axis.

        Returns:
            `(x, y)`, or `(x, y, observed)` if there are several targets with missing values. x is the array of the only
            input, or a dict by the inputs' names; see `raysq.problems.arrays.inputs`. y is the array of the only
            target, or a dict: class indices, int32 of shape (n, 1), normalized numbers, float32 of shape (n, 1), or
            tensors, float32.
        """
        rows = take(arrays["rows"], indices)
        inputs = {input.name: input.batch(take(arrays[INPUT + input.name], rows)) for input in self.data.inputs}
        targets = {}
        for column in self.data.targets:
            values = take(arrays[stored_name(column)], rows)
            targets[column["name"]] = tensor_batch(values, tuple(column["shape"])) if column["shape"] else values
        x = inputs if len(inputs) > 1 else next(iter(inputs.values()))
        if len(targets) == 1:
            return x, next(iter(targets.values()))
        if not self.data.masks:
            return x, targets
        observed = {name: take(arrays[MASK + name], rows)[:, None] for name in self.data.masks}
        return x, targets, {name: observed.get(name) for name in targets}
