"""Weights by class: forms of the setting, the classes of each problem, and training as `fit(class_weight=...)`."""

import numpy as np
import pyarrow as pa
import pytest
from problems.arrays import tables
from problems.images import made
from problems.text_classification import corpus

from raysq.config import flat_settings
from raysq.errors import UsageError
from raysq.problems.arrays.problem import Tables
from raysq.problems.class_weights import class_weights, with_class_weight_text
from raysq.problems.images.problem import Images
from raysq.problems.text_classification.problem import TextClassification
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

WEIGHTS = {"no": 0.5, "yes": 4.0}


def rare(rows=300, **columns):
    """Rows of which one in eight is of the class `yes`."""
    random = np.random.RandomState(0)
    yes = np.arange(rows) % 8 == 0
    return pa.table(
        {
            "a": random.normal(size=rows) + yes,
            "b": random.normal(size=rows),
            "answer": np.where(yes, "yes", "no"),
            **columns,
        }
    )


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    return tables.make_dataset(rare(), tmp_path_factory.mktemp("rare") / "answers", target="answer")


@pytest.mark.parametrize(
    "given",
    [WEIGHTS, {np.str_("yes"): np.float32(4), "no": "0.5"}, "no=0.5,yes=4", " yes = 4, no=.5", '{"yes": 4, "no": 0.5}'],
)
def test_all_forms_of_the_setting_are_one_text(given):
    assert with_class_weight_text({"class_weight": given}) == {"class_weight": '{"no": 0.5, "yes": 4.0}'}
    with_flags = with_class_weight_text({"class_weight": {np.int64(0): 1, True: 2}})
    assert with_flags == {"class_weight": '{"0": 1.0, "true": 2.0}'}


@pytest.mark.parametrize("text", [None, "balanced", "none"])
def test_other_values_stay(text):
    assert with_class_weight_text({"class_weight": text, "val": "0.2"}) == {"class_weight": text, "val": "0.2"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("heavy", "must be balanced or weights by class such as no=1,yes=5 .in Python a dict., received 'heavy'"),
        ("{no: 1}", "must be balanced or weights by class"),
        ({}, "must be balanced or weights by class"),
        (5, "must be balanced or weights by class"),
        ("no=1,yes=much", "class 'yes' must weigh a number of at least 0, received 'much'"),
        ({"no": -1}, "class 'no' must weigh a number of at least 0, received -1"),
        ({"no": float("nan")}, "class 'no' must weigh a number of at least 0, received nan"),
        ({"no": 0, "yes": 0}, "no training example weighs anything"),
        ({"maybe": 2}, "there is no class 'maybe'; the classes: no, yes"),
        ({1: 2}, "there is no class '1'; the classes: no, yes"),
    ],
)
def test_what_cannot_be_read_is_one_line(answers, given, message):
    with pytest.raises(UsageError, match=message):
        resolve_config("arrays", "mlp", answers, 0, {"class_weight": given})


def test_balanced_weights_are_those_of_scikit_learn():
    labels = np.repeat([0, 2, 3], [70, 20, 10])
    found = class_weights("balanced", ["a", "none", "b", "c"], np.bincount(labels, minlength=4) / 100)
    np.testing.assert_allclose(found, [100 / (3 * 70), 1, 100 / (3 * 20), 100 / (3 * 10)], rtol=1e-6)


def test_training_examples_alone_weigh_by_class(answers, tmp_path):
    images = made.make_dataset(made.write_npz(tmp_path / "x.npz"), tmp_path / "images")
    texts = corpus.write_corpus(tmp_path / "texts")
    sources = (
        (Tables, answers, {"yes": 3.0}, [1, 3]),
        (Images, images, {images.manifest.report["classes"][1]: 2.0}, [1, 2, 1]),
        (TextClassification, texts, {"pos": 0.25}, [1, 0.25]),
    )
    for problem_class, dataset, weights, of_class in sources:
        problem = problem_class.from_dataset(dataset, {"class_weight": weights})
        splits = problem.splits(dataset)
        assert getattr(splits["val"], "weights", None) is None and getattr(splits["test"], "weights", None) is None
        every = np.arange(len(splits["train"]))
        _, y = splits["train"].gather(every, splits["train"].arrays(), lambda array, rows: array[rows])
        np.testing.assert_array_equal(splits["train"].weights, np.float32(of_class)[y[:, 0]])
        assert splits["train"].weights.dtype == np.float32
        assert any("weighs training examples by their class" in line for line in problem.describe())
        assert getattr(problem_class.from_dataset(dataset, {}).splits(dataset)["train"], "weights", None) is None


def test_a_column_of_weights_is_multiplied(tmp_path):
    table = rare(100, w=np.linspace(0.5, 2, 100))
    dataset = tables.make_dataset(table, tmp_path / "d", target="answer", weight="w")
    _, plain = tables.bound(dataset)
    _, splits = tables.bound(dataset, class_weight=WEIGHTS)
    _, y = tables.whole(splits["train"])
    np.testing.assert_allclose(splits["train"].weights, plain["train"].weights * np.array([0.5, 4])[y[:, 0]], rtol=1e-6)
    np.testing.assert_array_equal(splits["val"].weights, plain["val"].weights)


def test_targets_without_classes_are_refused(tmp_path, answers):
    table = rare(60, price=np.arange(60) / 7)
    for target, told in (("price", r"price \(value\)"), ("answer,price", r"answer \(class\), price \(value\)")):
        dataset = tables.make_dataset(table, tmp_path / target, target=target)
        with pytest.raises(UsageError, match=f"class_weight needs a single target of classes.*{told}: leave it out"):
            tables.bound(dataset, class_weight="balanced")
    images = made.make_dataset(made.write_npz(tmp_path / "x.npz"), tmp_path / "images")
    with pytest.raises(UsageError, match="class_weight weighs classes, and target=image predicts none"):
        Images.from_dataset(images, {"class_weight": "balanced", "target": "image"})


def test_ids_of_runs_without_class_weight_are_those_of_before(answers):
    config = resolve_config("arrays", "mlp", answers, 0, {})
    weighed = resolve_config("arrays", "mlp", answers, 0, {"class_weight": "balanced"})
    assert config.id != weighed.id
    config.settings["data"].pop("class_weight")
    assert config.id == resolve_config("arrays", "mlp", answers, 0, {}).id


def test_a_dict_of_weights_is_no_section():
    by_class = {"class_weight": {"no": 1}}
    assert flat_settings({"data": by_class, "model": {"units": 2}}) == {
        "data.class_weight": {"no": 1},
        "model.units": 2,
    }
    assert flat_settings(by_class) == by_class


@pytest.mark.parametrize("weights", [WEIGHTS, "balanced"])
def test_training_is_that_of_fit(answers, tmp_path, weights):
    import keras

    problem, splits = tables.bound(answers, class_weight=weights)
    train, val = (tables.whole(splits[name]) for name in ("train", "val"))
    settings = {"optimizer": "sgd", "learning_rate": 0.5, "batch_size": len(train[1]), "eval_batch_size": len(val[1])}
    settings |= {"epochs": 3, "steps_per_epoch": None, "class_weight": weights}
    config = resolve_config("arrays", "linear", answers, 0, settings)
    run = Run.create(config, folder=tmp_path)
    configure(config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks())

    configure(config.train_settings(), 0, gpu=False)
    model = config.build(answers)
    model.compile(keras.optimizers.SGD(0.5), problem.objective().loss)
    counts = np.bincount(train[1][:, 0])
    by_number = {0: 0.5, 1: 4.0} if weights == WEIGHTS else dict(enumerate(counts.sum() / (2 * counts)))
    fit = model.fit(*train, batch_size=len(train[1]), epochs=3, class_weight=by_number, validation_data=val, verbose=0)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose([row[name] for row in run.metrics()], fit.history[name], rtol=1e-5)
