"""The protocol between the core and a problem; the core never names a problem."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from raysq.data.dataset import Dataset
    from raysq.problems.charts import Section, Table, Text


class BatchSource(Protocol):
    """The examples of one split. An example is an integer, and a batch is a function of a vector of integers.

    A source with partly observed outputs also returns a mask from `gather`. Its attribute `shares` then holds the share
    of observed outputs of each example, above 0. Losses and metrics are means over observed outputs.
    """

    batch_bytes: int  # bytes of one example's x and y, for estimates
    nbytes: int  # bytes that `arrays` would take on the device

    def __len__(self) -> int: ...

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that `gather` reads, in memory."""
        ...

    def mapped(self) -> dict[str, Any]:
        """Return the same arrays on disk, as objects whose `take(rows)` returns NumPy arrays."""
        ...

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, ...]:
        """Return the batch of the given examples.

        Args:
            indices: int vector, NumPy or TensorFlow.
            arrays: the result of `arrays` or `mapped`, or device copies of it.
            take: `take(array, rows)` gathers along the first axis. It is the only operation that differs between
                the graph and the host.

        Returns:
            `(x, y)`, or `(x, y, observed)` with 1 for each observed output and 0 for each other one.
        """
        ...


@dataclass(frozen=True)
class InputSpec:
    """Shapes and names of the data, passed to a model builder.

    Attributes:
        shape: shape of one x, without the batch dimension.
        outputs: number of values to predict.
        output_shape: shape of one prediction, without the batch dimension. Defaults to `(outputs,)`.
        names: name of each input feature.
        targets: feature index of each value to predict.
        extra: further values that the problem's builders need.
    """

    shape: tuple[int, ...]
    outputs: int
    names: tuple[str, ...] = ()
    targets: tuple[int, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    output_shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.output_shape:
            object.__setattr__(self, "output_shape", (self.outputs,))


@dataclass(frozen=True)
class ModelSpec:
    """A named model of a problem.

    Attributes:
        build: `package.module:function` of a function that takes an `InputSpec` and keyword settings, and returns a
            Keras model. It is given by name so that listing models does not import Keras.
        defaults: settings of any section that this model changes.
        xla: whether compiling the whole training step with XLA is faster on a CPU. With "keras_loop" the step is
            compiled only where a recurrent layer uses Keras's own loop. Layers of `raysq.layers.recurrent` are
            otherwise compiled one by one and work on parts of the batch in parallel, which is faster for many steps or
            a large layer after them.
        sized: `sized(dataset, settings) -> settings` returns further defaults that depend on the size of the data set
            and on the other settings. None if no setting depends on the size.
    """

    build: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    xla: bool | Literal["keras_loop"] = True
    sized: "Callable[[Dataset, Mapping[str, Any]], Mapping[str, Any]] | None" = None


@dataclass(frozen=True)
class OutputMetric:
    """A metric of one output.

    Attributes:
        output: index of the output.
        metric: a value as in `Objective.metrics`, for y of shape `(batch, 1)` and the predictions of this output.
    """

    output: int
    metric: Any


@dataclass(frozen=True)
class Objective:
    """Loss and metrics of a problem.

    Attributes:
        loss: name of a Keras loss, or a function `(y, prediction) -> loss of each example`.
        metrics: metrics by their suffix in metrics.jsonl. A metric is the name of a Keras metric, a function
            `(y, prediction) -> values of each example`, or an `OutputMetric` that applies either to one output.
    """

    loss: Any
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """A problem: how raw records become examples, which models fit, how to predict, and what a report shows.

    Attributes:
        name: "forecasting", "images", ...
        noun: a trained model of the problem in words, with its article: "a language model".
        preparation: the `raysq.data.preprocessor.Preprocessor` dataclass.
        examples: a frozen dataclass of batch-time settings with `open(dataset) -> {split: BatchSource}` and
            `inputs(dataset) -> InputSpec`. Its class method `resolve(values, dataset) -> values` turns settings as the
            user writes them (a duration, for example) into the values of the fields. A property `idle` may name
            fields that have no effect, which a search leaves out. A class variable `either` may hold groups of
            settings that replace one another.
        models: models by name; "baseline" is always among them.
        default_model: the model to train if none is named.
        sample: `sample(directory, spec) -> Path` writes the built-in synthetic raw data.
        facts: `facts(dataset, settings) -> dict` returns the JSON-ready metadata that a run needs to predict and to
            denormalize its metrics, so that the run does not depend on its data set.
        objective: `objective(facts, settings) -> Objective`.
        references: `references(facts, settings) -> {model: settings}` returns the baselines: untrained models whose
            metrics are shown with every result, and the settings that they change. "baseline" comes first.
        scale: `scale(facts, metrics) -> dict` denormalizes metrics: it returns them in the unit of the target, to be
            shown in addition.
        remarks: `remarks(facts, settings) -> list of lines` describes the resolved settings to the user before
            training.
        folds: `folds(dataset, settings, count) -> settings of each fold` of a rolling-origin backtest. None if the
            examples have no order in time.
        reading: `reading(facts) -> Preprocessor` that reads raw files for predictions.
        history: `history(facts, settings) -> (int, int)` returns how many rows before and after its own row a
            prediction uses. None if each row is predicted by itself.
        predict: `predict(facts, settings, model, table, report=None, stands=None, origin=0, assets=None) ->
            pyarrow.Table` returns predictions for raw rows. `report` is the report of the preprocessor that read the
            rows, if any. Where the table is a part of a longer one, `stands` is the first row and the end row to
            predict at, and `origin` the number of the table's first row. `assets` is the folder of the run's assets.
            A column `remark` of the result, if present, holds a message about each row, or null.
        report: `report(dataset, facts, settings, predict, embedding=..., week=...) -> list[Section]` returns the
            sections of the HTML report that are particular to the problem. `predict` applies the model to x in memory.
            `embedding` is a function that returns the weights of the model's first Embedding layer, or None. `week`
            is the week that the user asked to see.
        assets: `assets(dataset, settings) -> {file name: bytes}` returns the files that predictions need in addition
            to the metadata (a vocabulary). They are written to RUN/assets. None if predictions need no files.
        details: `details(facts, settings, y, prediction) -> dict` returns JSON-ready figures of a split beyond the
            metrics, computed from y and the predictions of all its examples. None if there are none.
        show: `show(details, split) -> list of charts.Table and charts.Text` returns these figures as tables and text.
            None where `details` is None.
        texts: column of the raw rows that holds a text, for problems that predict for single texts. None for others.
        rows: `rows(facts, given) -> pyarrow.Table` returns the raw rows of an array given in Python (of images, for
            example). None for problems that take only tables.
        activations: whether `report` takes a function `activations`, which returns the output of each layer for x.
        generate: `generate(facts, settings, model, assets) -> function` returns a function that continues texts. It
            takes a prompt and keyword options (length, number of samples, temperature, seed) and returns a JSON-ready
            dict with `samples` and `unknown` (words of the prompt that are not in the vocabulary). None for problems
            that generate no text.
        words: `words(facts, settings, assets) -> list of str` returns the word of each row of the model's first
            Embedding layer, "" for rows without a word. The list must cover all rows. None for problems whose models
            have no word vectors.
        scores: `scores(dataset, facts, settings, split, model) -> dict` returns the generation metrics of a split:
            those that need the model itself in addition to x and y (BLEU of its output). None if there are none.
        study: `study(dataset, facts, settings, model) -> dict` returns a JSON-ready analysis of the model for the
            report. It is saved with the run and passed to `report` as `studied`. None where `predict` is enough.
        translator: `translator(facts, settings, model, assets) -> object` whose method `translate(texts, beam=...,
            penalty=..., unknown=..., progress=...)` returns for each sentence an object with `text`, `score` and
            `remark`. None for problems that do not translate.
        graded: `graded(facts, translations, references) -> float` returns the BLEU score of translations. None where
            `translator` is None.
    """

    name: str
    noun: str
    preparation: Any
    examples: Any
    models: Mapping[str, ModelSpec]
    default_model: str
    sample: Callable[..., "Path"]
    facts: "Callable[[Dataset, Any], dict[str, Any]]"
    objective: Callable[[Mapping[str, Any], Any], Objective]
    references: Callable[[Mapping[str, Any], Any], dict[str, dict[str, Any]]]
    scale: Callable[[Mapping[str, Any], Mapping[str, float]], dict[str, float]]
    remarks: Callable[[Mapping[str, Any], Any], list[str]]
    folds: "Callable[[Dataset, Any, int], list[dict[str, Any]]] | None"
    reading: Callable[[Mapping[str, Any]], Any]
    history: Callable[[Mapping[str, Any], Any], tuple[int, int]] | None
    predict: "Callable[..., pa.Table]"
    report: "Callable[..., list[Section]]"
    assets: "Callable[[Dataset, Any], dict[str, bytes]] | None" = None
    details: "Callable[[Mapping[str, Any], Any, np.ndarray, np.ndarray], dict[str, Any]] | None" = None
    show: "Callable[[Mapping[str, Any], str], list[Table | Text]] | None" = None
    texts: str | None = None
    rows: "Callable[[Mapping[str, Any], Any], pa.Table] | None" = None
    activations: bool = False
    generate: "Callable[..., Callable[..., dict[str, Any]]] | None" = None
    words: "Callable[[Mapping[str, Any], Any, Path], list[str]] | None" = None
    scores: "Callable[[Dataset, Mapping[str, Any], Any, str, Any], dict[str, float]] | None" = None
    study: "Callable[[Dataset, Mapping[str, Any], Any, Any], dict[str, Any]] | None" = None
    translator: "Callable[..., Any] | None" = None
    graded: "Callable[[Mapping[str, Any], list[str], list[str]], float] | None" = None
