"""Errors with hints, and their way through a pickle."""

import pickle

import pytest

from raysq import errors
from raysq.errors import DataError, RaysqError
from raysq.readers.pickles import Refused
from raysq.training import failures

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RaysqError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_is_pickled_with_all_its_fields(kind):
    error = kind("train.csv has no rows", hint="give another --source")
    error.add_note("in the first worker")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and str(again) == str(error) and "give another --source" in str(again)
    assert (again.message, again.hint, again.args) == (error.message, error.hint, error.args)
    assert again.__notes__ == ["in the first worker"]
    assert str(kind("alone")) == "alone" and str(kind()) == ""


def test_errors_of_other_constructors_too():
    class Counted(DataError):
        def __init__(self, rows: int):
            super().__init__(f"{rows} rows", "give more")
            self.rows = rows

    globals()["Counted"] = Counted
    Counted.__qualname__ = "Counted"
    again = pickle.loads(pickle.dumps(Counted(3)))
    assert type(again) is Counted and again.rows == 3 and str(again) == "3 rows; give more"


def test_a_noted_error_is_read_without_running_code(tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    (tmp_path / "failures").mkdir()
    (tmp_path / "failures" / "0.pickle").write_bytes(pickle.dumps(Harm()))
    assert "is damaged" in str(failures.noted(tmp_path))
    assert not (tmp_path / "harm").exists()
    with pytest.raises(Refused):
        from raysq.readers import pickles

        pickles.load((tmp_path / "failures" / "0.pickle").open("rb"))
