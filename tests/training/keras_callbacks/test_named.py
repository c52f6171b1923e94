"""Callbacks that a command line names."""

import json
import sys

import keras
import pytest
from training.series import SMALL, write_series

from raysq.cli import main
from raysq.errors import UsageError
from raysq.training.keras_callbacks.named import import_callbacks
from raysq.training.run import Run

OWN = """
import keras


class Slower(keras.callbacks.Callback):
    def __init__(self, factor=0.5):
        super().__init__()
        self.factor = factor

    def on_epoch_end(self, epoch, logs=None):
        self.model.optimizer.learning_rate = float(self.model.optimizer.learning_rate.numpy()) * self.factor


def make():
    return keras.callbacks.EarlyStopping("val_mae", patience=1)


def number():
    return 3


def broken():
    raise KeyError("no")


made = Slower(0.25)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "named_callbacks.py").write_text(OWN)
    (tmp_path / "broken_callbacks.py").write_text("import keras\n1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield "named_callbacks"
    for name in ("named_callbacks", "broken_callbacks"):
        sys.modules.pop(name, None)


def test_a_class_a_function_or_an_object_is_named(module):
    texts = [
        f"{module}:Slower,factor=1e-1",
        f"{module}:make",
        f"{module}:made",
        "keras.callbacks:EarlyStopping,patience=3,monitor=val_mae,restore_best_weights=true,baseline=none",
    ]
    slower, early, made, own = import_callbacks(texts)
    assert slower.factor == 0.1 and made.factor == 0.25 and type(slower) is type(made)
    assert isinstance(early, keras.callbacks.EarlyStopping) and early.monitor == "val_mae"
    assert (own.patience, own.monitor, own.restore_best_weights, own.baseline) == (3, "val_mae", True, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Slower", "must be MODULE:NAME"),
        ("named_callbacks:Slower(0.5)", "must be MODULE:NAME"),
        ("named_callbacks:Slower,0.5", "'0.5' must be NAME=VALUE"),
        (
            "named_callbacks:Slower,facto=2",
            r"got an unexpected keyword argument 'facto'; the arguments are \(factor=0.5\)",
        ),
        ("named_callbacks:Slower,factor=2,factor=3", "factor is given twice: leave one out"),
        ("named_callbacks:made,factor=2", "is an object, which takes no arguments"),
        ("named_callbacks:number", "returns 3, which is no keras.callbacks.Callback object"),
        ("named_callbacks:keras", "is <module 'keras'"),
        ("named_callbacks:nothing", "module 'named_callbacks' has no 'nothing'"),
        ("named_callbacks:broken", r"cannot be made: KeyError: 'no' \(named_callbacks.py:23, in broken\)"),
        ("nowhere_at_all:Slower", "there is no module 'nowhere_at_all'"),
        ("broken_callbacks:Slower", r"cannot be imported: ZeroDivisionError: division by zero \(broken_callbacks"),
        ("os:system,command=true", "is part of Python"),
    ],
)
def test_what_names_no_callback_is_one_line(module, text, message):
    with pytest.raises(UsageError, match=message):
        import_callbacks([text])


def test_a_run_has_the_callbacks_of_its_command_and_the_same_command_shows_it(module, tmp_path, capsys):
    data = write_series(tmp_path / "waves", rows=600).directory
    sets = [f"--set={name}={value}" for name, value in {**SMALL, "epochs": 4, "learning_rate": 0.01}.items()]
    command = ["train", "jena", "--data", str(data), "--model", "dense", "--json", *sets, "--name", "own"]
    named = ["--callback", f"{module}:Slower,factor=0.1", "--callback", "keras.callbacks:EarlyStopping,min_delta=99"]
    assert main([*command, *named]) == 0
    first = json.loads(capsys.readouterr().out)
    run = Run.open(first["run"])
    rates = [record["learning_rate"] for record in run.metrics()]
    assert rates == pytest.approx([0.01, 0.001]), "stopped after the second epoch, with the rate of the own class"
    recorded = run.config.callbacks
    assert [each["class"] for each in recorded] == ["named_callbacks.Slower", "keras.callbacks.EarlyStopping"]
    assert main([*command, *named]) == 0 and json.loads(capsys.readouterr().out)["run"] == first["run"]
    assert main(command) == 2
    assert "callbacks Slower(factor=0.1), EarlyStopping(" in capsys.readouterr().err
    assert main([*command, "--callback", "nowhere:At"]) == 2
    assert "there is no module 'nowhere'" in capsys.readouterr().err
