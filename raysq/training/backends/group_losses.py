"""Losses of a worker group as a whole, after which it cannot go on by itself."""

from raysq.errors import LostError


class GroupLost(LostError):
    """A group cannot be started again as it is; a new one can continue."""


class OwnClusterLost(GroupLost):
    """Ray that this process has started on this machine was lost; it can be started again."""


class NoRoom(LostError):
    """There was no room for the workers in the time that the user allows."""


class HeadLost(LostError):
    """The head of a cluster that this process has joined does not answer."""


def unreachable_errors() -> tuple[type[Exception], ...]:
    """Return the errors of calls to a Ray cluster that breaks down, or that this process has left meanwhile."""
    from ray.exceptions import RayError

    return (RayError, RuntimeError, AttributeError)
