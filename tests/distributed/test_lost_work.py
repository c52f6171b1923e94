"""What was lost is told from what failed, by the type of the error."""

import pytest

from raysq.distributed.lost_work import Patience, is_loss
from raysq.errors import LostError, TrainingError

exceptions = pytest.importorskip("ray").exceptions


def raised(error: Exception, cause: BaseException | None = None) -> Exception:
    """An error as one catches it."""
    try:
        raise error from cause
    except Exception as caught:
        return caught


def task_error(cause: Exception) -> Exception:
    """What the driver gets of an exception that code on a worker raised."""
    return exceptions.RayTaskError("train", "Traceback ...", cause)


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ActorDiedError(),
        exceptions.ActorUnavailableError("the node does not answer", b"0" * 16),
        exceptions.WorkerCrashedError(),
        exceptions.NodeDiedError("gone"),
        exceptions.OwnerDiedError("00" * 28, None, ""),
        exceptions.ObjectLostError("00" * 28, None, ""),
        exceptions.ObjectFetchTimedOutError("00" * 28, None, ""),
        exceptions.OutOfMemoryError("low on memory"),
        exceptions.ActorUnschedulableError("its node is gone"),
        exceptions.RaySystemError("the raylet is gone"),
        LostError("its process has not ended"),
        # As Ray Tune raises what it has no opinion of, and Ray what code met on a worker.
        raised(RuntimeError("Caught unexpected exception"), exceptions.OutOfMemoryError("low on memory")),
        task_error(exceptions.ObjectLostError("00" * 28, None, "")),
        task_error(LostError("its process has not ended")),
    ],
)
def test_what_a_cluster_lost_is_no_fault_of_the_work(error):
    assert is_loss(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("the actor died: no, it did not"),
        TrainingError("the loss is not finite"),
        MemoryError(),
        task_error(ValueError("units must be above 0")),
        exceptions.ActorDiedError(task_error(ValueError("in a constructor"))),
        exceptions.TaskCancelledError(),
        exceptions.RuntimeEnvSetupError("no such package"),
        raised(ValueError("after a loss was dealt with"), None),
    ],
)
def test_code_that_fails_has_lost_nothing(error):
    assert not is_loss(error)


def test_a_loss_that_was_dealt_with_is_none():
    try:
        try:
            raise exceptions.WorkerCrashedError
        except exceptions.WorkerCrashedError:
            raise ValueError("of its own") from None
    except ValueError as error:
        assert not is_loss(error)


def test_patience_ends_only_without_progress():
    patience = Patience(3)
    for reached in range(1, 50):  # far more losses than are borne in a row
        patience.progress(reached)
        assert patience.lose() == 2
    patience.progress(49)
    assert [patience.lose(), patience.lose(), patience.lose()] == [1, 0, 0]
