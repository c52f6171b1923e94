"""Parts and weights that a source gives its rows: to train, to validate and to test on, and checks of them."""

import hashlib
import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.errors import DataError

UNKNOWN, TRAIN, TEST, VALIDATION = -1, 0, 1, 2
PARTS = {  # what files, folders and columns call the parts
    "train": TRAIN,
    "training": TRAIN,
    "test": TEST,
    "testing": TEST,
    "dev": VALIDATION,
    "val": VALIDATION,
    "valid": VALIDATION,
    "validation": VALIDATION,
}
PART = ("split", "part")  # usual names of columns that say the parts
NAMES = {TRAIN: "train", TEST: "test", VALIDATION: "validation"}
_MISSING = ("", "na", "n/a", "nan", "null", "none")


def parts_by_name(files: Sequence[Path]) -> list[int]:
    """Return the part of each file if there are several and all names start with one; else -1 for each."""
    codes = [PARTS.get(re.split(r"[-_.]", path.name.lower(), maxsplit=1)[0], UNKNOWN) for path in files]
    return codes if len(files) > 1 and UNKNOWN not in codes else [UNKNOWN] * len(files)


def says_parts(column: str, values: Collection[str]) -> bool:
    """Return whether a column has a usual name of columns that say the parts, and values that are parts."""
    return column.lower().strip() in PART and bool(values) and all(text.strip().lower() in PARTS for text in values)


def validation_parts(parts: np.ndarray, name: str) -> np.ndarray:
    """Return the parts of rows of the source that validates: all are of the validation part.

    Args:
        parts: part that the source says of each row.
        name: name of the file, for the error.

    Raises:
        DataError: the source says another part.
    """
    others = parts[(parts == TRAIN) | (parts == TEST)]
    if len(others):
        raise DataError(
            f"{name} is given to validate on, and says that it has rows of the {NAMES[int(others[0])]} part",
            hint="--validation takes rows to validate on alone",
        )
    return np.full(len(parts), VALIDATION, np.int8)


def refuse_second_validation(own: int, noun: str) -> None:
    """Raise DataError if the source has rows to validate on, and another source is given for that.

    Args:
        own: number of rows of the source that are of the validation part.
        noun: noun for a row.
    """
    if own:
        raise DataError(
            f"the source says of {own:,} {noun}s that they are to validate on, and another one is given for that",
            hint="leave out --validation, or the part that the source says",
        )


def groups_in_parts(keys: np.ndarray, parts: np.ndarray) -> tuple[int, int] | None:
    """Return a training row and another row of the same group in another part, or None if there are no such rows."""
    training = parts == TRAIN
    (others,) = np.nonzero(~training & np.isin(keys, keys[training]))
    if not len(others):
        return None
    other = int(others[0])
    return int(np.flatnonzero(training & (keys == keys[other]))[0]), other


def divided_group(group: str, part: int, example: str) -> DataError:
    """Return the error for a group that a source puts into two parts.

    Args:
        group: column of the groups.
        part: the part beside the train part.
        example: a group, or rows of one.
    """
    return DataError(
        f"rows with the same {group} are to train on and of the {NAMES[part]} part, such as {example}: metrics on it "
        "would count what is known of them",
        hint="move them to one part, or leave --group out",
    )


def row_weights(values: pa.Array | pa.ChunkedArray, ids: Sequence[str] | pa.Array, column: str) -> np.ndarray:
    """Return the weights of rows, float32.

    Args:
        values: numbers, or their text or bytes.
        ids: names of the rows, for errors.
        column: column of the weights.

    Raises:
        DataError: a weight is missing, or no number of at least 0 that float32 holds. The message names the row.
    """
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    numbers = values.cast(pa.float64(), safe=False) if numeric else pa.array(map(_number, values.to_pylist()))
    weights = numbers.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(~(weights >= 0) | (weights > np.finfo(np.float32).max))
    if len(wrong):
        row = int(wrong[0])
        value = values[row].as_py()
        shown = value.decode(errors="replace") if isinstance(value, bytes) else value
        holds = "has none" if shown in (None, "") else f"holds {shown!r}"
        raise DataError(
            f"{ids[row]}: weight column {column!r} {holds}, and a weight is a number of at least 0 that float32 holds",
            hint="mend the row, or --weight names another column",
        )
    return np.asarray(weights, np.float32)


def require_weight(heaviest: float, column: str) -> None:
    """Raise DataError unless the heaviest training row weighs more than 0."""
    if not heaviest:
        raise DataError(
            f"weight column {column!r} holds 0 for all rows to train on, and one must weigh something",
            hint="--weight names another column",
        )


def heaviest(weights: np.ndarray, parts: np.ndarray) -> float:
    """Return the largest weight of the rows to train on, 0 where there are none."""
    return float(np.max(weights, where=parts == TRAIN, initial=0))


def group_names(texts: pa.Array) -> pa.Array:
    """Return texts of groups by which they are compared: 3.0, as pandas writes whole numbers beside gaps, is 3."""
    return pc.replace_substring_regex(texts, r"^([-+]?[0-9]+)\.0+$", r"\1")


def group_texts(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return the groups of rows as text, "" for a missing one. Whole numbers have no decimals."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_large_binary(values.type) or pa.types.is_binary(values.type):
        texts = [None if value is None else value.decode(errors="backslashreplace") for value in values.to_pylist()]
        values = pa.array(texts, pa.large_string())
    texts = group_names(pc.utf8_trim_whitespace(values.cast(pa.large_string()).fill_null("")))
    return pc.if_else(pc.is_in(pc.utf8_lower(texts), pa.array(_MISSING, pa.large_string())), "", texts)


def text_checksums(texts: Sequence[str]) -> np.ndarray:
    """Return the checksum of each text: BLAKE2b with a digest of eight bytes, uint64."""
    digests = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts]
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def _number(value: object) -> float | None:
    if value is None:
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # also bytes; other types raise TypeError
    except (TypeError, ValueError):
        return float("nan")
