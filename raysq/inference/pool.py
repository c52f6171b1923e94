"""What the pools of actors share: their size, a folder for the time of a prediction, the model, and errors."""

import contextlib
import pickle
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from raysq.errors import RaysqError
from raysq.inference.predictor import Predictor
from raysq.storage.paths import home
from raysq.training.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

_ERROR = "__error"  # no column of predictions is called so


def needs(gpu: bool) -> dict[str, float]:
    """Ray resources of an actor."""
    return {"CPU": 1.0, "GPU": 1.0 if gpu else 0.0}


def size(asked: int | None, gpu: bool) -> int:
    """The number of actors, once there is a cluster that can hold them: as asked for, or what fits.

    Raises:
        ResourceError: no cluster, or too few CPUs or GPUs.
    """
    from raysq.distributed.cluster import check_resources, ensure_ray

    ensure_ray()
    import ray

    actors = asked or max(1, int(ray.cluster_resources().get("GPU" if gpu else "CPU", 1)))
    check_resources(needs(gpu), "an actor", actors)
    return actors


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that all nodes see, until the prediction is done.

    Raises:
        ResourceError: a node does not see RAYSQ_HOME.
    """
    from raysq.distributed.placement import validate_shared_runs

    folder = home() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    validate_shared_runs(folder)
    place = Path(tempfile.mkdtemp(prefix="predict-", dir=folder))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def open_predictor(run: Run, gpu: bool) -> Predictor:
    """The model of a run that the driver has opened, in an actor."""
    from raysq.training.worker import configure

    # As many actors as CPUs: one thread each.
    configure(run.config.train_settings(), 0, gpu=gpu, threads=1)
    return Predictor(run)


def failed(error: RaysqError) -> "pa.Table":
    """An error as an actor gives it back: Ray would wrap it in its own words."""
    import pyarrow as pa

    return pa.table({_ERROR: [pickle.dumps(error)]})


def check(table: "pa.Table") -> "pa.Table":
    """What an actor gave. Raises the error that it met."""
    if _ERROR in table.column_names:
        raise pickle.loads(table.column(_ERROR)[0].as_py())
    return table
