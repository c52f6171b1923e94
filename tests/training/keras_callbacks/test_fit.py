"""Callbacks in raysq do what they do in `Model.fit` with the same batches."""

import csv
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.util import event_pb2
from training.series import SMALL, write_series
from training.workers import weights

from raysq.data.shuffle import batch_order
from raysq.errors import TrainingError
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.compiled_cache import CompiledCache
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

EPOCHS = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


@pytest.fixture(scope="module")
def trainers():
    """Trainers that the runs of this file share, as the trials of a search do."""
    return CompiledCache()


@pytest.fixture
def both(data, trainers, tmp_path, monkeypatch):
    """Returns a function that trains by `fit` and by raysq, each with callbacks from the same function."""

    def train(make_callbacks, **settings):
        model = "training.own_models:in_fours"
        config = resolve_config("jena", model, data, 0, {**SMALL, "epochs": EPOCHS, "xla": "false", **settings})
        outcomes = []
        for name in ("fit", "raysq"):
            folder = tmp_path / name
            folder.mkdir()
            monkeypatch.chdir(folder)
            configure(config.train_settings(), config.seed, gpu=False)
            callbacks = make_callbacks()
            if name == "fit":
                model = config.build(data)
                outcomes.append((fit(model, config, data, callbacks), model.get_weights(), callbacks))
            else:
                run = Run.create(config, name="run", folder=folder)
                options = {"export_model": lambda: False, "tensorboard": False, "keras_callbacks": callbacks}
                run_worker(run, None, TrainingCallbacks(**options), open_trainer=trainers.open)
                outcomes.append((history(run), weights(run), callbacks))
        return outcomes

    return train


def fit(model, config, data, callbacks):
    """Plain `Model.fit` on raysq's order of examples."""
    settings = config.train_settings()
    splits = config.make_problem().splits(data)
    train, val = splits["train"], splits["val"]
    steps = settings.steps_per_epoch
    order = batch_order(config.seed, len(train), settings.batch_size, 0, steps * settings.epochs)
    x, y = gather(train, order.reshape(-1))
    # As many rows as an epoch has: one after another, in this order.
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(settings.batch_size)
    return model.fit(
        batches,
        epochs=settings.epochs,
        steps_per_epoch=steps,
        validation_data=gather(val, np.arange(len(val))),
        validation_batch_size=settings.eval_batch_size,
        callbacks=callbacks,
        verbose=0,
    ).history


def gather(examples, indices):
    x, y, *_ = examples.gather(indices, examples.mapped(), lambda array, at: array.take(at))
    return x, y


def history(run):
    names = [name for name in run.metrics()[0] if name not in ("epoch", "step", "seconds", "learning_rate", "best")]
    return {name: [record[name] for record in run.metrics()] for name in names}


def assert_same(both):
    (expected, expected_weights, _), (found, found_weights, _) = both
    expected.pop("learning_rate", None)  # which Keras's own callbacks add; every record of raysq has it
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-4, err_msg=name)
    for mine, theirs in zip(found_weights, expected_weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-3, atol=2e-5)


def test_early_stopping_ends_at_the_same_epoch(both):
    outcomes = both(lambda: [keras.callbacks.EarlyStopping(patience=1, min_delta=0.5)])
    assert_same(outcomes)
    (expected, _, [theirs]), (_, _, [mine]) = outcomes
    assert mine.stopped_epoch == theirs.stopped_epoch > 0 and len(expected["loss"]) < EPOCHS


def test_a_metric_of_mode_auto_is_known_to_be_better_when_lower(both):
    assert_same(both(lambda: [keras.callbacks.EarlyStopping("val_mean_squared_error", patience=0, min_delta=0.3)]))


def test_learning_rates_are_those_of_fit(both):
    def callbacks():
        scheduled = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5 if epoch else rate)
        return [scheduled, keras.callbacks.ReduceLROnPlateau(patience=1, min_delta=1.0, factor=0.2)]

    outcomes = both(callbacks)
    rates = outcomes[0][0]["learning_rate"]
    assert_same(outcomes)
    assert len(set(rates)) == EPOCHS
    assert [record["learning_rate"] for record in Run.open(Path("run")).metrics()] == pytest.approx(rates)


def test_batches_are_those_of_steps_per_execution(both):
    """What is set between two calls of steps is in effect in the next."""

    def callbacks():
        seen = []

        class Own(keras.callbacks.Callback):
            def on_train_batch_begin(self, batch, logs=None):
                seen.append(("begin", batch))

            def on_train_batch_end(self, batch, logs=None):
                seen.append(("end", batch, round(logs["loss"], 2)))
                self.model.optimizer.learning_rate = 0.01 / (1 + batch)
                if self.params["steps"] == 12 and len(seen) == 12:
                    self.model.stop_training = True

            def on_test_begin(self, logs=None):
                seen.append("test")

            def on_test_end(self, logs=None):
                seen.append(round(logs["loss"], 2))

            def on_train_end(self, logs=None):
                seen.append(sorted(logs))

        own = Own()
        own.seen = seen
        return [own, keras.callbacks.TensorBoard("board", update_freq=4)]

    outcomes = both(callbacks)
    assert_same(outcomes)
    (_, _, [theirs, _]), (_, _, [mine, _]) = outcomes
    assert mine.seen == theirs.seen
    assert tags(Path("board")) == tags(Path("../fit/board")) >= {"batch_loss"}
    assert mine.seen[:2] == [("begin", 0), ("end", 3, mine.seen[1][2])] and mine.seen[-4][:2] == ("end", 7)


def test_files_are_those_of_fit(both):
    def callbacks():
        return [
            keras.callbacks.CSVLogger("log.csv"),
            keras.callbacks.ModelCheckpoint("models/{epoch}.keras", save_best_only=True),
            keras.callbacks.ModelCheckpoint("batches/{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=8),
            keras.callbacks.TensorBoard("board"),
        ]

    outcomes = both(callbacks, epochs=2)
    assert_same(outcomes)
    theirs, mine = Path("../fit"), Path("../raysq")
    rows = [list(csv.DictReader((folder / "log.csv").read_text().splitlines())) for folder in (theirs, mine)]
    assert [row.keys() for row in rows[0]] == [row.keys() for row in rows[1]] and len(rows[0]) == 2
    assert float(rows[0][1]["val_loss"]) == pytest.approx(float(rows[1][1]["val_loss"]), rel=2e-4)
    for pattern in ("models/*", "batches/*"):
        names = [sorted(path.name for path in folder.glob(pattern)) for folder in (theirs, mine)]
        assert names[0] == names[1] and names[0]
    for path in mine.glob("models/*"):
        saved = keras.models.load_model(path)
        np.testing.assert_allclose(
            saved.get_weights()[0], keras.models.load_model(theirs / "models" / path.name).get_weights()[0], rtol=2e-3
        )
    assert tags(mine / "board") == tags(theirs / "board") >= {"epoch_loss", "epoch_learning_rate"}


def tags(folder):
    """Names of all summaries of a folder."""
    found = set()
    for path in folder.rglob("events.out.*"):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            found |= {value.tag for value in event_pb2.Event.FromString(record).summary.value}
    return found - {"keras"}


def test_a_loss_that_is_not_finite_ends_a_run_at_its_last_epoch(both):
    """`fit` ends with the weights that are not finite."""

    def callbacks():
        rate = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate if epoch < 2 else float("inf"))
        return [rate, keras.callbacks.TerminateOnNaN()]

    (expected, *_), (found, found_weights, _) = both(callbacks)
    assert len(found["loss"]) == 2 and not np.isfinite(expected["loss"][-1])
    np.testing.assert_allclose(found["loss"], expected["loss"][:2], rtol=2e-4)
    assert all(np.isfinite(value).all() for value in found_weights)
    assert json.loads(Path("run/result.json").read_text())["epochs"] == 2


def test_without_a_finished_epoch_it_is_an_error(both):
    def callbacks():
        return [keras.callbacks.LearningRateScheduler(lambda epoch: float("inf")), keras.callbacks.TerminateOnNaN()]

    with pytest.raises(TrainingError, match="the loss is"):
        both(callbacks)
