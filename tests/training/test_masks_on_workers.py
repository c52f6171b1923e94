"""Masked predictions and losses of a class: two processes end as one, also in the exact mode."""

import numpy as np
import pytest
from training.workers import Job, close, train_apart

import raysq
from raysq.training.run_config import resolve_config

STEPS = 5
CASES = {
    "masked": ("tagger", {"batch_size": 13, "eval_batch_size": 11}),
    "masked, exact": ("tagger", {"batch_size": 13, "eval_batch_size": 11, "exact": 4}),
    "compute_loss": ("own_loss", {"batch_size": 8, "eval_batch_size": 10}),
}


def rows():
    """80 rows to train and 20 to validate, so that batches of compute_loss divide over two workers."""
    random = np.random.default_rng(0)
    ids = [random.integers(1, 9, length).tolist() for length in random.integers(1, STEPS + 1, 100)]
    ids[0] = [1, 2, 3, 4, 8]
    tags = random.normal(size=(100, STEPS, 1)).astype(np.float32)
    return {"ids": ids, "tags": tags, "part": np.array(["train"] * 80 + ["val"] * 20)}


@pytest.mark.slow
def test_two_processes_end_as_one(tmp_path):
    options = {"target": "tags", "split_column": "part"}
    dataset = raysq.prepare("arrays", source=rows(), settings=options, quiet=True)
    configs = {
        name: resolve_config(
            "arrays",
            f"training.masked_models:{model}",
            dataset,
            0,
            {"maxlen": STEPS, "epochs": 2, "training.xla": "false", "patience": 0, **settings},
        )
        for name, (model, settings) in CASES.items()
    }
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    by_workers = train_apart(
        tmp_path, {"1": Job(tmp_path / "one", configs), "2": Job(tmp_path / "two", configs, workers=2)}
    )
    for name in CASES:
        one, two = by_workers["1"][name], by_workers["2"][name]
        close(one, two)
        for mine, theirs in zip(one.metrics(), two.metrics(), strict=True):
            for key in ("loss", "val_loss", "mae", "val_mae"):
                assert mine[key] == pytest.approx(theirs[key], rel=0 if "exact" in name else 1e-5), (name, key)
