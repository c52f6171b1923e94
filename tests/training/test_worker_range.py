"""Numbers of workers: what is understood, and what is refused in one line."""

import pytest

from raysq.errors import UsageError
from raysq.training.train import resolve, train
from raysq.training.worker_range import WorkerRange


@pytest.mark.parametrize(("text", "least", "most"), [("2", 2, 2), ("1:4", 1, 4), ("3:3", 3, 3)])
def test_a_number_or_a_range_is_understood(text, least, most):
    workers = WorkerRange.parse(text)
    assert workers == WorkerRange.of((least, most)) == WorkerRange(least, most) == WorkerRange.of(workers)
    assert workers.is_elastic is (least < most)
    assert WorkerRange.of(2) == WorkerRange(2, 2) and str(WorkerRange(2, 2)) == "2" and str(WorkerRange(1, 4)) == "1:4"


@pytest.mark.parametrize("text", ["two", "1:", ":4", "1:2:3", "1.5", ""])
def test_other_text_is_refused(text):
    with pytest.raises(UsageError, match=f"--workers must be a number or MIN:MAX, such as 2 or 1:4, received '{text}'"):
        WorkerRange.parse(text)


@pytest.mark.parametrize(("text", "message"), [("0", "at least 1, received 0"), ("4:1", "at most MAX, received 4:1")])
def test_numbers_that_are_none_of_workers_are_refused(text, message):
    with pytest.raises(UsageError, match=f"--workers must be .*{message}"):
        WorkerRange.parse(text)


@pytest.mark.parametrize(
    ("workers", "message"),
    [
        ((0, 2), "must be at least 1, received 0:2"),
        (0, "must be at least 1, received 0"),
        ((4, 1), "MIN at most MAX, received 4:1"),
        ((1, 2, 3), r"a pair \(MIN, MAX\), received \(1, 2, 3\)"),
        ("1:4", r"a pair \(MIN, MAX\), received '1:4'"),
        (True, "received True"),
        (2.0, "received 2.0"),
    ],
)
def test_other_numbers_are_refused(workers, message):
    with pytest.raises(UsageError, match=message):
        train("jena", workers=workers)


def test_a_batch_of_each_worker_needs_a_fixed_number(tmp_path):
    from training.series import SMALL, write_series

    data = write_series(tmp_path / "waves")
    settings = {name: value for name, value in SMALL.items() if name != "training.batch_size"}
    options = {"data": data.directory, "model": "dense", "settings": settings, "per_worker_batch": 8}
    with pytest.raises(UsageError, match="--per-worker-batch needs a fixed number of workers, received --workers 1:4"):
        resolve("jena", workers=(1, 4), **options)
    assert resolve("jena", workers=(4, 4), **options).train_settings().batch_size == 32
