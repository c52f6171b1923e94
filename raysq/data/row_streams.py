"""Rows passed in Python that are read in batches: data sets of Ray, Hugging Face and TensorFlow, and iterables."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from raysq.config import join_names
from raysq.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 4096  # rows of a batch
_BYTES = 32 << 20  # bytes of single rows that are collected to a batch
_INFINITE, _TUPLE = -1, ("x", "y", "sample_weight")  # as `model.fit` calls the elements of a tuple
SPLIT = "split"


def is_stream(value: Any) -> bool:
    """Whether a value yields rows with named columns, batch by batch."""
    return _is_iterable(value) or any(check(value) for check, _ in _DATA_SETS)


def batches(value: Any, to_table: "Callable[[Any], pa.Table]") -> "Iterator[pa.Table]":
    """Yield the rows of a data set or an iterable as tables, in their order. It is read once.

    Args:
        to_table: converts frames that an iterable yields.

    Raises:
        UsageError: the data set is infinite, an element has no columns, or a column has no common type.
        ResourceError: Ray fails to read its data set.
    """
    import pyarrow as pa

    from raysq.data.tensors import storable

    read = next((read for check, read in _DATA_SETS if check(value)), None)
    for table in _of_iterable(value, to_table) if read is None else read(value):
        yield pa.table({str(name): storable(values) for name, values in table.items()})


Columns = dict[str, "pa.Array | pa.ChunkedArray"]


def _is_ray(value: Any) -> bool:
    return type(value).__module__.startswith("ray.data") and hasattr(value, "iter_batches")


def _of_ray(value: Any) -> Iterator[Columns]:
    """Read a `ray.data.Dataset`, whose blocks Ray computes while the previous ones are consumed."""
    from raysq.distributed.ray_data import ray_errors

    options = value.context.execution_options
    before = options.preserve_order
    options.preserve_order = True  # Ray Data yields blocks in the order in which they are ready otherwise
    try:
        with ray_errors("reading the Ray data set"):
            for table in value.iter_batches(batch_size=None, batch_format="pyarrow"):
                yield _columns(table)
    finally:
        options.preserve_order = before


def _is_hugging_face(value: Any) -> bool:
    return hasattr(value, "with_format") and hasattr(value, "features") and hasattr(value, "iter")


def _of_hugging_face(value: Any) -> Iterator[Columns]:
    """Read a `datasets.Dataset` or `IterableDataset`. Class labels become the names of the classes."""
    features = value.features or {}
    names = {name: feature.names for name, feature in features.items() if hasattr(feature, "int2str")}
    for table in value.with_format("arrow").iter(batch_size=_ROWS):
        columns = _columns(table)
        yield columns | {name: _class_names(columns[name], names[name]) for name in names}


def _class_names(codes: "pa.ChunkedArray", names: list[str]) -> "pa.Array":
    import pyarrow as pa

    if not pa.types.is_integer(codes.type):
        return codes  # lists of labels
    known = [code if code is not None and code >= 0 else None for code in codes.to_pylist()]  # -1 is no label
    return pa.array(names, pa.string()).take(pa.array(known, pa.int64()))


def _is_splits(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(map(_is_hugging_face, value.values()))


def _of_splits(value: Mapping[str, Any]) -> Iterator[Columns]:
    """Read a `datasets.DatasetDict`: the rows of all splits, with the name of their split in a column."""
    import pyarrow as pa

    for split, dataset in value.items():
        for columns in _of_hugging_face(dataset):
            if SPLIT in columns:
                raise UsageError(
                    f"the data set has splits and a column {SPLIT!r}: give one split, or rename the column"
                )
            rows = len(next(iter(columns.values())))
            yield columns | {SPLIT: pa.array([str(split)] * rows)}


def _is_tensorflow(value: Any) -> bool:
    return hasattr(value, "element_spec") and hasattr(value, "as_numpy_iterator")


def _of_tensorflow(value: Any) -> Iterator[Columns]:
    """Read a finite `tf.data.Dataset`. Its elements are rows, or batches of rows if it was batched."""
    if int(value.cardinality()) == _INFINITE:
        raise UsageError("the tf.data.Dataset is infinite: give a finite one, such as dataset.take(1000)")
    from raysq.data.tensors import column

    elements = (_flat(element) for element in value.as_numpy_iterator())
    if _is_batched(value):
        return ({name: column(name, values) for name, values in element.items()} for element in elements)
    return _of_rows(elements)


def _is_batched(value: Any) -> bool:
    """Whether a `tf.data.Dataset` was batched, and not unbatched later.

    Raises:
        UsageError: the sizes of all first dimensions vary, and no operation tells whether they are those of batches.
    """
    specs = _flat(value.element_spec)
    dataset = value
    while dataset is not None and "Unbatch" not in (operation := type(dataset).__name__):
        # A batch of fixed size looks like a row of tensors, so only the operations tell them apart.
        if operation.endswith("BatchDataset"):
            return True
        dataset = getattr(dataset, "_input_dataset", None) if "FlatMap" not in operation else None
    shapes = [getattr(spec, "shape", None) for spec in specs.values()]
    if shapes and all(shape is not None and shape.rank and shape[0] is None for shape in shapes):
        raise UsageError(
            f"elements of the tf.data.Dataset have {' and '.join(specs)} of varying length, which may be rows or "
            "batches: call .batch(1000) on a data set of rows, .unbatch() on one of batches"
        )
    return False


def _flat(element: Any, name: str = "") -> dict[str, Any]:
    """Return the parts of an element by name. Those of a tuple are called x, y and sample_weight, as by `model.fit`.

    A dict inside a tuple keeps its names; one inside a dict puts the name of the outer one and a dot before them.
    """
    if hasattr(element, "_asdict"):
        element = element._asdict()
    if isinstance(element, Mapping):
        parts = [_flat(part, f"{name}.{key}" if name else str(key)) for key, part in element.items()]
    elif isinstance(element, (tuple, list)):
        if name or len(element) > len(_TUPLE):
            where = f"part {name!r}" if name else "its element"
            raise UsageError(
                f"{where} of the tf.data.Dataset is a tuple of {len(element)}: elements are a dict, or x, y and "
                "sample_weight; map it to a dict"
            )
        pairs = [(part, role) for part, role in zip(element, _TUPLE, strict=False) if part is not None]
        parts = [_flat(part, "" if isinstance(part, Mapping) else role) for part, role in pairs]
    else:
        if type(element).__name__.startswith("Sparse"):
            raise UsageError(
                f"{name or 'the element'!r} of the tf.data.Dataset is sparse: map it with tf.sparse.to_dense"
            )
        ragged = type(element).__name__.startswith("RaggedTensor") and hasattr(element, "to_list")
        return {name or _TUPLE[0]: element.to_list() if ragged else element}
    flat: dict[str, Any] = {}
    for part in parts:
        repeated = flat.keys() & part.keys()
        if repeated:
            raise UsageError(f"the element has two parts named {min(repeated)!r}: rename one")
        flat |= part
    return flat


def _is_iterable(value: Any) -> bool:
    """Whether a value is an iterable of something that may be rows. Of a list, the first element tells."""
    if isinstance(value, (list, tuple)):
        return bool(value) and (isinstance(value[0], Mapping) or hasattr(value[0], "__arrow_c_stream__"))
    plain = isinstance(value, (str, bytes, bytearray, os.PathLike, Mapping, set, frozenset, range))
    return isinstance(value, Iterable) and not plain and not hasattr(value, "__array__")


def _of_iterable(value: Iterable[Any], to_table: "Callable[[Any], pa.Table]") -> Iterator[Columns]:
    """Read an iterable of rows (dicts), or of batches (dicts of columns, or frames). The first element tells which."""
    from raysq.data.tensors import is_batch

    items = iter(value)
    first = next(items, None)
    if first is None:
        return
    elements = _checked(itertools.chain([first], items))
    if isinstance(first, Mapping) and not is_batch(first):
        yield from _of_rows(elements)
    else:
        for number, element in enumerate(elements):
            if isinstance(element, Mapping) and not is_batch(element):
                raise UsageError(
                    f"element {number} of the iterable is a row, or has columns of different lengths, and the first is "
                    "a batch: all its values are lists or arrays of one length"
                )
            yield _columns(to_table(dict(element) if isinstance(element, Mapping) else element))


def _checked(elements: Iterator[Any]) -> Iterator[Any]:
    """Yield the elements of an iterable, which are dicts or have the type of the first one."""
    sort: Any = None
    for number, element in enumerate(elements):
        sort = sort or (Mapping if isinstance(element, Mapping) else type(element))
        if not isinstance(element, sort) or not (sort is Mapping or hasattr(element, "__arrow_c_stream__")):
            raise UsageError(
                "an iterable yields rows as dicts, or batches as dicts of columns or frames; its element "
                f"{number} is {type(element).__name__}"
            )
        yield element


def _of_rows(rows: Iterator[Mapping[str, Any]]) -> Iterator[Columns]:
    """Collect rows to columns. A row without a column has no value there."""
    held: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        held.append(row)
        size += sum(getattr(value, "nbytes", 0) or _size(value) for value in row.values())
        if len(held) >= _ROWS or size >= _BYTES:
            yield _collected(held)
            held, size = [], 0
    if held:
        yield _collected(held)


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (str, bytes)) else 8


def _collected(rows: list[Mapping[str, Any]]) -> Columns:
    from raysq.data.tensors import column

    names = dict.fromkeys(name for row in rows for name in row)
    return {str(name): column(str(name), [_cell(row.get(name)) for row in rows]) for name in names}


def _cell(value: Any) -> Any:
    """Return an array without dimensions, such as a tensor of TensorFlow or PyTorch, as its value."""
    return np.asarray(value).item() if hasattr(value, "__array__") and not np.ndim(value) else value


def _columns(table: "pa.Table") -> Columns:
    names = table.column_names
    if len(set(names)) < len(names):
        raise UsageError(f"the rows have two columns of one name: {join_names(names)}")
    return dict(zip(names, table.columns, strict=True))


_DATA_SETS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Iterator[Columns]]], ...] = (
    (_is_ray, _of_ray),
    (_is_splits, _of_splits),
    (_is_hugging_face, _of_hugging_face),
    (_is_tensorflow, _of_tensorflow),
)
