"""TF_CONFIG of a worker group: the addresses of its workers, and the hosts that may connect to them."""

import json
import os
from typing import Any

from raysq.distributed.socket_filter import own_addresses, resolve
from raysq.errors import UsageError
from raysq.training import group_server


def set_on_workers(worker_group: Any, hosts: tuple[str, ...]) -> None:
    """Choose a port on each worker of Ray Train's group, and set TF_CONFIG there.

    Args:
        worker_group: Ray Train's worker group.
        hosts: further hosts and networks that may connect to the workers.
    """
    from ray._common.network_utils import build_address
    from ray.train._internal.utils import get_address_and_port

    addresses = [build_address(*pair) for pair in worker_group.execute(get_address_and_port)]
    admitted = sorted({*hosts, *(host for own in worker_group.execute(own_addresses) for host in own)})
    for index in range(len(addresses)):
        worker_group.execute_single(index, _set, addresses, index, admitted)


def allowed_hosts() -> tuple[str, ...]:
    """Return the further hosts and networks that may connect to workers, from RAYSQ_ALLOWED_HOSTS.

    Raises:
        UsageError: one has no address.
    """
    hosts = tuple(host.strip() for host in os.environ.get("RAYSQ_ALLOWED_HOSTS", "").split(",") if host.strip())
    try:
        resolve(hosts)
    except OSError as error:
        raise UsageError(
            f"RAYSQ_ALLOWED_HOSTS must be hosts or networks such as 10.0.0.0/8, separated by commas, received "
            f"{','.join(hosts)!r} ({error})"
        ) from None
    return hosts


def _set(addresses: list[str], index: int, hosts: list[str]) -> None:
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    os.environ["TF_CONFIG"] = json.dumps(config)
    os.environ[group_server.HOSTS] = json.dumps(hosts)
