"""Watch over the Ray cluster of this process, which is ended where the cluster no longer answers.

Ray's calls wait for a lost head without end, and cannot be interrupted. Callers that can do better, such as the monitor
of a worker group, act long before.
"""

import contextlib
import os
import threading
import time
from typing import Any

from raysq.display.terminal import print_message
from raysq.distributed import cluster_values, own_cluster

SILENCE_SECONDS = 180.0
_INTERVAL = 5.0
_TELL_SECONDS = 5.0


def start() -> None:
    """Watch the cluster that this process has just connected to, until it disconnects."""
    from ray._private import worker

    if worker._global_node is not None:
        _Watch(worker._global_node).start()


class _Watch(threading.Thread):
    """Thread that counts for how long a cluster has not answered. Another one asks, since it may wait without end.

    Time counts in ticks of at most two intervals, so that a process which was stopped itself accuses nobody.

    Args:
        node: the node of `ray.init`, which ends with the connection.
    """

    def __init__(self, node: Any):
        super().__init__(daemon=True, name="head watch")
        self._node = node
        self._silence = 0.0

    def run(self) -> None:
        threading.Thread(target=self._ask, daemon=True, name="head watch: questions").start()
        last = time.monotonic()
        while self._is_connected():
            time.sleep(_INTERVAL)
            now = time.monotonic()
            self._silence += min(now - last, 2 * _INTERVAL)
            last = now
            if self._silence > SILENCE_SECONDS and self._is_connected():
                _end_process()

    def _ask(self) -> None:
        while self._is_connected():
            with contextlib.suppress(Exception):  # no answer, for which the silence counts
                own_cluster.remember()
                cluster_values.get("")
                if own_cluster.lost_server() is None:
                    self._silence = 0.0
            time.sleep(_INTERVAL)

    def _is_connected(self) -> bool:
        from ray._private import worker

        return worker._global_node is self._node


def _end_process() -> None:
    """End this process with a line for the user. Its other threads may wait in Ray's calls, which no error reaches."""
    what = "the head of the Ray cluster" if own_cluster.options() is None else "Ray on this machine"
    line = f"raysq: {what} has not answered for {SILENCE_SECONDS:g} s; once it runs again, the same command continues"
    teller = threading.Thread(target=print_message, args=(line,), daemon=True)
    with contextlib.suppress(Exception):
        own_cluster.end_processes()
    teller.start()
    teller.join(_TELL_SECONDS)  # a terminal may be stopped
    os._exit(1)
