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

    A source with partly observed outputs also returns a mask from `gather`. Its attribute `shares` then holds the share
    of observed outputs of each example, above 0. Losses and metrics are means over observed outputs.
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
            Keras model. The name lets models be listed without an import of Keras. A script or notebook may give the
            function itself.
        defaults: settings of any section that this model changes.
        xla: whether compiling the whole training step with XLA is faster on a CPU. With "keras_loop" the step is
            compiled only where a recurrent layer uses Keras's own loop. Layers of `raysq.layers.recurrent` are
            otherwise compiled one by one and work on parts of the batch in parallel, which is faster for many steps or
            a large layer after them.
        size_defaults: `size_defaults(dataset, settings) -> settings` returns further defaults that depend on the size
            of the data set and on the other settings. None if no setting depends on the size.
        digest: digest of the function's source; empty if `build` is a name or the source is unknown. It is computed
            here, since a process of Ray has no source of a function of a notebook.
    """

    build: str | Callable[..., Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    xla: bool | Literal["keras_loop"] = True
    size_defaults: "Callable[[Dataset, Mapping[str, Any]], Mapping[str, Any]] | None" = None
    digest: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if callable(self.build):
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
