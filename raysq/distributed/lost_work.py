"""Losses: processes, nodes and objects that a cluster loses. Work on them is tried again, for it did nothing wrong.

Errors are told apart by type. Code that fails raises its own exception, which Ray wraps in a `RayTaskError`; of a
process, a node or an object that is gone Ray has types of its own.
"""

from collections.abc import Iterator

from raysq.errors import LostError

# In a row and without progress between them: by then it is the work itself that ends its process.
MOST_LOSSES = 6
# By name, for the import of Ray Train takes seconds.
_OF_RAY_TRAIN = (
    "PreemptionError",
    "WorkerGroupStartupTimeoutError",
    "WorkerGroupStartupFailedError",
    "WorkerHealthCheckTimeoutError",
)
# Attributes in which Ray's errors hold others.
_HOLDERS = ("cause", "controller_failure", "health_check_failure", "_base_exc")


class Patience:
    """Counts losses in a row: work that gets further between two of them is tried again as often as it is lost.

    Args:
        most: losses in a row after which to give up; `MOST_LOSSES` if left out.
    """

    def __init__(self, most: int | None = None):
        self.most = MOST_LOSSES if most is None else most
        self._losses = 0
        self._reached = 0

    def progress(self, reached: int) -> None:
        """Note how far the work has come, as a number that grows."""
        if reached > self._reached:
            self._reached, self._losses = reached, 0

    def lose(self) -> int:
        """Count a loss.

        Returns:
            How many more in a row are borne: 0 to give up.
        """
        self._losses += 1
        return max(0, self.most - self._losses)


def is_loss(error: BaseException) -> bool:
    """Whether a process, a node or an object was lost, rather than the code that ran there failing.

    Args:
        error: raised by Ray, Ray Tune or Ray Train, or by what they wrap.
    """
    from ray import exceptions as ray

    types = (
        LostError,
        ray.RayActorError,
        ray.WorkerCrashedError,
        ray.LocalRayletDiedError,
        ray.NodeDiedError,
        ray.ObjectLostError,
        ray.OutOfMemoryError,  # the memory monitor chose this process; another one may hold the memory
        ray.ActorUnschedulableError,
        ray.TaskUnschedulableError,
        ray.ActorPlacementGroupRemoved,
        ray.TaskPlacementGroupRemoved,
        ray.RpcError,
        ray.RaySystemError,
    )
    for one in _nested(error):
        # An actor whose constructor raised was not lost: that is code.
        if isinstance(one, types) and not getattr(one, "actor_init_failed", False):
            return True
        if type(one).__name__ in _OF_RAY_TRAIN:
            return True
    return False


def _nested(error: BaseException) -> Iterator[BaseException]:
    """An error, what caused it, and what Ray has put into it."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__ or (None if one.__suppress_context__ else one.__context__)]
        inner += [getattr(one, name, None) for name in _HOLDERS]
        waiting += [more for more in inner if isinstance(more, BaseException)]
