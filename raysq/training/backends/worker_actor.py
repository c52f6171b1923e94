"""Ray Train's worker actor, which imports TensorFlow and the training code while the rest of its group starts."""

import importlib
import threading

from ray.train.v2._internal.execution.worker_group import worker

from raysq import backend


class RayTrainWorker(worker.RayTrainWorker):
    """Worker of a group; see `ray.train.v2._internal.execution.worker_group.worker.RayTrainWorker`."""

    def __init__(self) -> None:
        super().__init__()
        threading.Thread(target=_import_early, daemon=True).start()


def _import_early() -> None:
    """Import the modules that training needs, which takes seconds. An error is raised where they are used."""
    backend.load()
    for module in ("loop", "open_trainer", "trainer"):
        importlib.import_module(f"raysq.training.{module}")
