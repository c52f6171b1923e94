"""Every model under two replicas: the numbers of one process, to float rounding."""

import functools
from concurrent.futures import ThreadPoolExecutor

import pytest
from problems.text_classification.corpus import documents, write_corpus
from training.workers import Job, close, train_apart, train_here

from raysq.problems.text_classification.problem import TextClassification as PROBLEM
from raysq.training.run_config import resolve_config

# RMSprop hides a wrong scale of the gradient: SGD. 7 documents do not divide over 2 replicas.
COMMON = {
    "max_features": 40,
    "batch_size": 7,
    "eval_batch_size": 7,  # XLA compiles a loop for every shape
    "epochs": 1,
    "steps_per_epoch": 2,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "xla": "false",
}
OWN = {
    "conv1d": {"maxlen": 41},  # the shortest that fits
    "conv1d_glove": {"maxlen": 149},
    "gru": {"embedding": 20},  # as wide as the input of the second layer below: one loop to compile for both
    "gru_stacked": {"embedding": 20},
}


# One of each sort; the others, of the same layers, take as long again.
FEW = ("baseline", "multihot", "embedding", "conv1d", "lstm_bidirectional", "gru")
assert set(FEW) <= set(PROBLEM.models)
SOME = [name if name in FEW else pytest.param(name, marks=pytest.mark.slow) for name in PROBLEM.models]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The runs of models, for those that are asked for, by one process and by one with two devices."""
    return {few: functools.cache(functools.partial(_both, tmp_path_factory, few)) for few in (True, False)}


def _both(tmp_path_factory, few):
    folder = tmp_path_factory.mktemp("replicas")
    dataset = write_corpus(folder / "made", documents(60, tests=10), vectors=6)
    configs = {}
    for name, model in PROBLEM.models.items():
        if (name in FEW) != few:
            continue
        length = {} if "vectorization" in model.defaults else {"maxlen": 12}
        configs[name] = resolve_config("classify", name, dataset, 0, {**COMMON, **length, **OWN.get(name, {})})
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    with ThreadPoolExecutor(1) as beside:
        two = beside.submit(train_apart, folder, {"two": Job(folder / "two", configs, replicas=2)})
        return train_here(folder / "one", configs), two.result()["two"]


@pytest.mark.parametrize("name", SOME)
def test_two_replicas_equal_one_process(both, name):
    one, two = (runs[name] for runs in both[name in FEW]())
    assert not one.config.settings["model"].get("dropout") and not one.config.settings["model"].get("recurrent_dropout")
    close(one, two)
    (mine,), (theirs,) = one.metrics(), two.metrics()
    assert mine["step"] == theirs["step"] == (0 if name == "baseline" else 2)
    for figure in {"loss", "accuracy", "val_loss", "val_accuracy"} & mine.keys():
        assert mine[figure] == pytest.approx(theirs[figure], rel=2e-5), figure
