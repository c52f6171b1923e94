"""Shared parts of the actor pools: size, temporary folder, loading of the model, and errors across processes."""

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
from raysq.training.backends.driver_context import DriverContext
from raysq.training.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

_ERROR = "__error"  # not the name of any column of predictions


def needs(gpu: bool) -> dict[str, float]:
    """Return the Ray resources of an actor."""
    return {"CPU": 1.0, "GPU": 1.0 if gpu else 0.0}


def size(actors: int | None, gpu: bool) -> int:
    """Return the number of actors, after checking that the cluster can hold them.

    Args:
        actors: the requested number; None for as many as the cluster has CPUs or GPUs.
        gpu: whether each actor takes a GPU.

    Raises:
        ResourceError: if there is no cluster, or too few CPUs or GPUs.
    """
    from raysq.distributed.cluster import check_resources, ensure_ray
    from raysq.distributed.idle import release_idle

    ensure_ray()
    release_idle()
    import ray

    actors = actors or max(1, int(ray.cluster_resources().get("GPU" if gpu else "CPU", 1)))
    check_resources(needs(gpu), "an actor", actors)
    return actors


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Yield a temporary folder that all nodes can access, and delete it at the end.

    Raises:
        ResourceError: if a node cannot access RAYSQ_HOME.
    """
    from raysq.distributed.placement import validate_shared_runs

    folder = home() / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    validate_shared_runs(folder)
    directory = Path(tempfile.mkdtemp(prefix="predict-", dir=folder))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def open_predictor(run: Run, driver: DriverContext, gpu: bool) -> Predictor:
    """Load the model of a run in an actor, with one thread.

    Args:
        run: a run that the driver has opened.
        driver: context of the driver.
        gpu: whether the actor predicts on a GPU.
    """
    from raysq.training.runtime import configure

    driver.enter()
    # As many actors as CPUs: one thread each.
    configure(run.config.train_settings(), 0, gpu=gpu, threads=1)
    return Predictor(run)


def failed(error: RaysqError) -> "pa.Table":
    """Return an error as a table, because Ray would wrap a raised exception in its own."""
    import pyarrow as pa

    return pa.table({_ERROR: [pickle.dumps(error)]})


def check(table: "pa.Table") -> "pa.Table":
    """Return a table of an actor, or raise the error that it holds."""
    if _ERROR in table.column_names:
        raise pickle.loads(table.column(_ERROR)[0].as_py())
    return table
