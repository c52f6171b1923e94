"""The one place where Ray is started or joined."""

import logging
import os
from typing import Any

from raysq.errors import ResourceError


def ensure_ray(**options: Any) -> None:
    """Joins or starts Ray, unless this process already has it.

    An existing `ray.init` is respected; with RAY_ADDRESS set (as in a submitted job) that cluster is joined;
    otherwise a local one is started, which ends with this process.

    Args:
        **options: for `ray.init` when a local cluster is started, such as `num_cpus`.

    Raises:
        ResourceError: no cluster answers, or none can be started.
    """
    # Both would write to the person's terminal, or look for a network, before anything of theirs has run.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        return
    address = os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(address="local", include_dashboard=False, **quiet, **options)
    except (ConnectionError, RuntimeError, OSError, ValueError) as error:
        said = (str(error).strip() or repr(error)).splitlines()[0]
        if address:
            raise ResourceError(
                f"no Ray cluster answers at RAY_ADDRESS={address} ({said}); unset it to run locally"
            ) from None
        raise ResourceError(f"Ray does not start ({said}); `raysq doctor` looks further") from None
