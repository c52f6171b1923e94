"""Loading a run for prediction in Python, without Ray and without its data set."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq import backend, kinds
from raysq.errors import DataError, UsageError
from raysq.training.run import Run

if TYPE_CHECKING:
    import pyarrow as pa


class Predictor:
    """A trained model with everything it needs to read raw rows.

    Attributes:
        run: the run it comes from.
        model: the Keras model with the best epoch's weights.
    """

    def __init__(self, run: Run):
        path = run.directory / "model.keras"
        if not path.exists():
            raise DataError(f"run {run.name} has no model.keras: train it to its end first")
        backend.load()
        import keras

        import raysq.layers  # noqa: F401  registers our layers for loading

        self.run = run
        self.model = keras.models.load_model(path)
        self.settings = run.config.example_settings()
        self.kind = kinds.get(run.config.kind)

    def predict(self, frame: Any) -> Any:
        """Predicts for raw rows.

        Args:
            frame: a pandas DataFrame, a pyarrow Table, or a mapping from column names to arrays, with the columns
                the model was trained on, in their own units; for models of texts also a list of texts.

        Returns:
            What the kind predicts, as a DataFrame where a DataFrame was given, else as a pyarrow Table. For a
            forecast, for every row with enough history: `row` (the one that is forecast), its `time` and `from`, the
            latest stamp that was seen, where a column `time` is given, `horizon` where there are several, and each
            target in its own unit. The rows are one series in the order of time. For texts, for every one: `row`,
            the class (`label`), its `probability`, that of each class (`p_CLASS`), and a `remark`.

        Raises:
            DataError: columns are missing, not numeric, or too few rows.
            UsageError: what was given is none of these, or texts where the run takes none.
        """
        import pyarrow as pa

        pandas = hasattr(frame, "iloc")
        if pandas:
            table = pa.Table.from_pandas(frame, preserve_index=False)
        elif isinstance(frame, pa.Table):
            table = frame
        elif isinstance(frame, dict):
            table = pa.table(frame)
        elif isinstance(frame, (list, tuple)) and all(isinstance(one, str) for one in frame):
            table = pa.table({texts_column(self.run): pa.array(frame, pa.large_string())})
        else:
            takes = "a DataFrame, a pyarrow Table or a dict" + (", or a list of texts" if self.kind.texts else "")
            raise UsageError(f"predict takes {takes}, received {type(frame).__name__}")
        found = self.predict_table(table)
        return found.to_pandas() if pandas else found

    def predict_table(self, table: "pa.Table", **part: Any) -> "pa.Table":
        """The kind's predictions for rows that are read already; `part` as for `Kind.predict`."""
        return self.kind.predict(
            self.run.config.facts, self.settings, self.model, table, assets=self.run.assets, **part
        )


def texts_column(run: Run) -> str:
    """The column that texts given one by one are.

    Raises:
        UsageError: the run's kind does not predict for texts.
    """
    column = kinds.get(run.config.kind).texts
    if column is None:
        raise UsageError(
            f"run {run.name} ({run.config.kind}) takes no texts: give a file with rows like those it was trained on "
            f"(--input FILE), or a table"
        )
    return column


def load(run: Run | str | Path) -> Predictor:
    """Loads a finished run by directory or id."""
    return Predictor(run if isinstance(run, Run) else Run.open(run))
