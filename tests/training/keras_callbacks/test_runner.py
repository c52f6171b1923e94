"""Calls of callbacks with a copy of the model, as on the chief of several workers."""

from contextlib import closing

import keras
import pytest
from training.series import SMALL, write_series

from raysq.training.keras_callbacks.runner import CallbackRunner
from raysq.training.open_trainer import open_trainer
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.saved import build_as_trained
from raysq.training.state import TrainState


class Rates(keras.callbacks.Callback):
    def on_test_end(self, logs=None):
        self.before = float(self.model.optimizer.learning_rate)

    def on_epoch_end(self, epoch, logs=None):
        self.after = float(self.model.optimizer.learning_rate)


def test_the_copy_has_the_rate_of_the_plateau_schedule_at_the_end_of_the_epoch(tmp_path, raysq_home):
    data = write_series(tmp_path / "waves")
    run = Run.create(resolve_config("jena", "dense", data, 0, {**SMALL, "schedule": "plateau", "learning_rate": 0.5}))
    trainer = open_trainer(run, data)
    trainer.replicas, trainer.broadcast_array = 2, lambda values: values
    state, rates = TrainState(), Rates()
    with closing(CallbackRunner([rates], trainer, lambda: build_as_trained(run, data))) as runner:
        runner.begin(state, [])
        state.step = trainer.steps_per_epoch
        logs = runner.evaluate(state)
        trainer.scale_rate(0.5)
        state.epoch = 1
        runner.on_epoch_end(state, logs)
    assert (rates.before, rates.after) == (0.5, 0.25)
    assert trainer.learning_rate() == pytest.approx(0.25)
