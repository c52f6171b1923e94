"""Callbacks of the training loop, and the writer of its scalars for TensorBoard."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raysq.errors import Interrupted
from raysq.training.call_log import CallLog
from raysq.training.run_files import EpochSamples
from raysq.training.scaling import StepCost
from raysq.training.state import TrainState


class Paused(Interrupted):
    """Raised where the workers of a group end after a checkpoint, so that a group of another size or place goes on."""


@dataclass(frozen=True)
class TrainingCallbacks:
    """What a training backend does at moments of the loop.

    Attributes:
        on_train_batch_end: called after every call of compiled steps with the state, the loss, and the steps of an
            epoch.
        on_epoch_end: called with each epoch's record.
        on_samples: called on the chief with the samples after an epoch, where the setting `samples_every` asks for any.
        on_step_cost: called once with the measured cost of a step of a worker group; see `raysq.training.loop.fit`.
        should_stop: called after every call of compiled steps. If it returns True, the state is saved and
            `Interrupted` is raised.
        should_pause: asked every two seconds between calls. If it returns True on the chief, every worker of the group
            saves the state and raises `Paused`.
        export_model: called at the end of training. If it returns True, the run is evaluated on the test split and
            `model.keras` is exported. A trial that is not the best of its search needs neither. The result must be
            the same on all workers of a group.
        tensorboard: whether to write scalars for TensorBoard.
        keras_callbacks: Keras callbacks of the user, the same on all workers; see `raysq.training.keras_callbacks`.
        background_checkpoints: whether checkpoints are written while the next steps are trained. If False, an epoch's
            checkpoints are on disk when `on_epoch_end` is called.
        calls: record of the calls of compiled steps.
    """

    on_train_batch_end: Callable[[TrainState, float, int], None] = lambda state, loss, steps_per_epoch: None
    on_epoch_end: Callable[[dict[str, Any]], None] = lambda record: None
    on_samples: Callable[[EpochSamples], None] = lambda samples: None
    on_step_cost: Callable[[StepCost], None] = lambda cost: None
    should_stop: Callable[[], bool] = lambda: False
    should_pause: Callable[[], bool] = lambda: False
    export_model: Callable[[], bool] = lambda: True
    tensorboard: bool = True
    keras_callbacks: Sequence[Any] = ()
    background_checkpoints: bool = True
    calls: CallLog = field(default_factory=CallLog)


class TensorBoardWriter:
    """Writer of each epoch's scalars for TensorBoard, in RUN/tensorboard."""

    def __init__(self, run_directory: Path):
        import tensorflow as tf

        self._writer = tf.summary.create_file_writer(str(run_directory / "tensorboard"))

    def write(self, record: Mapping[str, Any]) -> None:
        """Write the scalars of an epoch's record."""
        import tensorflow as tf

        with self._writer.as_default(step=record["epoch"]):
            for name, value in record.items():
                if isinstance(value, float):
                    tf.summary.scalar(name, value)
        self._writer.flush()
