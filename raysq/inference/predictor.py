"""Loading a run for prediction in Python, without Ray and without its data set."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq import problems
from raysq.data import frames
from raysq.errors import DataError, FormatError, RaysqError, SourceError, UsageError
from raysq.inference.abilities import check, finished
from raysq.inference.neighbors import word_vectors
from raysq.text.neighbors import WordVectors
from raysq.training.best import best_model
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
        finished(run)
        self.run = run
        self.model = best_model(run)
        self.settings = run.config.example_settings()
        self.problem = problems.get(run.config.problem)
        self._generator: Callable[..., dict[str, Any]] | None = None  # keeps what it has compiled

    def predict(self, frame: Any) -> Any:
        """Predicts for raw rows.

        Args:
            frame: a pandas or Polars DataFrame, a pyarrow Table, or a mapping from column names to arrays, with the
                columns of the files that the run's data were prepared from; for models of texts also a list of texts,
                for models of images an array of them (whole numbers from 0 to 255).

        Returns:
            What the problem predicts, as a pandas DataFrame where one was given, else as a pyarrow Table. For a
            forecast what `predict_file` gives for a file of the same rows, which are sorted, repaired and refused
            alike: for every row with enough history, and the one after the last, the columns that name its series
            (where there are several), `row` and `time` of what is forecast, `from`, the latest stamp that was seen,
            `horizon` (where there are several), and each target in its own unit. For texts, for every one: `row`, the
            class (`label`), its `probability`, that of each class (`p_CLASS`), and a `remark`.

        Raises:
            DataError: columns are missing, cells cannot be used, or there are too few rows.
            UsageError: what was given is none of these, or texts where the run takes none.
        """
        import pyarrow as pa

        pandas = hasattr(frame, "iloc")
        if pandas and self.problem.texts and not hasattr(frame, "columns"):  # a Series of texts
            return self.predict(frame.tolist())
        if frames.is_frame(frame):
            table = frames.to_table(frame)
        elif isinstance(frame, (list, tuple)) and (self.problem.texts or all(isinstance(one, str) for one in frame)):
            table = pa.table({texts_column(self.run): _texts(frame)})
        elif self.problem.rows is not None:
            table = self.problem.rows(self.run.config.facts, frame)
        else:
            takes = frames.TAKEN + (", or a list of texts" if self.problem.texts else "")
            raise UsageError(f"predict takes {takes}, received {type(frame).__name__}")
        found = self.predict_table(table) if self.problem.history is None else self._predict_series(table)
        return found.to_pandas() if pandas else found

    def _predict_series(self, frame: "pa.Table") -> "pa.Table":
        """Predict for rows in memory that belong together, prepared as those of a file are."""
        from raysq.data.pipeline import read_table

        with for_predict("frames"):
            table, report = read_table(self.problem.reading(self.run.config.facts), [frame])
            return self.predict_table(table, report=report)

    def generate(self, prompt: str = "", **chosen: Any) -> dict[str, Any]:
        """Goes on with a text; what it takes and gives is that of `raysq.inference.generate.generate`.

        Raises:
            UsageError: the run's problem writes no text (names what it can do), or a value is out of its range.
        """
        check(self.run, "generate")
        if self._generator is None:
            make = self.problem.generate
            assert make is not None
            self._generator = make(self.run.config.facts, self.settings, self.model, self.run.assets)
        return self._generator(prompt, **chosen)

    def translate(self, texts: Sequence[str], **chosen: Any) -> list[Any]:
        """Translates sentences.

        Args:
            texts: source sentences.
            chosen: as the problem's translator takes it: `beam` (4), `penalty` (1.0), `unknown` ("never" or "copy"),
                and `progress`.

        Returns:
            For each sentence an object with `text`, the translation, `score`, the mean logarithm of the probability of
            a word, `remark`, `source` and `words`, and `looked`, how much each word looked at each source word.

        Raises:
            UsageError: the run's problem does not translate (names what it can do), or a value is out of its range.
        """
        check(self.run, "translate")
        make = self.problem.translator
        assert make is not None
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise UsageError(f"translate takes a list of sentences, received {texts!r}")
        made = make(self.run.config.facts, self.settings, self.model, self.run.assets)
        found: list[Any] = made.translate(list(texts), **chosen)
        return found

    @cached_property
    def word_vectors(self) -> WordVectors:
        """The words that the model knows and their vectors.

        Raises:
            UsageError: the model has no vectors of words; names what the run can do.
        """
        return word_vectors(self.run)

    def neighbors(self, word: str, top: int = 10, among: int | None = None) -> list[tuple[str, float]]:
        """The words nearest to a word, of the `among` most frequent ones, and the cosine of the angle between vectors.

        Raises:
            UsageError: an unknown word, or a model without vectors of words.
        """
        return self.word_vectors.neighbors(word, top, among)

    def predict_table(self, table: "pa.Table", **part: Any) -> "pa.Table":
        """The problem's predictions for rows that are read already; `part` as for `Problem.predict`."""
        return self.problem.predict(
            self.run.config.facts, self.settings, self.model, table, assets=self.run.assets, **part
        )


def without_options(error: RaysqError) -> str:
    """An error about a raw file, without a hint that names options of `prepare`."""
    return error.message if _names_options(error) else str(error)


@contextlib.contextmanager
def for_predict(given: str = "files") -> Iterator[None]:
    """Leave out of what preparation says the options that predict does not have: the run says how rows are read.

    Args:
        given: what the rows come in, for the message.
    """
    try:
        yield
    except (DataError, SourceError) as error:
        if not _names_options(error) or (given == "files" and isinstance(error, FormatError)):
            raise  # predict takes the settings of csv files too
        raise type(error)(error.message, f"{given} for predict have the form of the run's own source") from None


def _names_options(error: RaysqError) -> bool:
    return error.hint is not None and "--" in error.hint


def _texts(values: Sequence[Any]) -> "pa.Array":
    """Texts as Arrow has them; None, and the NaN that pandas has for it, is an empty one.

    Raises:
        UsageError: one that is no text.
    """
    import pyarrow as pa

    values = [None if isinstance(value, float) and value != value else value for value in values]
    for place, value in enumerate(values):
        if not isinstance(value, str) and value is not None:
            raise UsageError(f"predict takes a list of texts, and number {place} of it is {value!r}")
    try:
        return pa.array(values, pa.large_string())
    except UnicodeEncodeError:  # half a surrogate pair, which files may not hold either
        return pa.array([value and value.encode("utf-8", "replace").decode() for value in values], pa.large_string())


def texts_column(run: Run) -> str:
    """The column that texts given one by one are.

    Raises:
        UsageError: the run's problem does not predict for texts.
    """
    check(run, "predict --text")
    column = problems.get(run.config.problem).texts
    assert column is not None
    return column


def load(run: Run | str | Path, *, trust: bool = False) -> Predictor:
    """Loads a finished run by directory or id.

    Args:
        run: a run, its directory or its id.
        trust: whether its folder is trusted though this home has not made it: the module of a user's own model is
            imported, and links may lead out of the folder.

    Raises:
        TrustError: it needs code of a folder from elsewhere.
        DataError: no such run, or one that has no model yet.

    Example:
        >>> predictor = raysq.load("jena-gru")
        >>> predictor.predict(frame)  # of the columns that the run was trained on
    """
    return Predictor(Run.of(run, trust=trust))
