"""Errors that would come again are noted by workers, and raised once by the driver."""

import threading

import pytest

from raysq.errors import DataError
from raysq.training import failures
from raysq.training.model_source import SourceChanged


def test_the_error_of_the_first_worker_is_raised_with_its_traceback(tmp_path):
    assert not failures.is_recorded(tmp_path) and failures.read(tmp_path) is None
    try:
        raise SourceChanged("changed") from KeyError("cause")
    except SourceChanged as error:
        mine = error
    other = threading.Thread(target=failures.record, args=(tmp_path, 1, 2, DataError("later")))
    other.start()
    assert failures.record(tmp_path, 0, 2, mine), "both have noted one"
    other.join()
    found = failures.read(tmp_path)
    assert type(found) is SourceChanged and str(found) == "changed"
    assert "KeyError: 'cause'" in found.__notes__[0]
    failures.clear(tmp_path)
    assert not failures.is_recorded(tmp_path)


def test_a_worker_that_alone_has_an_error_does_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(failures, "_WAIT_SECONDS", 0.0)
    assert not failures.record(tmp_path, 1, 2, DataError("only here"))
    with pytest.raises(DataError, match="only here"):
        raise failures.read(tmp_path)
