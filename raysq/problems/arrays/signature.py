"""Signature of exported models of tables: an input for each column, and the class or value of each target."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.problems.arrays import cells
from raysq.problems.arrays.encode import dtype_of
from raysq.problems.arrays.inputs import (
    ABSENT,
    FIRST,
    UNKNOWN,
    Category,
    Input,
    Numbers,
    Sequences,
    Tensor,
    never_missing,
    stored_values,
)
from raysq.problems.arrays.predict import outputs_by_name
from raysq.problems.arrays.raw_rows import input_rows
from raysq.problems.arrays.roles import Column
from raysq.problems.class_outputs import class_infos, class_outputs, expected_class
from raysq.problems.graph import GraphOps, as_texts
from raysq.problems.signature import Signature, TensorInfo, tensor_name
from raysq.problems.text_graph import trimmed

if TYPE_CHECKING:
    from raysq.problems.arrays.problem import Tables

_ROWS = 24  # rows of the data set, and drawn ones, in a sample
_ODD = ("", " ", "NA", "no such value", "Ünknöwn", "O'Neil", "\u65e5\u672c", "a\x00b")


class TableSignature(Signature):
    """Signature of a run on a table.

    Args:
        problem: problem of the run.
        texts: whether the format has texts. Without them, categories are ids and classes are numbers.
    """

    def __init__(self, problem: "Tables", texts: bool):
        self._problem = problem
        self._texts = texts
        self._columns = {column["name"]: column for column in problem.metadata.columns}
        self._targets: dict[str, list[TensorInfo]] = {}
        taken: list[str] = []
        several = len(problem.metadata.targets) > 1
        for target in problem.metadata.targets:
            name = tensor_name(target["name"], [*taken, "probability", "probabilities", "remark"])
            if target["kind"] == "class":
                infos = class_infos(name, target["classes"], f"{name}_" if several else "", texts=texts)
            elif target["shape"]:
                infos = [TensorInfo(name, "float32", f"predicted {target['name']}", tuple(target["shape"]))]
            else:
                about = f"predicted {target['name']}, in its own unit"
                infos = [TensorInfo(name, self._wide, about, scale=target["deviation"])]
            self._targets[target["name"]] = infos
            taken += [info.name for info in infos]
        remark = TensorInfo("remark", "string", 'what of the row no training row has, or ""')
        self.outputs = [*(info for infos in self._targets.values() for info in infos), *([remark] * texts)]
        # No input has the name of an output: values of a graph of ONNX have one name each.
        taken = [info.name for info in self.outputs]
        self._names: dict[str, str] = {}
        for name in self._columns:
            self._names[name] = tensor_name(name, [*taken, *self._names.values()])
        self.inputs = [self._input_info(column) for column in problem.metadata.columns]

    @property
    def _wide(self) -> str:
        return "float64" if self._texts else "float32"

    def _input_info(self, column: Column) -> TensorInfo:
        name, kind = self._names[column["name"]], column["kind"]
        if kind == "number":
            time = ", seconds since 1970" if column.get("time") else ""
            about = f"number{time}; NaN where it is missing, as infinity is taken"
            return TensorInfo(name, self._wide, about, column=column["name"])
        if kind == "category":
            values = self._problem.metadata.categories[column["name"]]
            if self._texts:
                about = 'category; "" where it is missing. Numbers are written without a decimal point'
                return TensorInfo(name, "string", about, column=column["name"], values=values)
            about = f"id of the category: {UNKNOWN} for a value that is not listed, {ABSENT} for a missing one, "
            about += f"then the values from {FIRST} on"
            return TensorInfo(name, "int32", about, column=column["name"], values=values)
        if kind == "sequence":
            about = "list of ids, filled with 0 at the end; only the first "
            about += f"{self._problem.settings.maxlen:,} count"
            return TensorInfo(name, "int64", about, (None,), column["name"])
        dtype = str(dtype_of(column)) if self._texts else "float32"
        return TensorInfo(name, dtype, "tensor", tuple(column["shape"]), column["name"])

    def trace(self, ops: GraphOps, inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
        """Build the graph."""
        by_column = {column: inputs[name] for column, name in self._names.items()}
        masks: dict[str, Any] = {}
        x = {input.name: self._prepared(ops, input, by_column, masks) for input in self._problem.inputs}
        names = [target["name"] for target in self._problem.metadata.targets]
        outputs = outputs_by_name(model(x if len(x) > 1 else next(iter(x.values()))), names, model)
        shapes = {name: output.shape for name, output in outputs_by_name(model.example, names, model).items()}
        found: dict[str, Any] = {}
        for target in self._problem.metadata.targets:
            output, infos = outputs[target["name"]], self._targets[target["name"]]
            if target["kind"] == "class":
                found |= class_outputs(ops, output, shapes[target["name"]][-1], infos)
                continue
            values = ops.denormalize(output, target["mean"], target["deviation"])
            found[infos[0].name] = ops.cast(values, "float32") if target["shape"] else ops.reshape(values, [-1])
        if self._texts:
            found["remark"] = ops.remarks(masks)
        return found

    def _prepared(self, ops: GraphOps, input: Input, columns: Mapping[str, Any], masks: dict[str, Any]) -> Any:
        """Return an input of the model, and add the masks of rows that training rows lack to `masks` by message."""
        if isinstance(input, Numbers):
            return _numbers(ops, input, columns, masks)
        if isinstance(input, Category):
            return _category(ops, input, columns[input.column], masks, self._texts)
        if isinstance(input, Sequences):
            return _sequences(ops, input, columns[input.column], masks, self._texts)
        assert isinstance(input, Tensor)
        return ops.reshape(ops.cast(columns[input.column], "float32"), [-1, *input.size])

    def samples(self, dataset: Dataset | None) -> pa.Table:
        """Return rows of the data set, and drawn ones with missing numbers and unknown categories."""
        random = np.random.RandomState(0)
        drawn = {name: self._drawn(column, random) for name, column in self._columns.items()}
        rows = input_rows(pa.table(drawn), self._problem.metadata.columns)
        if dataset is None:
            return rows
        chosen = np.linspace(0, dataset.rows - 1, min(_ROWS, dataset.rows)).astype(np.int64)
        stored = {name: _stored(dataset, column, chosen) for name, column in self._columns.items()}
        return pa.concat_tables([input_rows(pa.table(stored), self._problem.metadata.columns), rows])

    def _drawn(self, column: Column, random: np.random.RandomState) -> pa.Array:
        kind = column["kind"]
        if kind == "number":
            moments = next(n for n in self._problem.metadata.numbers if n["name"] == column["name"])
            drawn = moments["mean"] + moments["deviation"] * random.normal(size=_ROWS) * 3
            return pa.array(drawn, mask=random.uniform(size=_ROWS) < 0.2)
        if kind == "category":
            known = list(self._problem.metadata.categories[column["name"]][:100])
            spaced = [f"\u3000 {value}\n" for value in known[:2]]
            return pa.array(random.permutation(as_texts([*known, *spaced, *_ODD])).repeat(_ROWS)[:: len(known) + 1])[
                :_ROWS
            ]
        if kind == "sequence":
            most = self._problem.metadata.ids[column["name"]]
            sizes = random.randint(0, self._problem.settings.maxlen + 4, _ROWS)
            lists = [random.randint(-1, most + 2, size).tolist() for size in sizes]
            return pa.array(lists, pa.large_list(pa.int64()))
        size = int(np.prod(column["shape"]))
        dtype = dtype_of(column)
        whole = dtype.kind in "iu"
        values: Any = random.randint(0, 100, _ROWS * size) if whole else random.normal(size=_ROWS * size)
        return pa.FixedSizeListArray.from_arrays(pa.array(values.astype(dtype)), size)

    def feed(self, rows: pa.Table) -> dict[str, np.ndarray]:
        """Return the inputs of raw rows."""
        feeds = {}
        for info, column in zip(self.inputs, self._problem.metadata.columns, strict=True):
            values = rows.column(column["name"])
            if column["kind"] == "category":
                feeds[info.name] = self._categories(column, values)
            elif column["kind"] == "sequence":
                lists = values.to_pylist()
                width = max([self._problem.settings.maxlen if not self._texts else 1, *map(len, lists)])
                padded = [[*ids, *[0] * (width - len(ids))] for ids in lists]
                feeds[info.name] = np.asarray(padded, np.int64).reshape(len(lists), width)
            elif column["kind"] == "tensor":
                flat = cells.matrix(values.combine_chunks())
                feeds[info.name] = flat.astype(info.dtype).reshape(-1, *column["shape"])
            else:
                feeds[info.name] = values.to_numpy().astype(info.dtype)
        return feeds

    def _categories(self, column: Column, values: pa.ChunkedArray) -> np.ndarray:
        if self._texts:
            return as_texts(values.fill_null("").to_pylist())
        input = next(i for i in self._problem.inputs if isinstance(i, Category) and i.column == column["name"])
        return input.of_rows(pa.table({column["name"]: values}))[:, 0]

    def expected(self, rows: pa.Table, predictions: pa.Table) -> dict[str, np.ndarray]:
        """Return the outputs that predictions stand for, by their places: `predict` renames columns."""
        place = 1
        found: dict[str, np.ndarray] = {}
        for target in self._problem.metadata.targets:
            infos = self._targets[target["name"]]
            if target["kind"] == "class":
                count = 2 + len(target["classes"])
                found |= expected_class(predictions.columns[place : place + count], infos)
                place += count
                continue
            column = predictions.column(place)
            numbers = cells.matrix(column.combine_chunks()) if target["shape"] else column.to_numpy()
            found[infos[0].name] = numbers.reshape(-1, *target["shape"])
            place += 1
        if self._texts:
            found["remark"] = as_texts([remark or "" for remark in predictions.column(place).to_pylist()])
        return found


def _numbers(ops: GraphOps, input: Numbers, columns: Mapping[str, Any], masks: dict[str, Any]) -> Any:
    raw = ops.concat([ops.expand(columns[column["name"]], 1) for column in input.columns], 1)
    mean, deviation = ([column[name] for column in input.columns] for name in ("mean", "deviation"))
    scaled = ops.normalize(raw, mean, deviation)
    most = float(np.finfo(np.float32).max)
    below = ops.binary("less", scaled, ops.constant([most], "float32"))
    above = ops.binary("less", ops.constant([-most], "float32"), scaled)
    # NaN compares with nothing. Infinity, which `predict` refuses, counts as missing.
    missing = ops.unary("not", ops.binary("and", below, above))
    features = ops.where(missing, ops.constant([0.0], "float32"), scaled)
    flags = ops.cast(missing, "float32")
    told = [number for number, column in enumerate(input.columns) if column["indicator"]]
    for number, column in enumerate(input.columns):
        if number not in told:
            flag = ops.gather(flags, ops.constant(number, "int64"), 1)
            masks[never_missing(column["name"])] = ops.binary("less", ops.constant(0.0, "float32"), flag)
    if not told:
        return features
    return ops.concat([features, ops.gather(flags, ops.constant(told, "int64"), 1)], 1)


def _category(ops: GraphOps, input: Category, values: Any, masks: dict[str, Any], texts: bool) -> Any:
    ids = values
    if texts:
        missing = list(dict.fromkeys(["", *cells.EMPTY.to_pylist()]))
        codes = [ABSENT] * len(missing) + list(range(FIRST, input.count))
        ids = ops.lookup(trimmed(ops, values), [*missing, *input.values], codes, UNKNOWN)
        messages = {f"{input.column} has a value that training rows lack": UNKNOWN}
        messages |= {} if input.missing else {never_missing(input.column): ABSENT}
        for message, code in messages.items():
            masks[message] = ops.binary("equal", ids, ops.constant(code, "int64"))
    return ops.expand(ops.cast(ids, "int32"), 1)


def _sequences(ops: GraphOps, input: Sequences, values: Any, masks: dict[str, Any], texts: bool) -> Any:
    zero = ops.constant(0, "int64")
    values = ops.concat([values, ops.fill(values, input.maxlen, 0)], 1)
    within = ops.binary("less", values, ops.constant(input.ids, "int64"))
    known = ops.binary("and", within, ops.unary("not", ops.binary("less", values, zero)))
    if texts:
        odd = ops.reduce("max", ops.cast(ops.unary("not", known), "int64"), 1)
        masks[f"{input.column} has an id of {input.ids:,} or more"] = ops.binary("less", zero, odd)
    first = ops.gather(ops.where(known, values, zero), ops.constant(list(range(input.maxlen)), "int64"), 1)
    return ops.cast(first, "int32")


def _stored(dataset: Dataset, column: Column, rows: np.ndarray) -> pa.Array:
    """Return cells of a data set as they were in the raw rows."""
    name = f"x:{column['name']}"
    if column["kind"] == "category":
        values = pa.array([None, *stored_values(dataset)[column["name"]]], pa.large_string())
        return values.take(pa.array(np.asarray(dataset.column(name).take(rows), np.int64)))
    if column["kind"] == "sequence":
        lists = dataset.ragged(name)
        return pa.array([lists.row(row).tolist() for row in rows.tolist()], pa.large_list(pa.int32()))
    if column["kind"] == "tensor":
        numbers = np.asarray(dataset.matrix(name).take(rows))
        return pa.FixedSizeListArray.from_arrays(pa.array(numbers.reshape(-1)), numbers.shape[1])
    return pa.array(np.asarray(dataset.column(name).take(rows), np.float64), from_pandas=True)
