"""What a run's directory says of it."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from training.series import write_series

from raysq.training.run import Run
from raysq.training.train import find_or_prepare


@dataclass
class Asked:
    """All that is looked at of a configuration."""

    settings: dict


class Told(Run):
    """A run that has reached these losses; how its files are read is tested elsewhere."""

    def __init__(self, losses, *, epochs, steps=10, ended=True):
        super().__init__(Path("none"), Asked({"training": {"epochs": epochs}}))
        self.losses, self.steps, self.ended = losses, steps, ended

    def metrics(self, epochs=None):
        return [{"epoch": number, "val_loss": loss} for number, loss in enumerate(self.losses, 1)]

    def result(self):
        return {"steps": self.steps} if self.ended else None


@pytest.mark.parametrize(
    ("losses", "epochs", "steps", "still"),
    [
        ([0.5, 0.4, 0.3], 3, 10, True),
        ([0.5, 0.3, 0.3], 3, 10, False),  # as good as before is no better
        ([0.3, 0.5, 0.4], 3, 10, False),
        ([0.5, 0.4, float("nan")], 3, 10, False),
        ([0.5, 0.4], 9, 10, False),  # a search ended it, or a budget
        ([0.5], 1, 10, False),  # one epoch says nothing of the next
        ([0.5, 0.4], 2, 0, False),  # nothing to train
        ([0.5] * 18 + [0.4, 0.45], 20, 10, True),  # the lowest of the last tenth
        ([0.5] * 17 + [0.4, 0.45, 0.45], 20, 10, False),
        ([0.5, 0.4, 0.39999], 3, 10, False),  # a rate that falls to zero
        ([-0.5, -0.6, -0.7], 3, 10, True),  # a loss of one's own
    ],
)
def test_a_run_says_whether_its_loss_still_fell(losses, epochs, steps, still):
    said = Told(losses, epochs=epochs, steps=steps).still_improving()
    assert (said is not None) == still
    if still:
        best = losses.index(min(losses)) + 1
        assert f"epoch {best} of {epochs};" in said and f"--epochs {2 * epochs} " in said


def test_a_run_that_is_not_finished_says_nothing():
    assert Told([0.5, 0.4], epochs=2).still_improving() is not None
    assert Told([0.5, 0.4], epochs=2, ended=False).still_improving() is None


def test_data_are_a_name_a_directory_or_what_prepare_returned(tmp_path):
    dataset = write_series(tmp_path / "waves", rows=200)
    for data in (dataset, dataset.directory, str(dataset.directory)):
        assert find_or_prepare("jena", data).directory == dataset.directory
