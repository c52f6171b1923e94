"""Predictions for raw images: classes, or the reconstruction errors of an autoencoder."""

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysq.data.frames import to_table
from raysq.data.pipeline import read_table
from raysq.errors import DataError, UsageError
from raysq.problems.classification_report import predicted_classes
from raysq.problems.fixed_batches import fixed_batches
from raysq.problems.images.batches import scaled
from raysq.problems.images.readers.decode import convert
from raysq.problems.images.readers.format import ImageFormat
from raysq.problems.images.readers.npz import as_images, shape_of

if TYPE_CHECKING:
    from raysq.problems.images.preprocessor import ImagePredictionPreprocessor
    from raysq.problems.images.problem import Images

BATCH = 128  # images in a batch of predictions


def predict(problem: "Images", model: Any, rows: pa.Table) -> pa.Table:
    """Return the class probabilities of each image, or the reconstruction error of an autoencoder.

    The prediction of an image does not depend on the other images, bit for bit.

    Args:
        problem: problem of the run.
        model: Keras model.
        rows: images in a column `pixels` of fixed-size lists of uint8. A column `id` is kept.

    Returns:
        A table with `row`, and `id` if `rows` has it. Classifiers add `label`, its `probability`, and `p_CLASS` for
        each class. Autoencoders add `error`, the mean squared error of the image's pixels, which are from 0 to 1.

    Raises:
        DataError: `rows` has no column of pixels, or its images differ in size from those of the run.
    """
    shape = tuple(problem.metadata.shape)
    pixels = _pixels(rows, shape)
    images, outputs = [], []
    for batch, count in fixed_batches(pixels, BATCH):
        x = scaled(batch, shape)
        outputs.append(np.asarray(model.predict_on_batch(x))[:count])
        images.append(x[:count])
    columns: dict[str, Any] = {"row": pa.array(np.arange(len(pixels)))}
    if "id" in rows.column_names:
        columns["id"] = rows.column("id")
    if problem.settings.target == "image":
        errors = [((x - output) ** 2).reshape(len(x), -1).mean(1) for x, output in zip(images, outputs, strict=True)]
        columns["error"] = pa.array(np.concatenate([np.empty(0, np.float32), *errors]).astype(np.float32))
        return pa.table(columns)
    classes = problem.metadata.classes
    shares = np.concatenate([np.empty((0, len(classes)), np.float32), *outputs]).astype(np.float32)
    predicted = predicted_classes(shares)
    columns["label"] = pa.array([classes[number] for number in predicted.tolist()], pa.string())
    columns["probability"] = pa.array(shares[np.arange(len(predicted)), predicted])
    for number, name in enumerate(classes):
        columns[f"p_{name}"] = pa.array(np.ascontiguousarray(shares[:, number]))
    return pa.table(columns)


def array_rows(array: Any, format: ImageFormat) -> pa.Table:
    """Return the table of images given as an array in Python.

    Images of another size or color than those of the run are converted as the run's data were.

    Args:
        array: pixels of shape (height, width) or (n, height, width), or either with 1 or 3 channels at the end. The
            values are whole numbers from 0 to 255, or numbers from 0 to the setting `max_pixel` of the run's data.
        format: format of the run's images.

    Returns:
        A table with a column `pixels` of fixed-size lists of uint8.

    Raises:
        UsageError: `array` does not have the shape of images.
        DataError: values outside the range.
    """
    array = np.asarray(array)
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3) and array.shape[1] > 3):
        array = array[None]  # one image
    if array.ndim not in (3, 4) or shape_of(array.shape) is None:
        raise UsageError(
            f"images are an array of whole numbers of shape (n, height, width) or (n, height, width, 1 or 3); received "
            f"shape {array.shape} of {array.dtype}"
        )
    pixels = convert(as_images(array, "the array", format), format).reshape(len(array), format.bytes)
    return pa.table({"pixels": pa.FixedSizeListArray.from_arrays(pa.array(pixels.reshape(-1)), format.bytes)})


def frame_rows(frame: Any, preprocessor: "ImagePredictionPreprocessor") -> pa.Table:
    """Return the table of images given in rows, read as a file of them is.

    Args:
        frame: rows with a column of images, or of `pixels` as `array_rows` returns them.
        preprocessor: preprocessor of images for predictions.

    Raises:
        DataError: an image is damaged. It is not left out, because each row has its prediction.
    """
    columns = frame if isinstance(frame, dict) else getattr(frame, "column_names", getattr(frame, "columns", ()))
    if "pixels" in columns:
        return to_table(frame)
    strict = dataclasses.replace(preprocessor, damaged="error")
    with tempfile.TemporaryDirectory() as folder:
        file = strict.write_rows(frame, Path(folder))
        try:
            return read_table(strict, [file], inferred=True)[0]
        except DataError as error:
            raise DataError(f"the rows have an image that cannot be used: {error.message}") from None


def _pixels(table: pa.Table, shape: tuple[int, ...]) -> np.ndarray:
    """Return the pixels of a table's images, uint8 of shape (n, pixels)."""
    if "pixels" not in table.column_names:
        raise DataError(f"the rows lack a column 'pixels'; there are {', '.join(table.column_names)}")
    column = table.column("pixels").combine_chunks()
    size = int(np.prod(shape))
    if not pa.types.is_fixed_size_list(column.type):
        try:
            column = column.cast(pa.list_(pa.uint8(), size))
        except pa.ArrowException:
            raise DataError(
                f"column 'pixels' holds {column.type}, not lists of {size:,} numbers from 0 to 255"
            ) from None
    if column.type.list_size != size or not pa.types.is_uint8(column.type.value_type):
        raise DataError(f"column 'pixels' holds {column.type}, and the run's images have {size:,} numbers of uint8")
    return np.asarray(column.flatten().to_numpy(zero_copy_only=True)).reshape(-1, size)
