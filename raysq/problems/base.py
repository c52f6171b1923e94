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
    """The examples of one split: an example is an integer, a batch is a function of a vector of them.

    Where only some outputs of an example were observed, `gather` also gives a mask of them, and an attribute `shares`
    holds for each example the share of its outputs that was observed, above 0: losses and metrics are means over
    observed outputs.
    """

    batch_bytes: int  # bytes of one example's x and y, for estimates
    nbytes: int  # bytes that `arrays` would take on the device

    def __len__(self) -> int: ...

    def arrays(self) -> dict[str, np.ndarray]:
        """What `gather` reads, in memory."""
        ...

    def mapped(self) -> dict[str, Any]:
        """The same, left on disk: objects whose `take(rows)` gives NumPy arrays."""
        ...

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, ...]:
        """The batch `(x, y)` of the given examples, or `(x, y, observed)`: 1 and 0 for each output.

        Args:
            indices: int vector, NumPy or TensorFlow.
            arrays: what `arrays` or `mapped` gave, or device copies of it.
            take: `take(array, rows)` gathers along the first axis; the only operation that differs between
                the graph and the host.
        """
        ...


@dataclass(frozen=True)
class InputSpec:
    """What a model builder is told about its data.

    Attributes:
        shape: shape of one x, without the batch.
        outputs: number of values to predict.
        output_shape: shape of one prediction, without the batch; `(outputs,)` where left out.
        names: name of each input feature.
        targets: index among the features of each value to predict.
        extra: whatever else a problem's builders need.
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
        build: `package.module:function`, from `InputSpec` and keyword settings to a Keras model. Named, not
            imported, so that listing models does not import Keras.
        defaults: settings (of any part) that this model changes.
        xla: whether XLA pays for its whole step on a CPU; "keras_loop": only where a recurrent layer takes Keras's own
            loop. Those of `raysq.layers.recurrent` are compiled one by one then, and work on parts of the batch at the
            same time: quicker where there are many steps, or a large layer after them.
        sized: `sized(dataset, settings) -> settings` that this model changes beside its defaults, by how much data
            there is, given what else is set; None where size decides nothing.
    """

    build: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    xla: bool | Literal["keras_loop"] = True
    sized: "Callable[[Dataset, Mapping[str, Any]], Mapping[str, Any]] | None" = None


@dataclass(frozen=True)
class OutputMetric:
    """A metric of one output.

    Attributes:
        output: its number.
        metric: as a value of `Objective.metrics`, for y of shape `(batch, 1)` and the predictions of this output.
    """

    output: int
    metric: Any


@dataclass(frozen=True)
class Objective:
    """What a model of a problem is trained for, and measured by.

    Attributes:
        loss: name of a Keras loss, or a function `(y, prediction) -> loss of each example`.
        metrics: the suffix in metrics.jsonl -> name of a Keras metric, or a function `(y, prediction) -> values of
            each example`; or one of these for one output, an `OutputMetric`.
    """

    loss: Any
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """A problem.

    Attributes:
        name: "forecast", "classify", ...
        noun: what a trained model of the problem is, with its article: "a language model".
        preparation: the `raysq.data.preprocessor.Preprocessor` dataclass.
        examples: a frozen dataclass of batch-time settings with `open(dataset) -> {split: Examples}`,
            `inputs(dataset) -> Inputs`, and a class method `resolve(values, dataset) -> values` that turns what a
            person may write (a duration, say) into what the fields hold; where some fields may decide nothing, a
            property `idle` with their names, which a search leaves out; where one setting stands instead of another,
            a class variable `either` with groups of such names.
        models: its models by name; "baseline" is always among them.
        default_model: the model that is trained where none is named.
        sample: `sample(directory, spec) -> Path` writes the built-in synthetic raw data.
        facts: `facts(dataset, settings) -> dict`, the JSON-ready facts that a run needs for prediction and for
            its metrics' own unit, so that it stands without its data set.
        objective: `objective(facts, settings) -> Objective`.
        references: `references(facts, settings) -> {model: settings}`, the untrained models that stand beside every
            result, and the settings that they change; "baseline" comes first.
        scale: `scale(facts, metrics) -> dict`, the metrics in the target's own unit, to be shown beside them.
        remarks: `remarks(facts, settings) -> list of lines`, what a person should know of the resolved settings
            before training.
        folds: `folds(dataset, settings, count) -> settings of each fold` of a rolling-origin backtest, or None where
            the examples have no order in time.
        reading: `reading(facts) -> Preprocessor` that reads raw files for predictions.
        history: `history(facts, settings) -> (int, int)`, rows before and after its own that a prediction looks at;
            None where each row is predicted by itself.
        predict: `predict(facts, settings, model, table, report=None, stands=None, origin=0, assets=None) ->
            pyarrow.Table`, predictions for raw rows. `report` is that of the preparation that read them, if one did;
            `stands` the first and the end row to predict at, and `origin` the number of the table's first row, where
            it is a part; `assets` the folder of the run's assets. A column `remark`, where there is one, holds what a
            person should know of a row, or null.
        report: `report(dataset, facts, settings, predict, embedding=..., week=...) -> list[Section]`, what the HTML
            page shows of a run beside what every problem has. `predict` is the model on x in memory, `embedding` a
            function that gives the values of its first Embedding layer, or None; `week` what the person asked to see.
        assets: `assets(dataset, settings) -> {file name: bytes}`, what predictions need beside the facts (a
            vocabulary), written to RUN/assets; None where they need nothing.
        details: `details(facts, settings, y, prediction) -> dict`, JSON-ready figures of a split beyond the metrics,
            from the y and the predictions of all its examples; None where there are none.
        show: `show(details, split) -> list of charts.Table and charts.Text`, the same for people; None as for
            `details`.
        texts: the column of raw rows that holds a text, for problems that predict for texts given one by one; None for
            others.
        rows: `rows(facts, given) -> pyarrow.Table`, the raw rows of an array that is given in Python (of images, say);
            None for problems that take tables alone.
        activations: whether `report` takes a function `activations`, from x to what each layer of the model gives.
        generate: `generate(facts, settings, model, assets) -> function`, which goes on with texts: from a prompt and
            keyword options (how long, how many, how sure, the seed) to a JSON-ready dict with `samples` and `unknown`
            (words of the prompt that the model does not know). None for problems that write no text.
        words: `words(facts, settings, assets) -> list of str`, the word of each row of the model's first Embedding, ""
            for rows that are no word; they must be all rows. None for problems whose models have no vectors of words.
        scores: `scores(dataset, facts, settings, split, model) -> dict`, metrics of a split that only the model itself
            can tell, for they need more than x and y (BLEU of what it writes); None where there are none.
        study: `study(dataset, facts, settings, model) -> dict`, JSON-ready: the same for the report, which is kept
            beside the run and given to `report` as `studied`; None where `predict` is enough.
        translator: `translator(facts, settings, model, assets) -> object` whose `translate(texts, beam=...,
            penalty=..., unknown=..., progress=...)` gives for each sentence an object with `text`, `score` and
            `remark`; None for problems that do not translate.
        graded: `graded(facts, translations, references) -> float`, BLEU of translations; None as for `translator`.
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
