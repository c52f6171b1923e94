"""Capabilities that only some problems have, as protocols that the core asks for by `isinstance` or `issubclass`."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from raysq.data.dataset import Dataset
    from raysq.problems.base import RowContext
    from raysq.problems.charts import Table, Text
    from raysq.problems.samples import Sample
    from raysq.problems.signature import Signature


@runtime_checkable
class Backtestable(Protocol):
    """Examples are ordered in time, so a model can be tested on a rolling origin."""

    def folds(self, dataset: "Dataset", count: int) -> list[dict[str, Any]]:
        """Return the settings of each of `count` folds of a rolling-origin backtest."""
        ...


@runtime_checkable
class Windowed(Protocol):
    """A prediction uses rows around its own. `predict` then takes a context."""

    def history(self) -> tuple[int, int]:
        """Return how many rows before and after its own row a prediction uses."""
        ...


@runtime_checkable
class PredictionSize(Protocol):
    """A prediction may have many values: few rows are then predicted at a time."""

    def prediction_size(self) -> int:
        """Return the number of values that are predicted from a row."""
        ...


@runtime_checkable
class SeriesContinuation(Protocol):
    """Predictions continue series of rows, which are shown beside them."""

    def recent_rows(self, rows: "pa.Table", context: "RowContext", count: int) -> "pa.Table":
        """Return the latest rows of each series, at most `count`, with columns named as in the predictions.

        Args:
            rows: raw rows, as for `Problem.predict`.
            context: place of the rows, as for `Problem.predict`.
            count: most rows of a series.
        """
        ...


@runtime_checkable
class TextInput(Protocol):
    """Predictions are made for single texts too."""

    def text_column(self) -> str:
        """Return the name of the raw column that holds the text."""
        ...


@runtime_checkable
class ArrayInput(Protocol):
    """Predictions are made for arrays too, such as an array of images."""

    def array_rows(self, array: Any) -> "pa.Table":
        """Return the raw rows of an array.

        Raises:
            UsageError: the array has the wrong shape or type.
        """
        ...


@runtime_checkable
class FrameInput(Protocol):
    """Rows given in Python are not the raw rows themselves, such as rows with encoded images."""

    def frame_rows(self, frame: Any) -> "pa.Table":
        """Return the raw rows of a frame, a data set or an iterable.

        Raises:
            UsageError: there is no column that the problem reads.
        """
        ...


@runtime_checkable
class RawExportable(Protocol):
    """Exported models take raw inputs: their graph prepares the inputs and finishes the predictions."""

    def signature(self, texts: bool) -> "Signature":
        """Return the raw inputs and the outputs of an exported model.

        Args:
            texts: whether the format has texts.

        Raises:
            UsageError: the graph would not be equal to `predict`. The message gives the reason.
        """
        ...


@runtime_checkable
class TextGenerator(Protocol):
    """Models continue texts."""

    def text_generator(self, model: Any) -> Callable[..., dict[str, Any]]:
        """Return a function that continues texts.

        The function takes a prompt and keyword options (length, number of samples, temperature, seed). It returns a
        JSON-ready dict with `samples` (the continuations), `texts` (the prompt with each of them) and `unknown` (words
        of the prompt that are not in the vocabulary).
        """
        ...


@runtime_checkable
class EpochSampler(Protocol):
    """What a model makes can be shown after epochs of training."""

    def epoch_sampler(self, dataset: "Dataset", model: Any) -> "Callable[[], list[Sample]]":
        """Return a function that makes samples with the weights that the model has when it is called.

        The samples must be made from the same inputs at every call, and must not draw from global random generators.

        Args:
            dataset: data set of the run.
            model: Keras model.
        """
        ...


@runtime_checkable
class Translator(Protocol):
    """Models translate sentences."""

    def translator(self, model: Any) -> Any:
        """Return an object with the method `translate(texts, beam=, penalty=, unknown=, progress=)`.

        The method returns for each sentence an object with `text`, `score` and `remark`.
        """
        ...

    def bleu(self, translations: list[str], references: list[str]) -> float:
        """Return the BLEU score of translations.

        Raises:
            MissingPackageError: the package that computes it is not installed.
        """
        ...


@runtime_checkable
class WordEmbedder(Protocol):
    """Models may have word vectors, in their first Embedding layer."""

    def embedded_words(self) -> list[str]:
        """Return the word of each row of the first Embedding layer, "" for rows without a word."""
        ...


@runtime_checkable
class EvaluationDetails(Protocol):
    """An evaluation has figures beyond its metrics, such as a confusion matrix."""

    def evaluation_details(self, y: np.ndarray, prediction: np.ndarray) -> dict[str, Any]:
        """Return JSON-ready figures of a split, from y and the predictions of all its examples."""
        ...

    def evaluation_tables(self, details: Mapping[str, Any], split: str) -> "Sequence[Table | Text]":
        """Return these figures as tables and texts."""
        ...


@runtime_checkable
class Thresholded(Protocol):
    """Details of an evaluation use thresholds of probabilities, which are chosen on the validation split."""

    def thresholds(self, y: np.ndarray, prediction: np.ndarray) -> Any:
        """Return thresholds from y and the predictions of the validation split, or None where there are none."""
        ...

    def evaluation_details(self, y: np.ndarray, prediction: np.ndarray, thresholds: Any = None) -> dict[str, Any]:
        """Return the details of a split, as `EvaluationDetails`, with figures at these thresholds."""
        ...


@runtime_checkable
class GenerationMetrics(Protocol):
    """An evaluation has metrics of the model's own output, such as BLEU, beside those of x and y."""

    def generation_metrics(self, dataset: "Dataset", split: str, model: Any) -> dict[str, float]:
        """Return the metrics of a split by name.

        Raises:
            MissingPackageError: a package that computes them is not installed.
        """
        ...


@runtime_checkable
class FurtherMetrics(Protocol):
    """An evaluation has metrics that are computed from the data set beside those of training."""

    def further_metrics(self, dataset: "Dataset", split: str, model: Any) -> dict[str, float]:
        """Return the metrics of a split by name; nothing for a split without examples."""
        ...


@runtime_checkable
class Analyzed(Protocol):
    """A report shows an analysis that needs the model itself in addition to its predictions."""

    def analysis(self, dataset: "Dataset", model: Any) -> dict[str, Any]:
        """Return a JSON-ready analysis of a Keras model. It is stored with the run."""
        ...
