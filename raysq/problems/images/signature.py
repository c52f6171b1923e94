"""Signature of exported models of images: pixels of the prepared size in, classes or the reconstruction error out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from raysq.data.dataset import Dataset
from raysq.problems.class_outputs import class_infos, class_outputs, expected_class
from raysq.problems.graph import GraphOps
from raysq.problems.images.batches import SCALE
from raysq.problems.signature import Signature, TensorInfo

if TYPE_CHECKING:
    from raysq.problems.images.problem import Images

_IMAGES = 16  # images of the data set, and drawn ones, in a sample


class ImageSignature(Signature):
    """Signature of a model of images.

    Args:
        problem: problem of the run.
        texts: whether the format has texts. Without them, there is no class by name.
    """

    notes = ("images have the prepared size and color: predict decodes, turns and resizes files of images first",)

    def __init__(self, problem: "Images", texts: bool):
        self._problem = problem
        self._shape = tuple(problem.metadata.shape)
        height, width, channels = self._shape
        about = f"pixels of {width} x {height}, {'gray' if channels == 1 else 'red, green and blue'}, from 0 to 255"
        self.inputs = [TensorInfo("pixels", "uint8", about, self._shape, column="pixels")]
        self._classes = [] if self._is_autoencoder else class_infos("label", problem.metadata.classes, texts=texts)
        error = TensorInfo("error", "float32", "mean squared error of the reconstructed pixels, which are from 0 to 1")
        self.outputs = self._classes or [error]

    @property
    def _is_autoencoder(self) -> bool:
        return bool(self._problem.settings.target == "image")

    def trace(self, ops: GraphOps, inputs: Mapping[str, Any], model: Any) -> dict[str, Any]:
        """Build the graph."""
        scaled = ops.binary("multiply", ops.cast(inputs["pixels"], "float32"), ops.constant(SCALE, "float32"))
        output = model(scaled)
        if not self._is_autoencoder:
            return class_outputs(ops, output, model.example.shape[-1], self._classes)
        size = int(np.prod(self._shape))
        error = ops.reshape(ops.binary("subtract", scaled, ops.cast(output, "float32")), [-1, size])
        total = ops.reduce("sum", ops.binary("multiply", error, error), 1)
        return {"error": ops.binary("divide", total, ops.constant(size, "float32"))}

    def samples(self, dataset: Dataset | None) -> pa.Table:
        """Return images of the data set, drawn ones, and one black and one white."""
        size = int(np.prod(self._shape))
        pixels = np.random.RandomState(0).randint(0, 256, (_IMAGES, size)).astype(np.uint8)
        pixels[0], pixels[1] = 0, 255
        if dataset is not None:
            rows = np.linspace(0, dataset.rows - 1, min(_IMAGES, dataset.rows)).astype(np.int64)
            stored = np.asarray(self._problem.data(dataset).pixels.take(rows)).reshape(len(rows), size)
            pixels = np.concatenate([stored, pixels])
        return pa.table({"pixels": pa.FixedSizeListArray.from_arrays(pa.array(pixels.reshape(-1)), size)})

    def feed(self, rows: pa.Table) -> dict[str, np.ndarray]:
        """Return the pixels."""
        column = rows.column("pixels").combine_chunks()
        pixels = column.flatten().to_numpy(zero_copy_only=True).reshape(rows.num_rows, *self._shape)
        return {"pixels": pixels}

    def expected(self, rows: pa.Table, predictions: pa.Table) -> dict[str, np.ndarray]:
        """Return the classes and their probabilities, or the errors."""
        if self._is_autoencoder:
            return {"error": predictions.column("error").to_numpy()}
        begin = predictions.column_names.index("label")
        count = 2 + len(self._problem.metadata.classes)
        return expected_class(predictions.columns[begin : begin + count], self._classes)
