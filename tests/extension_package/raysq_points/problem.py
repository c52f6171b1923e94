"""Problem `point_labels`: the class of each point of a series, from the values before and at the point."""

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import raysq


@dataclass(frozen=True)
class PointPreprocessor(raysq.Preprocessor):
    """Read a column of values and a column of labels. The fields are settings of `raysq prepare`."""

    value: str = "value"
    label: str = "label"
    classes: tuple[str, ...] = ()

    suffixes = (".csv", ".parquet")

    def infer(self, files):
        if self.classes:
            return self, []
        labels = {str(label) for file in files for label in raysq.read_columns(file, self.label)[0].to_pylist()}
        classes = tuple(sorted(labels))
        return replace(self, classes=classes), [f"classes: {', '.join(classes)}"]

    def read(self, partition):
        values = raysq.read_columns(partition, self.value)[0]
        columns = {"value": values.cast(pa.float32())}
        if self.label:
            labels = raysq.read_columns(partition, self.label)[0].cast(pa.string())
            columns["label"] = pc.index_in(labels, pa.array(self.classes))
        yield raysq.Chunk(pa.table(columns))


@dataclass(frozen=True)
class PointSettings:
    """Settings of the batches. A change needs no new preparation."""

    lookback: Annotated[int, raysq.Range(least=1)] = 8  # values that the model sees, the point's own included
    val: Annotated[float, raysq.Range(above=0, below=0.5)] = 0.2
    test: Annotated[float, raysq.Range(least=0, below=0.5)] = 0.2

    def points(self, rows):
        """Return the row numbers of the points of each split, in the order of time."""
        test = round(rows * (1 - self.test))
        val = round(rows * (1 - self.test - self.val))
        return {"train": np.arange(self.lookback - 1, val), "val": np.arange(val, test), "test": np.arange(test, rows)}


@dataclass(frozen=True, kw_only=True)
class PointMetadata(raysq.Metadata):
    """What predictions need to know of the data."""

    classes: list[str]
    priors: list[float]
    mean: float
    std: float


@dataclass(frozen=True, eq=False)
class PointBatches(raysq.BatchSource):
    """The points of one split, by row number, in a series of values and labels."""

    values: np.ndarray
    labels: np.ndarray
    points: np.ndarray
    lookback: int

    def __len__(self):
        return len(self.points)

    def arrays(self):
        return {"values": self.values, "labels": self.labels, "points": self.points}

    def gather(self, indices, arrays, take):
        points = take(arrays["points"], indices)
        windows = points[:, None] + np.arange(1 - self.lookback, 1)
        return take(arrays["values"], windows), take(arrays["labels"], points)[:, None]


class PointLabels(raysq.Problem[PointSettings, PointMetadata]):
    """A class for each point of a series."""

    name = "point_labels"
    Settings = PointSettings
    Metadata = PointMetadata
    Preprocessor = PointPreprocessor
    models = {name: raysq.ModelSpec(f"raysq_points.models:{name}") for name in ("baseline", "dense")}
    prepare_options = (raysq.Option("--value", "COLUMN", "column of the values (default: value)"),)

    @classmethod
    def make_metadata(cls, dataset, settings):
        points = settings.points(dataset.rows)["train"]
        classes = dataset.preprocessor_settings["classes"]
        counts = np.bincount(dataset.column("label").take(points), minlength=len(classes))
        mean, std = dataset.statistics("value", 0, points[-1] + 1)
        priors = (counts / counts.sum()).tolist()
        preprocessor = dataset.preprocessor_settings
        return PointMetadata(classes=classes, priors=priors, mean=mean, std=std, preprocessor=preprocessor)

    def splits(self, dataset):
        values, labels = (dataset.column(name).slice(0, dataset.rows) for name in ("value", "label"))
        points = self.settings.points(dataset.rows)
        return {split: self._batches(values, labels, points[split]) for split in points}

    def input_spec(self, dataset):
        classes, priors = self.metadata.classes, self.metadata.priors
        return raysq.InputSpec(shape=(self.settings.lookback,), outputs=len(classes), extra={"priors": priors})

    def objective(self):
        return raysq.Objective("sparse_categorical_crossentropy", {"accuracy": "sparse_categorical_accuracy"})

    def prediction_preprocessor(self):
        return replace(self.preprocessor, label="")

    def history(self):  # `Windowed`: a prediction uses rows before its own
        return self.settings.lookback - 1, 0

    def predict(self, model, rows, context=None):
        context = context or raysq.RowContext()
        begin, end = context.positions or (0, rows.num_rows)
        points = np.arange(max(begin, self.settings.lookback - 1), min(end, rows.num_rows))
        batches = self._batches(rows["value"].to_numpy(), np.zeros(rows.num_rows, np.int32), points)
        x, _ = batches.gather(np.arange(len(points)), batches.arrays(), np.take)
        shares = model.predict(x, verbose=0) if len(points) else np.empty((0, len(self.metadata.classes)))
        labels = [self.metadata.classes[number] for number in shares.argmax(1)]
        return pa.table({"row": points + context.offset, "label": labels, "probability": shares.max(1)})

    def report(self, dataset, model, options):
        test = self.splits(dataset)["test"]
        x, y = test.gather(np.arange(len(test)), test.arrays(), np.take)
        counts = np.zeros((len(self.metadata.classes),) * 2, int)
        np.add.at(counts, (y[:, 0], model.predict(x).argmax(1)), 1)
        matrix = raysq.charts.Matrix("Confusion matrix", self.metadata.classes, counts)
        return [raysq.charts.Section("Labels of the test points", [matrix])]

    def _batches(self, values, labels, points):
        normalized = ((values - self.metadata.mean) / self.metadata.std).astype(np.float32)
        return PointBatches(normalized, labels, points, self.settings.lookback)
