"""A program that is used again gives the numbers of a fresh one, bit for bit."""

import numpy as np
import pytest
from training.series import SMALL, write_series

from raysq.training import checkpoint
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.compiled_cache import CompiledCache, graph_key
from raysq.training.open_trainer import open_trainer
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

# Dropout draws from the seed, Adam and the metrics have variables of their own.
BASE = {**SMALL, "epochs": 2, "units": 4, "dropout": 0.2, "optimizer": "adam"}
MASKED = {"recurrent_dropout": 0.1, "xla": "false"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


def train(data, tmp_path, name, open_trainer, *, seed=0, model="gru", **settings):
    run = Run.create(resolve_config("jena", model, data, seed, {**BASE, **settings}), name=name, folder=tmp_path)
    configure(run.config.train_settings(), seed, gpu=False)
    run_worker(run, None, TrainingCallbacks(export_model=lambda: False, tensorboard=False), open_trainer=open_trainer)
    values = checkpoint.load(run.last)[0]
    records = [{**record, "seconds": 0} for record in run.metrics()]
    return [values[key] for key in sorted(values)], records


def equal(mine, theirs):
    return mine[1] == theirs[1] and all(np.array_equal(a, b) for a, b in zip(mine[0], theirs[0], strict=True))


def test_a_trainer_used_again_equals_a_fresh_one(data, tmp_path):
    trainers, made = CompiledCache(), []

    def open_cached(run, dataset):
        made.append(trainers.open(run, dataset))
        return made[-1]

    other = {**MASKED, "seed": 5, "learning_rate": 0.004, "epochs": 3, "schedule": "constant"}
    first = train(data, tmp_path, "first", open_cached, **MASKED)
    again = train(data, tmp_path, "again", open_cached, **other)
    assert made[0] is made[1] and len(trainers) == 1
    fresh = train(data, tmp_path, "fresh", open_trainer, **other)
    assert equal(again, fresh) and not equal(again, first)
    # And back: nothing of the run between is left.
    assert equal(train(data, tmp_path, "back", open_cached, **MASKED), first)
    assert made[2] is made[0]


def test_what_shapes_the_graph_is_a_trainer_of_its_own(data):
    def key(**settings):
        return graph_key(resolve_config("jena", "gru", data, settings.pop("seed", 0), {**BASE, **settings}))

    same = [{"seed": 1}, {"learning_rate": 0.1}, {"epochs": 9}, {"patience": 3}, {"steps_per_epoch": 3}]
    other = [{"units": 5}, {"dropout": 0.1}, {"batch_size": 8}, {"lookback": 12}, {"clipnorm": 1.0}]
    other += [{"optimizer": "sgd"}, {"schedule": "cosine"}, {"xla": "false"}]
    assert {key(**one) for one in same} == {key()}
    assert len({key(**one) for one in [{}, *other]}) == len(other) + 1
    # A decaying rate is a constant of the graph.
    assert key(schedule="cosine") != key(schedule="cosine", learning_rate=0.1)


def test_few_trainers_are_kept(data, tmp_path):
    trainers = CompiledCache(size=2)
    for units in (2, 3, 4):
        train(data, tmp_path, f"units-{units}", trainers.open, model="dense", epochs=1, units=units)
    assert len(trainers) == 2
    trainers.drop()
    assert len(trainers) == 0
