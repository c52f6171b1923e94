"""Predictions for raw images: classes, or the reconstruction errors of an autoencoder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import DataError, UsageError
from raysq.problems.classification_report import predicted_classes
from raysq.problems.fixed_batches import fixed_batches
from raysq.problems.images.batches import scaled
from raysq.problems.images.readers.decode import convert
from raysq.problems.images.readers.format import MAX_PIXEL, Form
from raysq.problems.images.readers.npz import as_images, shape_of
from raysq.problems.images.settings import ImageSettings

BATCH = 128  # images in a batch of predictions


def predict(
    facts: Mapping[str, Any],
    settings: ImageSettings,
    model: Any,
    table: pa.Table,
    report: Mapping[str, Any] | None = None,
    stands: tuple[int, int] | None = None,
    origin: int = 0,
    assets: Path | None = None,
) -> pa.Table:
    """Return the class probabilities of each image, or the reconstruction error of an autoencoder.

    The prediction of an image does not depend on the other images, bit for bit.

    Args:
        facts: metadata of the run.
        settings: image settings of the run.
        model: Keras model.
        table: images in a column `pixels` of fixed-size lists of uint8. A column `id` is kept.
        report: not used.
        stands: not used; each image is predicted by itself.
        origin: number of the table's first row.
        assets: not used.

    Returns:
        A table with `row`, and `id` if `table` has it. Classifiers add `label`, its `probability`, and `p_CLASS` for
        each class. Autoencoders add `error`, the mean squared error of the image's pixels, which are from 0 to 1.

    Raises:
        DataError: `table` has no column of pixels, or its images differ in size from those of the run.
    """
    shape = tuple(facts["shape"])
    pixels = _pixels(table, shape)
    x, outputs = [], []
    for filled, count in fixed_batches(pixels, BATCH):
        x.append(scaled(filled, shape))
        outputs.append(np.asarray(model.predict_on_batch(x[-1]))[:count])
        x[-1] = x[-1][:count]
    out: dict[str, Any] = {"row": pa.array(np.arange(origin, origin + len(pixels)))}
    if "id" in table.column_names:
        out["id"] = table.column("id")
    if settings.target == "image":
        errors = [((one - other) ** 2).reshape(len(one), -1).mean(1) for one, other in zip(x, outputs, strict=True)]
        out["error"] = pa.array(np.concatenate([np.empty(0, np.float32), *errors]).astype(np.float32))
        return pa.table(out)
    classes = facts["classes"]
    shares = np.concatenate([np.empty((0, len(classes)), np.float32), *outputs]).astype(np.float32)
    own = predicted_classes(shares)
    out["label"] = pa.array([classes[number] for number in own.tolist()], pa.string())
    out["probability"] = pa.array(shares[np.arange(len(own)), own])
    for number, name in enumerate(classes):
        out[f"p_{name}"] = pa.array(np.ascontiguousarray(shares[:, number]))
    return pa.table(out)


def rows(facts: Mapping[str, Any], given: Any) -> pa.Table:
    """Return the table of images given as an array in Python.

    Images of another size or color than those of the run are converted as the run's data were.

    Args:
        facts: metadata of the run.
        given: pixels of shape (height, width) or (n, height, width), or either with 1 or 3 channels at the end. The
            values are whole numbers from 0 to 255, or numbers from 0 to the setting `max_pixel` of the run's data.

    Returns:
        A table with a column `pixels` of fixed-size lists of uint8.

    Raises:
        UsageError: `given` does not have the shape of images.
        DataError: values outside the range.
    """
    array = np.asarray(given)
    height, width, channels = facts["shape"]
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3) and array.shape[1] > 3):
        array = array[None]  # one image
    if array.ndim not in (3, 4) or shape_of(array.shape) is None:
        raise UsageError(
            f"images are an array of whole numbers of shape (n, height, width) or (n, height, width, 1 or 3); received "
            f"shape {array.shape} of {array.dtype}"
        )
    read = facts["preprocessor"]
    background = 255 if read["background"] == "white" else 0
    max_pixel = read.get("max_pixel", MAX_PIXEL)
    form = Form(width, height, channels, read["fit"], background, labels=False, max_pixel=max_pixel)
    pixels = convert(as_images(array, "the array", form), form).reshape(len(array), form.bytes)
    return pa.table({"pixels": pa.FixedSizeListArray.from_arrays(pa.array(pixels.reshape(-1)), form.bytes)})


def _pixels(table: pa.Table, shape: tuple[int, ...]) -> np.ndarray:
    """Return the pixels of a table's images, uint8 of shape (n, pixels)."""
    if "pixels" not in table.column_names:
        raise DataError(f"the rows lack a column 'pixels'; there are {', '.join(table.column_names)}")
    column = table.column("pixels").combine_chunks()
    wanted = int(np.prod(shape))
    if not pa.types.is_fixed_size_list(column.type):
        try:
            column = column.cast(pa.list_(pa.uint8(), wanted))
        except pa.ArrowException:
            raise DataError(
                f"column 'pixels' holds {column.type}, not lists of {wanted:,} numbers from 0 to 255"
            ) from None
    if column.type.list_size != wanted or not pa.types.is_uint8(column.type.value_type):
        raise DataError(f"column 'pixels' holds {column.type}, and the run's images have {wanted:,} numbers of uint8")
    return np.asarray(column.flatten().to_numpy(zero_copy_only=True)).reshape(-1, wanted)
