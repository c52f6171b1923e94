"""Check rows of a table whose source says what they are for: groups, classes, weights and equal rows of its parts."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from raysq.data.columns import contiguous_array
from raysq.data.partition_stats import ChunkRecord
from raysq.data.parts import (
    TRAIN,
    VALIDATION,
    divided_group,
    group_names,
    groups_in_parts,
    heaviest,
    refuse_second_validation,
    require_weight,
    text_checksums,
)
from raysq.problems.arrays.cells import numbers_of
from raysq.problems.arrays.encode import part_of_rows, row_checksums
from raysq.problems.arrays.roles import Column
from raysq.problems.classes import check_validation_classes


def check_rows(
    records: Sequence[ChunkRecord],
    columns: Sequence[Column],
    split_column: str | None,
    group: str | None,
    weight: str | None,
) -> int:
    """Check the parts of rows that wait on disk.

    Args:
        records: records of all chunks.
        columns: inputs and targets.
        split_column: column of the parts, or None.
        group: column of the groups, or None.
        weight: column of the weights, or None.

    Returns:
        The number of test and validation rows with the inputs of a training row.

    Raises:
        DataError: a group is in two parts, the validation part has classes that the train part lacks, no training row
            weighs anything, or both the source and another one have rows to validate on.
    """
    inputs = [column["name"] for column in columns if not column["target"]]
    classes = [column["name"] for column in columns if column["target"] and column["kind"] == "class"]
    of_part: dict[str, dict[int, set[str]]] = {name: {TRAIN: set(), VALIDATION: set()} for name in classes}
    keys, groups, parts, values, weighs, own = [], [], [], [], 0.0, 0
    for record in records:
        if not record.rows:
            continue
        rows = record.read()
        part = part_of_rows(rows, split_column)
        arrays = {name: contiguous_array(rows.column(name)) for name in {*inputs, *classes, *filter(None, [group])}}
        keys.append(row_checksums([arrays[name] for name in inputs]))
        parts.append(np.where(part < 0, TRAIN, part))
        if "validates" not in record.stats:
            own += int((part == VALIDATION).sum())
        if group is not None:
            groups.append(_group_checksums(arrays[group]))
            values.append(arrays[group])
        if weight is not None:
            weighs = max(weighs, heaviest(numbers_of(contiguous_array(rows.column(weight))), parts[-1]))
        for name, found in of_part.items():
            for number, names in found.items():
                names.update(_texts(arrays[name].filter(pa.array(parts[-1] == number))))
    if any("validates" in record.stats for record in records):
        refuse_second_validation(own, "row")
    for found in of_part.values():
        check_validation_classes(found[VALIDATION], found[TRAIN])
    if weight is not None:
        require_weight(weighs, weight)
    part = np.concatenate(parts)
    if group is not None:
        divided = groups_in_parts(np.concatenate(groups), part)
        if divided is not None:
            raise divided_group(group, int(part[divided[1]]), f"those of {_value(values, divided[1])!r}")
    key = np.concatenate(keys)
    return int(np.isin(key[part != TRAIN], key[part == TRAIN]).sum())


def _group_checksums(array: pa.Array) -> np.ndarray:
    """Return a checksum of each cell in 64 bits. Those of `row_checksums` have 32 of a text."""
    if not pa.types.is_dictionary(array.type):
        return row_checksums([array])
    checksums = text_checksums(["", *group_names(array.dictionary).to_pylist()])
    return np.asarray(checksums[array.indices.fill_null(-1).to_numpy(zero_copy_only=False) + 1])


def _texts(array: pa.Array) -> set[str]:
    """Return the different values of a column, as text. Equal numbers of several types are equal."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    values = [value for value in array.unique().to_pylist() if value is not None]
    return {f"{value:.15g}" if isinstance(value, (int, float)) else str(value) for value in values}


def _value(arrays: Sequence[pa.Array], row: int) -> object:
    """Return the value of a row of several arrays."""
    for array in arrays:
        if row < len(array):
            return array[row].as_py()
        row -= len(array)
    raise IndexError(row)
