"""Detect processes, nodes and objects lost by the cluster, so that their work is retried.

Losses and failures differ in the type of the error. Code that fails raises its own exception, which Ray wraps in a
`RayTaskError`. For a lost process, node or object Ray has types of its own.
"""

from collections.abc import Iterator

from raysq.errors import LostError

# Consecutive losses without progress. After that many, the work itself is assumed to end its process.
MOST_LOSSES = 6
# Compared by name, because importing Ray Train takes seconds.
_OF_RAY_TRAIN = (
    "PreemptionError",
    "WorkerGroupStartupTimeoutError",
    "WorkerGroupStartupFailedError",
    "WorkerHealthCheckTimeoutError",
)
# Attributes of Ray's errors that hold other errors.
_HOLDERS = ("cause", "controller_failure", "health_check_failure", "_base_exc")


class Patience:
    """Count consecutive losses, of which `most` are allowed.

    Work that makes progress between two losses is retried without limit.
    """

    def __init__(self, most: int | None = None):
        self.most = MOST_LOSSES if most is None else most
        self._losses = 0
        self._reached = 0

    def progress(self, reached: int) -> None:
        """Record the progress of the work, a number that increases."""
        if reached > self._reached:
            self._reached, self._losses = reached, 0

    def lose(self) -> int:
        """Record a loss, and return the number of further consecutive losses allowed; 0 means give up."""
        self._losses += 1
        return max(0, self.most - self._losses)


def is_loss(error: BaseException) -> bool:
    """Whether an error, or one that it wraps, means that a process, node or object was lost, and not that the code
    failed.
    """
    from ray import exceptions as ray

    types = (
        LostError,
        ray.RayActorError,
        ray.WorkerCrashedError,
        ray.LocalRayletDiedError,
        ray.NodeDiedError,
        ray.ObjectLostError,
        ray.OutOfMemoryError,  # the memory monitor killed this process, but another one may hold the memory
        ray.ActorUnschedulableError,
        ray.TaskUnschedulableError,
        ray.ActorPlacementGroupRemoved,
        ray.TaskPlacementGroupRemoved,
        ray.RpcError,
        ray.RaySystemError,
    )
    for cause in nested(error):
        # An actor whose constructor raised was not lost: its code failed.
        if isinstance(cause, types) and not getattr(cause, "actor_init_failed", False):
            return True
        if type(cause).__name__ in _OF_RAY_TRAIN:
            return True
    return False


def nested(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, its causes, and the errors that Ray has wrapped in it."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [current.__cause__ or (None if current.__suppress_context__ else current.__context__)]
        inner += [getattr(current, name, None) for name in _HOLDERS]
        waiting += [cause for cause in inner if isinstance(cause, BaseException)]
