"""Load a run for prediction in Python, without Ray and without its data set."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq.data import frames
from raysq.data.readers.csv.format import CsvFormat
from raysq.errors import DataError, FormatError, RaysqError, SourceError, UsageError
from raysq.inference.commands import require, require_finished
from raysq.inference.neighbors import word_vectors
from raysq.problems.base import RowContext
from raysq.problems.capabilities import ArrayInput, FrameInput, TextGenerator, TextInput, Translator, Windowed
from raysq.text.neighbors import WordEmbeddings
from raysq.training.best import best_model
from raysq.training.run import Run

if TYPE_CHECKING:
    import pyarrow as pa


class Predictor:
    """A trained model with everything it needs to predict for raw rows.

    Attributes:
        run: the run.
        model: the Keras model with the weights of the best epoch, or of the kept epoch that the run names.
    """

    def __init__(self, run: Run):
        require_finished(run)
        self.run = run
        self.model = best_model(run)
        self.problem = run.problem
        self._generator: Callable[..., dict[str, Any]] | None = None  # cached, because it holds compiled functions

    def predict(self, frame: Any, *, latest: bool = False) -> Any:
        """Predict for raw rows.

        Args:
            frame: a pandas or Polars DataFrame, a pyarrow Table, a mapping from column names to arrays, a data set of
                Ray, Hugging Face or tf.data, or an iterable of dicts (see `raysq.prepare`). Its columns are those of
                the files that the run's data were prepared from. Models of texts also take a list of texts. Models of
                images also take an array of images (whole numbers from 0 to 255).
            latest: whether to forecast only what follows the last row of each series. Defaults to False.

        Returns:
            The predictions, as a pandas DataFrame if one was given, else as a pyarrow Table.

            A forecast is that of `predict_file` for a file of the same rows, which are sorted, repaired and validated
            in the same way. It has a row for each input row with enough history and for the row after the last. Several
            series are named by their key columns. `row` and `time` are those of the forecast, and `from` is the latest
            time stamp of the input. `horizon` is present if there are several. Each target is in its own unit.

            Text classification returns for every text `row`, the class (`label`), its `probability`, the probability of
            each class (`p_CLASS`), and a `remark`.

        Raises:
            DataError: if columns are missing, cells cannot be used, or there are too few rows.
            UsageError: if the argument has another type, or is a list of texts and the run takes none.
        """
        pandas = hasattr(frame, "iloc")
        if pandas and isinstance(self.problem, TextInput) and not hasattr(frame, "columns"):  # a Series of texts
            return self.predict(frame.tolist(), latest=latest)
        check_latest(self.run, latest)
        with for_predict("frames") if isinstance(self.problem, Windowed) else contextlib.nullcontext():
            table, context = self.rows(frame)
            predictions = self.predict_table(table, context and replace(context, latest=latest))
        return predictions.to_pandas() if pandas else predictions

    def rows(self, frame: Any) -> tuple["pa.Table", RowContext | None]:
        """Return the raw rows of what `predict` takes, and their context, for `predict_table`.

        Rows in memory of one or more series are prepared in the same way as the rows of a file.

        Raises:
            DataError: as for `predict`.
            UsageError: as for `predict`.
        """
        import pyarrow as pa

        from raysq.data.pipeline import read_table

        takes_texts = isinstance(self.problem, TextInput)
        if frames.is_frame(frame):
            problem = self.problem
            table = problem.frame_rows(frame) if isinstance(problem, FrameInput) else frames.to_table(frame)
        elif isinstance(frame, (list, tuple)) and (takes_texts or all(isinstance(one, str) for one in frame)):
            column = self.problem.text_column() if isinstance(self.problem, TextInput) else texts_column(self.run)
            table = pa.table({column: _texts(frame)})
        elif isinstance(self.problem, ArrayInput):
            table = self.problem.array_rows(frame)
        else:
            takes = frames.TAKEN + (", or a list of texts" if takes_texts else "")
            raise UsageError(f"predict takes {takes}, received {type(frame).__name__}")
        if not isinstance(self.problem, Windowed):
            return table, None
        table, report = read_table(self.problem.prediction_preprocessor(), [table])
        return table, RowContext(report)

    def file_rows(self, path: Path) -> tuple["pa.Table", RowContext]:
        """Return the raw rows of a file in the format of the run's own source, and their context.

        Raises:
            DataError: rows cannot be used.
            SourceError: the file cannot be read.
        """
        from raysq.data.pipeline import read_table

        preprocessor = self.problem.prediction_preprocessor()
        if isinstance(preprocessor, CsvFormat):
            preprocessor = preprocessor.for_file(path.name, {})
        inferred = not isinstance(self.problem, Windowed)
        if inferred:  # infer settings that the run's own source leaves open, such as the text column
            preprocessor, _ = preprocessor.infer([path])
        table, report = read_table(preprocessor, [path], inferred=inferred)
        return table, RowContext(report)

    def generate(self, prompt: str = "", **chosen: Any) -> dict[str, Any]:
        """Continue a text; see `raysq.inference.generate.generate` for arguments and result.

        Raises:
            UsageError: if the run's problem does not generate text (the message lists what the run can do), or a value
                is out of range.
        """
        require(self.run, "generate")
        if self._generator is None:
            assert isinstance(self.problem, TextGenerator)
            self._generator = self.problem.text_generator(self.model)
        return self._generator(prompt, **chosen)

    def translate(self, texts: Sequence[str], **chosen: Any) -> list[Any]:
        """Translate sentences.

        Args:
            texts: source sentences.
            chosen: options of the problem's translator: `beam` (4), `penalty` (1.0), `unknown` ("never" or "copy") and
                `progress`.

        Returns:
            For each sentence an object with `text` (the translation), `score` (mean log probability of a word),
            `remark`, `source` and `words` (words of the two sentences), and `attention_weights` over the source words.

        Raises:
            UsageError: if the run's problem does not translate (the message lists what the run can do), or a value is
                out of range.
        """
        require(self.run, "translate")
        assert isinstance(self.problem, Translator)
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise UsageError(f"translate takes a list of sentences, received {texts!r}")
        translations: list[Any] = self.problem.translator(self.model).translate(list(texts), **chosen)
        return translations

    @cached_property
    def word_vectors(self) -> WordEmbeddings:
        """The words that the model knows, and their vectors.

        Raises:
            UsageError: if the model has no word vectors; the message lists what the run can do.
        """
        return word_vectors(self.run)

    def neighbors(self, word: str, top: int = 10, among: int | None = None) -> list[tuple[str, float]]:
        """Return the words nearest to a word, with the cosine similarity of their vectors.

        Args:
            word: a word that the model knows.
            top: number of neighbors.
            among: consider only so many of the most frequent words; None for all.

        Raises:
            UsageError: if the word is unknown or the model has no word vectors.
        """
        return self.word_vectors.neighbors(word, top, among)

    def predict_table(self, table: "pa.Table", context: RowContext | None = None) -> "pa.Table":
        """Return the problem's predictions for rows that are already read; see `Problem.predict`."""
        return self.problem.predict(self.model, table, context)


def check_latest(run: Run, latest: bool) -> None:
    """Raise UsageError for predictions of the latest rows only, unless the run forecasts series."""
    if latest and not isinstance(run.problem, Windowed):
        raise UsageError(f"run {run.name} predicts each row by itself: latest is for runs that forecast series")


def without_options(error: RaysqError) -> str:
    """Return the text of an error about a raw file, without a hint that names options of `prepare`."""
    return error.message if _names_options(error) else str(error)


@contextlib.contextmanager
def for_predict(given: str = "files") -> Iterator[None]:
    """Replace the hints of errors that name options of `prepare`, which `predict` does not have.

    Args:
        given: noun for the input, for the message.
    """
    try:
        yield
    except (DataError, SourceError) as error:
        if not _names_options(error) or (given == "files" and isinstance(error, FormatError)):
            raise  # predict has the options of csv files too
        raise type(error)(error.message, f"{given} for predict have the form of the run's own source") from None


def _names_options(error: RaysqError) -> bool:
    return error.hint is not None and "--" in error.hint


def _texts(values: Sequence[Any]) -> "pa.Array":
    """Convert texts to an Arrow array; None and NaN, the missing value of pandas, become null.

    Raises:
        UsageError: if an element is not a text.
    """
    import pyarrow as pa

    values = [None if isinstance(value, float) and value != value else value for value in values]
    for number, value in enumerate(values):
        if not isinstance(value, str) and value is not None:
            raise UsageError(f"predict takes a list of texts, and number {number} of it is {value!r}")
    try:
        return pa.array(values, pa.large_string())
    except UnicodeEncodeError:  # a lone surrogate, which files cannot hold either
        return pa.array([value and value.encode("utf-8", "replace").decode() for value in values], pa.large_string())


def texts_column(run: Run) -> str:
    """Return the name of the column for texts given one by one.

    Raises:
        UsageError: if the run's problem does not predict for texts.
    """
    require(run, "predict --text")
    require_finished(run)
    problem = run.problem
    assert isinstance(problem, TextInput)
    return problem.text_column()


def load(run: Run | str | Path, *, epoch: int | None = None, trust: bool = False) -> Predictor:
    """Load a finished run.

    Args:
        run: a run, its directory or its id.
        epoch: number of an epoch whose weights the setting `keep_epochs` keeps. Defaults to the best epoch. The model
            is then built with the run's data set.
        trust: whether to trust a folder that was not made in this home. If True, the module of a user's own model is
            imported, and links may lead out of the folder.

    Returns:
        A `Predictor`.

    Raises:
        TrustError: if the run needs code from a folder that is not trusted.
        DataError: if there is no such run, or it has no model yet.

    Example:
        >>> predictor = raysq.load("jena-gru")
        >>> predictor.predict(frame)  # of the columns that the run was trained on
    """
    return Predictor(Run.of(run, trust=trust).at(epoch))
