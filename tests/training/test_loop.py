"""Training loop: lengths of the calls of compiled steps in a worker group."""

import time
from types import SimpleNamespace

import pytest

from raysq.training.loop import fit
from raysq.training.settings import TrainSettings
from raysq.training.state import TrainState


class GroupTrainer:
    """Trainer of a rank whose steps take `seconds` each; the chief's lengths reach all ranks by `agreed`."""

    replicas = 2
    model = SimpleNamespace(trainable_variables=[0])
    compilation = SimpleNamespace(own_optimizer=False)

    def __init__(self, settings, seconds, agreed, chief):
        self.settings, self.steps_per_epoch = settings, settings.steps_per_epoch
        self.seconds, self.agreed, self.chief = seconds, agreed, chief
        self.calls, self.agreements = [], 0

    def train(self, first_step, steps):
        self.calls.append((first_step, steps))
        time.sleep(steps * self.seconds)
        return 1.0

    @property
    def total_steps(self):
        return self.settings.epochs * self.steps_per_epoch

    def broadcast(self, value):
        if self.chief:
            self.agreed.append(value)
        self.agreements += 1
        return self.agreed[self.agreements - 1]

    def scale_rate(self, scale):
        pass

    def learning_rate(self):
        return 0.1

    def take_train_metrics(self):
        return {"loss": 1.0}

    def evaluate(self, split):
        return {"val_loss": 1.0}


@pytest.mark.parametrize("checkpoint_steps", [0, 70])
def test_ranks_of_different_speed_make_the_same_calls(checkpoint_steps):
    pytest.importorskip("tensorflow")
    settings = TrainSettings(epochs=3, steps_per_epoch=500, checkpoint_steps=checkpoint_steps)
    agreed = []
    chief = GroupTrainer(settings, 1e-4, agreed, chief=True)
    slow = GroupTrainer(settings, 4e-4, agreed, chief=False)
    for trainer in (chief, slow):
        assert [record["step"] for record in fit(trainer, TrainState())] == [500, 1000, 1500]
    assert chief.calls == slow.calls and chief.agreements == slow.agreements > 0
    assert sum(steps for _, steps in chief.calls) == 1500
    assert [steps for _, steps in chief.calls[:2]] == [16, 16]
    assert max(steps for _, steps in chief.calls) == (checkpoint_steps or 256), "longer calls for quick steps"


@pytest.mark.parametrize("replicas", [1, 2])
def test_all_ranks_pause_after_the_same_step_where_the_chief_is_asked_to(replicas, monkeypatch):
    pytest.importorskip("tensorflow")
    monkeypatch.setattr("raysq.training.loop._AGREE_SECONDS", 0.02)
    settings, agreed, paused = TrainSettings(epochs=3, steps_per_epoch=500), [], []
    for rank in range(replicas):
        trainer = GroupTrainer(settings, 1e-4 * (rank + 1), agreed, chief=rank == 0)
        trainer.replicas, state = replicas, TrainState()

        def pause(state=state):
            paused.append(state.step)
            raise InterruptedError

        # The other ranks are asked at other moments, or not at all.
        asked = (lambda state=state: state.step > 300) if rank == 0 else bool
        with pytest.raises(InterruptedError):
            list(fit(trainer, state, should_pause=asked, on_pause=pause))
    assert len(set(paused)) == 1 and 300 < paused[0] < 1500 and len(paused) == replicas
