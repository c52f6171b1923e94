"""What a run's directory says of it."""

import json
from dataclasses import dataclass

import pytest

from raysq.training.run import Run


@dataclass
class Asked:
    """All that is looked at of a configuration."""

    training: dict


def finished(folder, losses, *, epochs, steps=10):
    (folder / "result.json").write_text(json.dumps({"steps": steps}))
    lines = [json.dumps({"epoch": number, "val_loss": loss}) + "\n" for number, loss in enumerate(losses, 1)]
    (folder / "metrics.jsonl").write_text("".join(lines))
    return Run(folder, Asked({"epochs": epochs}))


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
    ],
)
def test_a_run_says_whether_its_loss_still_fell(tmp_path, losses, epochs, steps, still):
    said = finished(tmp_path, losses, epochs=epochs, steps=steps).still_improving()
    assert (said is not None) == still
    if still:
        assert "still fell in the last epoch" in said and "--epochs 6" in said


def test_a_run_that_is_not_finished_says_nothing(tmp_path):
    run = finished(tmp_path, [0.5, 0.4], epochs=2)
    (tmp_path / "result.json").unlink()
    assert run.still_improving() is None
