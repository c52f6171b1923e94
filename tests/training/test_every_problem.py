"""What holds for runs of every kind: a run that was killed continues to the same bits, and two replicas equal one.

Series have both in test_process and test_workers; test_replicas has all models of texts by class, loops among them.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from problems.images.made import make_dataset, write_npz
from problems.language_modeling import corpus
from problems.text_classification.corpus import write_corpus
from problems.translation import pairs_corpus
from problems.word_vectors import written
from training.workers import Job, close, timeless, train_apart

from raysq.training import checkpoint
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

# RMSprop hides a wrong scale of the gradient: SGD. 13 rows do not divide over 2 replicas, nor 14 steps by 5.
COMMON = {
    "epochs": 2,
    "steps_per_epoch": 7,
    "batch_size": 13,
    "eval_batch_size": 32,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "checkpoint_steps": 5,
    "xla": "false",
}
# Without masks and other draws, which replicas make on their own, and without loops, which take long to compile.
PLAIN = {
    "text": (
        "text",
        "problems.language_modeling.small_models:pairs",
        {"sequence_targets": True, "maxlen": 8, "min_count": 1},
    ),
    "pairs": ("pairs", "problems.translation.small_models:summed", {"units": 6}),
    "vectors": ("cbow", "softmax", {"dimension": 6, "window": 2, "min_count": 1}),
    "images": ("images", "cnn", {"filters": 3, "units": 6}),
}
# What a kind draws at random in training.
DRAWN = {
    "classify": ("classify", "multihot", {"max_features": 60, "units": 6, "dropout": 0.3}),
    "vectors": ("skipgram", "negative_sampling", {"dimension": 6, "min_count": 1, "subsample": 0.01}),
    "images": ("images", "mlp", {"units": 6, "dropout": 0.2, "flip": "both", "shift": 0.1}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kinds")


@pytest.fixture(scope="module")
def data(folder):
    raw = pairs_corpus.write_tabbed(folder / "pairs.txt", pairs_corpus.sentences(200))
    return {
        "classify": write_corpus(folder / "classify"),
        "text": corpus.prepared(folder / "text", corpus.TEXT * 5),
        "pairs": pairs_corpus.prepared(raw, folder / "pairs"),
        "vectors": written.write(folder / "vectors", written.texts()),
        "images": make_dataset(write_npz(folder / "x.npz"), folder / "images"),
    }


def config_of(data, kind, case):
    task, model, settings = case
    return resolve_config(task, model, data[kind], 0, {**COMMON, **settings})


def train(run, **hooks):
    configure(run.config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks(export_model=lambda: False, tensorboard=False, **hooks))
    return run


def train_and_kill(config, folder):
    """A run that is trained to its end, and what was on disk of it in the middle of its second epoch."""
    run, killed = Run.create(config, folder=folder), folder / "killed"

    def on_train_batch_end(state, loss, steps_per_epoch):
        if state.step == 14:  # not saved yet
            shutil.copytree(run.directory, killed / run.name)

    # What is on disk at a step is certain without a writer in the background; test_checkpoint_writer.py has that one.
    train(run, on_train_batch_end=on_train_batch_end, background_checkpoints=False)
    return run, Run.open(killed / run.name)


@pytest.fixture(scope="module")
def plain(folder, data):
    """By kind the runs of one process, what was killed of them, and the runs of a process with two devices."""
    configs = {kind: config_of(data, kind, case) for kind, case in PLAIN.items()}
    (folder / "two").mkdir()
    with ThreadPoolExecutor(1) as beside:
        two = beside.submit(train_apart, folder, {"two": Job(folder / "two", configs, replicas=2)})
        one = {kind: train_and_kill(config, folder / "one") for kind, config in configs.items()}
        return {kind: (*one[kind], two.result()["two"][kind]) for kind in configs}


@pytest.mark.parametrize("kind", PLAIN)
def test_two_replicas_equal_one_process(plain, kind):
    one, _, two = plain[kind]
    close(one, two)
    for mine, theirs in zip(one.metrics(), two.metrics(), strict=True):
        assert mine.keys() == theirs.keys()
        for name in mine.keys() - {"seconds"}:
            assert mine[name] == pytest.approx(theirs[name], rel=2e-5), name


def continues_to_the_same_bits(run, killed):
    assert checkpoint.load(killed.last)[1]["step"] == 10 and len(killed.metrics()) == 1
    seen = []
    train(killed, on_train_batch_end=lambda state, *_: seen.append(state.step))
    assert seen[0] == 11 and seen[-1] == 14
    mine, theirs = (checkpoint.load(one.last)[0] for one in (run, killed))
    assert mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)
    assert timeless(run) == timeless(killed)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_killed_run_continues_to_the_same_bits(plain, kind):
    continues_to_the_same_bits(*plain[kind][:2])


@pytest.mark.parametrize("kind", DRAWN)
def test_so_does_one_that_draws_at_random(folder, data, kind):
    continues_to_the_same_bits(*train_and_kill(config_of(data, kind, DRAWN[kind]), folder / "drawn" / kind))
