"""TensorBoard as a tracker: settings for its page HParams, which compares the runs and trials of a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raysq.training.trackers.tracker import Status


class TensorBoard:
    """A run of TensorBoard, in the folder `tensorboard/hparams` of the run or search; see `Tracker`.

    Files and tags are left out: they lie beside it.
    """

    server = ""

    def __init__(self) -> None:
        self._writer: Any = None

    def begin(self, directory: Path, group: str, known: str | None, parent: str | None) -> str:
        import tensorflow as tf

        self._writer = tf.summary.create_file_writer(str(directory / "tensorboard" / "hparams"))
        return directory.name

    def log_parameters(self, parameters: Mapping[str, object], tags: Mapping[str, str]) -> None:
        from tensorboard.plugins.hparams import api

        simple = (bool, int, float, str)
        values = {key: value if isinstance(value, simple) else str(value) for key, value in parameters.items()}
        with self._writer.as_default():
            api.hparams(values)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        import tensorflow as tf

        with self._writer.as_default(step=step):
            for name, value in metrics.items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    def log_file(self, path: Path) -> None:
        pass

    def end(self, status: Status) -> None:
        self._writer.close()
