"""Callbacks that are refused, and callbacks in a run's id."""

from dataclasses import dataclass
from functools import partial

import keras
import pytest
from training.series import SMALL, write_series

from raysq.errors import TrainingError, UsageError
from raysq.training.config_differences import describe_differences
from raysq.training.keras_callbacks.identity import describe_callbacks, remember_callbacks, validate_callbacks
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.settings import TrainSettings
from raysq.training.train import train


class Own(keras.callbacks.Callback):
    def __init__(self, factor=2):
        super().__init__()
        self.factor = factor

    def on_epoch_end(self, epoch, logs=None):
        self.seen = epoch * self.factor


class OfTestBatches(keras.callbacks.Callback):
    def on_test_batch_end(self, batch, logs=None):
        pass


@pytest.mark.parametrize(
    ("callbacks", "settings", "words"),
    [
        (keras.callbacks.TerminateOnNaN(), {}, "must be a list"),
        ([keras.callbacks.TerminateOnNaN], {}, "received a class: call it, TerminateOnNaN"),
        (["early"], {}, "must be keras.callbacks.Callback objects, received 'early'"),
        ([keras.callbacks.BackupAndRestore("b")], {}, "BackupAndRestore is not needed"),
        ([OfTestBatches()], {}, "has on_test_batch_end, which raysq does not call"),
        ([keras.callbacks.ReduceLROnPlateau()], {"schedule": "cosine"}, "which the setting schedule=cosine decides"),
    ],
)
def test_what_cannot_work_is_refused(callbacks, settings, words):
    with pytest.raises(UsageError, match=words):
        validate_callbacks(callbacks, TrainSettings(**settings))


def test_callbacks_are_described_by_class_values_and_code():
    first = describe_callbacks([Own(), keras.callbacks.EarlyStopping(patience=3), keras.callbacks.CSVLogger("log")])
    assert [each["class"].rpartition(".")[2] for each in first] == ["Own", "EarlyStopping"]
    assert first[0]["values"] == {"factor": 2} and first[1]["values"]["patience"] == 3
    assert first == describe_callbacks([Own(), keras.callbacks.EarlyStopping(patience=3)])
    assert first != describe_callbacks([Own(3), keras.callbacks.EarlyStopping(patience=3)])
    halves, thirds = ([keras.callbacks.LearningRateScheduler(schedule)] for schedule in (half, third))
    assert describe_callbacks(halves) != describe_callbacks(thirds)
    assert describe_callbacks(halves) == describe_callbacks([keras.callbacks.LearningRateScheduler(half)])


def half(epoch, rate):
    return rate * 0.5


def third(epoch, rate):
    return rate * 0.3


def test_an_object_that_was_used_keeps_its_description_until_the_user_changes_it():
    used = Own()
    before = describe_callbacks([used])
    used.on_epoch_end(3)
    remember_callbacks([used])
    assert describe_callbacks([used]) == before
    used.factor = 3
    assert describe_callbacks([used])[0]["values"]["factor"] == 3


@dataclass
class Warmup(keras.callbacks.Callback):
    rates: tuple = (0.1, 0.2)
    url: str = "https://me:hidden@hooks.example.org/log"
    api_key: str = "hidden"

    def __post_init__(self):
        super().__init__()


class Schedule:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, epoch, rate):
        return rate * self.factor


def scaled(epoch, rate, factor):
    return rate * factor


def scheduler(factor):
    def inner(rate):
        return rate * factor

    return lambda epoch, rate: inner(rate)


class Halving(keras.callbacks.Callback):
    factors = frozenset({0.5})


class Doubling(keras.callbacks.Callback):
    factors = frozenset({2.0})


Doubling.__name__, Doubling.__qualname__ = Halving.__name__, Halving.__qualname__


@pytest.mark.parametrize(
    ("build", "values"),
    [
        (Warmup, [(0.1, 0.2), (0.1, 0.3), [0.1, 0.2]]),
        (lambda factor: keras.callbacks.LearningRateScheduler(partial(scaled, factor=factor)), [0.5, 0.3]),
        (lambda factor: keras.callbacks.LearningRateScheduler(Schedule(factor)), [0.5, 0.3]),
        (lambda factor: keras.callbacks.LearningRateScheduler(scheduler(factor)), [0.5, 0.3]),
        (lambda kind: kind(), [Halving, Doubling]),
    ],
    ids=["values in a tuple", "partial", "object", "functions in functions", "attributes of the class"],
)
def test_what_a_callback_depends_on_is_described(build, values):
    described = [describe_callbacks([build(value)]) for value in values]
    assert described == [describe_callbacks([build(value)]) for value in values]
    assert all(described[0] != other for other in described[1:])


def test_secrets_of_callbacks_are_left_out_of_the_configuration():
    described = describe_callbacks([Warmup()])
    assert "hidden" not in str(described) and "hooks.example.org" in str(described)


def test_the_same_run_without_its_callbacks_is_another(tmp_path, raysq_home):
    data = write_series(tmp_path / "waves")
    config = resolve_config("jena", "dense", data, 0, SMALL)
    early = config.with_callbacks([keras.callbacks.EarlyStopping(patience=3)])
    assert config.id != early.id and early.id == early.with_callbacks([keras.callbacks.EarlyStopping(patience=3)]).id
    assert config.with_callbacks([keras.callbacks.CSVLogger("a")]).id == config.id
    assert Run.open(Run.create(early, name="early").directory).config == early
    assert "callbacks EarlyStopping(min_delta=0, mode=auto, monitor=val_loss, patience=3" in describe_differences(
        early, config
    )


def test_errors_of_callbacks_are_one_line(tmp_path, raysq_home):
    data = write_series(tmp_path / "waves")

    def fail(epoch, logs):
        raise KeyError("missing")

    def run(callback):
        train("jena", data=data.directory, model="dense", settings={**SMALL, "epochs": 1}, callbacks=[callback])

    with pytest.raises(
        TrainingError, match=r"callback LambdaCallback fails in on_epoch_end: KeyError: 'missing' \(.*test_identity.py"
    ):
        run(keras.callbacks.LambdaCallback(on_epoch_end=fail))
    with pytest.raises(TrainingError, match="callback EarlyStopping monitors 'val_acc', which an epoch does not have"):
        run(keras.callbacks.EarlyStopping("val_acc", mode="max"))
    with pytest.raises(TrainingError, match="callback EarlyStopping fails in on_epoch_end: .*mode='max'"):
        run(keras.callbacks.EarlyStopping("val_acc"))
