"""One line for an error of a user's model, with the place in its code."""

import importlib
import json
import sys

import pytest

from raysq.errors import DataError, UsageError
from raysq.training.user_code import describe, line_of, user_errors, user_loop

SOURCE = """
def outer():
    inner()

def inner():
    raise KeyError("no such table")

def by_library():
    import json
    json.loads("{")
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "their_model.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield importlib.import_module("their_model")
    del sys.modules["their_model"]


@pytest.mark.parametrize(
    ("function", "line"),
    [
        ("outer", "KeyError: 'no such table' (their_model.py:6, in inner)"),
        ("by_library", "(their_model.py:10, in by_library)"),
    ],
)
def test_an_error_is_one_line_with_the_innermost_place_of_the_users_code(module, function, line):
    with (
        pytest.raises(UsageError, match="^model 'their_model:build' cannot be built: ") as raised,
        user_errors("their_model:build", "cannot be built"),
    ):
        getattr(module, function)()
    assert line in str(raised.value) and "\n" not in str(raised.value)
    assert isinstance(raised.value.__cause__, Exception), "--debug shows it"


def test_other_errors_pass(module):
    with pytest.raises(KeyError), user_errors("gru", "cannot be built"):
        module.outer()
    with pytest.raises(DataError), user_errors("their_model:build", "cannot be built"):
        raise DataError("of the data")


def test_an_error_without_a_line_of_the_users_code_has_no_place(module):
    with pytest.raises(ValueError) as raised:
        json.loads("{")
    error = raised.value.with_traceback(raised.value.__traceback__.tb_next)  # without this file's own
    assert line_of(error, "their_model:build") is None
    # Where a model is only built and called it is the model's all the same.
    with (
        pytest.raises(UsageError, match="cannot be built: JSONDecodeError"),
        user_errors("their_model:build", "cannot be built", everything=True),
    ):
        raise error


def test_errors_of_the_loop_are_the_models_and_those_of_its_caller_are_not(module):
    def records():
        yield 1
        module.outer()

    loop = user_loop("their_model:build", records())
    assert next(loop) == 1
    with pytest.raises(UsageError, match="fails when it is trained: KeyError"):
        next(loop)
    with pytest.raises(KeyError):
        for _ in user_loop("their_model:build", iter([1])):
            raise KeyError("of the caller")


def test_tracebacks_inside_of_messages_are_left_out():
    user = ValueError(
        'in user code:\n\n    File "/here/m.py", line 7, in call  *\n        return self.f(x)\n\n'
        "    ValueError: no such axis\n"
    )
    assert describe(user) == "ValueError: no such axis"
    assert line_of(user, "m:build").endswith("m.py:7, in call")
    graph = RuntimeError(
        "Graph execution error:\n\nDetected at node gather defined at (most recent call last):\n"
        '  File "/here/m.py", line 9, in call\n\n    table[x]\n\n'
        "indices[0] = 5 is not in [0, 3)\n\t [[{{node gather}}]]"
    )
    assert describe(graph) == "indices[0] = 5 is not in [0, 3)"
    keras = TypeError(
        "Exception encountered when calling Own.call().\n\n\x1b[1mno\x1b[0m\n\nArguments received by Own.call(): x"
    )
    assert describe(keras) == "TypeError: Exception encountered when calling Own.call(). no"
    assert len(describe(ValueError("x" * 9999))) < 500
