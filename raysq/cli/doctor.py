"""Checks of this machine for `raysq doctor`: versions, disk, devices and Ray."""

import os
import shutil
import sys

from raysq import backend
from raysq.distributed.socket_filter import check_support
from raysq.errors import RaysqError
from raysq.storage.paths import home

_LEAST_DISK = 2 * 2**30


def examine(*, start_ray: bool = True) -> dict[str, tuple[bool, str]]:
    """Check this machine, and run a task on Ray if `start_ray`.

    Returns:
        For each check by name, whether it passed and a text that describes the finding.
    """
    from raysq.training.run_config import versions

    checks = {"python": (sys.version_info >= (3, 11), sys.version.split()[0])}
    checks["packages"] = (True, ", ".join(f"{name} {version}" for name, version in versions().items()))
    folder = home()
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    checks["disk"] = (free > _LEAST_DISK, f"{free / 2**30:.0f} GiB free under {folder}")
    shm = shutil.disk_usage("/dev/shm").free if os.path.isdir("/dev/shm") else None
    if shm is not None:
        checks["shm"] = (shm > 2**30, f"{shm / 2**30:.1f} GiB free in /dev/shm (Ray's object store)")
    checks["tensorflow"] = _tensorflow()
    checks["workers"] = _worker_groups()
    if start_ray:
        checks["ray"] = _ray()
    return checks


def _tensorflow() -> tuple[bool, str]:
    try:
        backend.load()
    except (ImportError, RaysqError) as error:
        return False, str(error)
    import tensorflow as tf

    devices = [device.name.removeprefix("/physical_device:") for device in tf.config.list_physical_devices()]
    return True, f"Keras on TensorFlow, devices {', '.join(devices)}"


def _worker_groups() -> tuple[bool, str]:
    try:
        check_support()
    except OSError as error:
        return True, f"servers of workers are open to all hosts of their network ({error})"  # no fault of one machine
    return True, "servers of workers admit the hosts of their group only"


def _ray() -> tuple[bool, str]:
    import ray

    from raysq.distributed.cluster import ensure_ray

    try:
        ensure_ray()
        node = ray.get(ray.remote(lambda: os.uname().nodename).remote(), timeout=180)
        total = ray.cluster_resources()
        gpus = f"{total.get('GPU', 0):g} GPUs"
        return True, f"answers from {node}: {len(ray.nodes())} nodes, {total.get('CPU', 0):g} CPUs, {gpus}"
    except Exception as error:  # any error of the cluster is reported as the finding
        return False, f"does not answer: {error!r}"
