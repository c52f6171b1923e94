"""Errors with hints, and their way through a pickle."""

import ast
import pickle
import re
from pathlib import Path

import pytest

from raysq import errors
from raysq.data.readers.pickles import Refused
from raysq.errors import DataError, RaysqError
from raysq.training import failures

PACKAGE = Path(errors.__file__).parent
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
    assert "is damaged" in str(failures.read(tmp_path))
    assert not (tmp_path / "harm").exists()
    with pytest.raises(Refused):
        from raysq.data.readers import pickles

        pickles.load((tmp_path / "failures" / "0.pickle").open("rb"))


FOLDERS = ("corpus", "text", "kinds", "problems", "readers", "data")  # those that there are
READING = [path for name in FOLDERS for path in sorted((PACKAGE / name).rglob("*.py"))]


def test_options_that_mend_raw_files_stand_in_hints():
    """A command without these options leaves the hint out: predict must not name options of prepare."""
    calls = [
        (path, call)
        for path in READING
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("DataError", "SourceError", "FormatError")
    ]
    assert len(calls) > 100
    for path, call in calls:
        message = "".join(part.value for part in ast.walk(call.args[0]) if isinstance(getattr(part, "value", 0), str))
        assert not re.search(r"[;:,] [^;:]*--(?!and)\w", message), f"{path}:{call.lineno}: {message}"
