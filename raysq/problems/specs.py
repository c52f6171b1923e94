"""What a problem tells the training loop: its batch sources, the shapes of its data, its models and its objective."""

import contextlib
import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from raysq.data.dataset import Dataset


class BatchSource(Protocol):
    """The examples of one split. An example is an integer, and a batch is a function of a vector of integers.

    x and y are arrays, or dicts of arrays by name for several inputs or outputs.

    A source with partly observed outputs also returns a mask from `gather`. Its attribute `shares` then holds the share
    of observed outputs of each example, above 0. Losses and metrics are means over observed outputs. Where y is a dict,
    `shares` is a dict with a vector for each output that has a mask, and a share may be 0.

    The attribute `weights`, if present, is a float32 vector with the weight of each example, at least 0, in the loss
    and in `Objective.weighted_metrics`. The loss is the sum of weighted losses over the number of examples, as with
    `sample_weight` of Keras.
    """

    @property
    def nbytes(self) -> int:
        """Bytes that `arrays` would take on the device. By default they are counted."""
        return sum(array.nbytes for array in self.arrays().values())

    def __len__(self) -> int: ...

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that `gather` reads, in memory."""
        ...

    def mapped(self) -> dict[str, Any]:
        """Return the same arrays on disk, as objects whose `take(rows)` returns NumPy arrays.

        By default they are those in memory, which suits small data.
        """
        return self.arrays()

    def gather(self, indices: Any, arrays: Mapping[str, Any], take: Callable[[Any, Any], Any]) -> tuple[Any, ...]:
        """Return the batch of the given examples.

        Args:
            indices: int vector, NumPy or TensorFlow.
            arrays: the result of `arrays` or `mapped`, or device copies of it.
            take: `take(array, rows)` gathers along the first axis. It is the only operation that differs between
                the graph and the host.

        Returns:
            `(x, y)`, or `(x, y, observed)` with 1 for each observed output and 0 for each other one. `observed` has the
            structure of y; the entry of an output of a dict is None where all of its values are observed.
        """
        ...


@dataclass(frozen=True)
class ArraySpec:
    """Shape and type of one of several inputs or outputs.

    Attributes:
        shape: shape of one example, without the batch dimension.
        dtype: name of the dtype. Defaults to "float32".
        categories: number of ids of an integer category, where 0 is the unknown; None for other values.
        extra: further values that the problem's builders need.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    categories: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class InputSpec:
    """Shapes and names of the data, passed to a model builder.

    Attributes:
        shape: shape of one x, without the batch dimension; `()` where there are several inputs.
        outputs: number of values to predict.
        output_shape: shape of one prediction, without the batch dimension. Defaults to `(outputs,)`.
        names: name of each input feature.
        targets: feature index of each value to predict.
        extra: further values that the problem's builders need.
        inputs: named inputs, in order. x is a dict of arrays by these names where there are several, and a bare array
            otherwise. Empty for problems of one unnamed input.
        targets_by_name: named outputs, in order. y is a dict of arrays by these names where there are several, and a
            bare array otherwise. Empty for problems of one unnamed output.
    """

    shape: tuple[int, ...]
    outputs: int
    names: tuple[str, ...] = ()
    targets: tuple[int, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    output_shape: tuple[int, ...] = ()
    inputs: Mapping[str, ArraySpec] = field(default_factory=dict)
    targets_by_name: Mapping[str, ArraySpec] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.output_shape:
            object.__setattr__(self, "output_shape", (self.outputs,))


@dataclass(frozen=True)
class SizeDefaults:
    """Default settings that follow from the size of a data set.

    Attributes:
        values: values by setting.
        reason: what they follow from, such as "6,400 training documents".
    """

    values: Mapping[str, Any]
    reason: str


@dataclass(frozen=True)
class SizeRule:
    """Rule by which default settings of a task follow from the size of a data set.

    Attributes:
        names: settings that the rule chooses for every model.
        choose: `choose(dataset, model, settings) -> SizeDefaults`. `settings` are those that are known by name: the
            user's, else the model's, the data set's or the task's; of settings that the rule chooses, the user's alone.
        of_models: further settings that the rule chooses for single models, by model. Defaults to none.
    """

    names: tuple[str, ...]
    choose: "Callable[[Dataset, str, Mapping[str, Any]], SizeDefaults]"
    of_models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def names_of(self, model: str) -> tuple[str, ...]:
        """Return the settings that the rule chooses for a model."""
        return (*self.names, *self.of_models.get(model, ()))


@dataclass(frozen=True)
class ModelSpec:
    """A named model of a problem.

    Attributes:
        build: `package.module:function` of a function that takes an `InputSpec` and keyword settings, and returns a
            Keras model. The name lets models be listed without an import of Keras. A script or notebook may give the
            function itself.
        defaults: settings of any section that this model changes.
        xla: whether compiling the whole training step with XLA is faster on a CPU. With "keras_loop" the step is
            compiled only where a recurrent layer uses Keras's own loop. Layers of `raysq.layers.recurrent` are
            otherwise compiled one by one and work on parts of the batch in parallel, which is faster for many steps or
            a large layer after them.
        size_defaults: `size_defaults(dataset, settings) -> settings` returns further defaults that depend on the size
            of the data set and on the other settings. None if no setting depends on the size.
        digest: digest of the function's source; empty if `build` is a name or the source is unknown. By default it is
            computed here, since a process of Ray has no source of a function of a notebook.
    """

    build: str | Callable[..., Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    xla: bool | Literal["keras_loop"] = True
    size_defaults: "Callable[[Dataset, Mapping[str, Any]], Mapping[str, Any]] | None" = None
    digest: str = ""

    def __post_init__(self) -> None:
        if callable(self.build) and not self.digest:
            with contextlib.suppress(OSError, TypeError):
                source = inspect.getsource(self.build)
                object.__setattr__(self, "digest", hashlib.sha256(source.encode()).hexdigest())

    @property
    def module(self) -> str:
        """Module of the function."""
        return self.build.__module__ if callable(self.build) else self.build.partition(":")[0]


@dataclass(frozen=True)
class OutputMetric:
    """A metric of one output.

    Attributes:
        output: name of the output where y is a dict, else the index of a column of y.
        metric: a value as in `Objective.metrics`, for y and the predictions of this output. For a column, y has the
            shape `(batch, 1)`.
    """

    output: int | str
    metric: Any


@dataclass(frozen=True)
class Objective:
    """Loss and metrics of a problem.

    Attributes:
        loss: name of a Keras loss, or a function `(y, prediction) -> loss of each example`. Where y is a dict, a dict
            of these by output. An output without a loss is not trained.
        metrics: metrics by their suffix in metrics.jsonl. A metric is the name of a Keras metric, a function
            `(y, prediction) -> values of each example`, or an `OutputMetric` that applies either to one output. Where y
            is a dict, all are of the class `OutputMetric`.
        loss_weights: factors of the losses in their sum, by output. Defaults to None, for 1 each.
        weighted_metrics: suffixes of the metrics that weigh examples as `BatchSource.weights` says. Others weigh all
            examples alike.
    """

    loss: Any
    metrics: Mapping[str, Any]
    loss_weights: Mapping[str, float] | None = None
    weighted_metrics: tuple[str, ...] = ()
