"""The text models: built, in Keras's own layers too, refused where they do not fit, and trained."""

import inspect

import keras
import numpy as np
import pytest
from problems.text_classification.corpus import bind, documents, write_corpus

from raysq import layers
from raysq.errors import DataError, UsageError
from raysq.problems import classification_metrics
from raysq.problems.specs import InputSpec, Objective
from raysq.problems.text_classification import models
from raysq.problems.text_classification.problem import TextClassification as PROBLEM
from raysq.training.builder import load_builder
from raysq.training.settings import TrainSettings
from raysq.training.trainer import Trainer

FEATURES, MAXLEN, DIMENSION = 30, 60, 6
BUILDERS = {name: load_builder(model.build, trusted=True) for name, model in PROBLEM.models.items()}


def told(vectorization="sequence", classes=2, maxlen=MAXLEN, vectors=True):
    shape = {"sequence": (maxlen,), "multi_hot": (None,)}.get(vectorization, (2, None))
    table = np.random.RandomState(0).normal(size=(FEATURES, DIMENSION)).astype(np.float32)
    extra = {
        "features": FEATURES,
        "first": 4,
        "several": False,
        "classes": [str(number) for number in range(classes)],
        "priors": [1 / classes] * classes,
        "weighted_priors": [1 / classes] * classes,
        "idf": lambda: np.linspace(0, 1, FEATURES, dtype=np.float32),
        "class_counts": lambda: 1000 + np.random.RandomState(1).randint(0, 9, (classes, FEATURES)),
        "vectors": lambda: table if vectors else None,
        "vectorization": vectorization,
        "loss": "crossentropy",
        "maxlen": maxlen,
    }
    return InputSpec(shape=shape, outputs=1 if classes == 2 else classes, extra=extra)


def suited(name, **others):
    of_bags = {"multihot": "multi_hot", "naive_bayes": "count", "fasttext": "freq"}
    if name in of_bags:
        others["vectorization"] = others.get("vectorization", of_bags[name])
    if name == "conv1d_glove":
        others["maxlen"] = 150
    return told(**others)


def some(inputs, rows=5):
    random = np.random.RandomState(1)
    shape = [9 if size is None else size for size in inputs.shape]
    ids = random.randint(1, FEATURES, (rows, *shape)).astype(np.int32)
    if inputs.extra["vectorization"] == "sequence":
        for number, row in enumerate(ids):
            row[: 13 * number] = 0
    return ids


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("classes", [2, 3])
def test_every_model_gives_probabilities(name, classes):
    inputs = suited(name, classes=classes)
    model = BUILDERS[name](inputs)
    assert not model.compiled
    found = model(some(inputs)).numpy()
    assert found.shape == (5, inputs.outputs) and found.dtype == np.float32
    assert (found > 0).all() and (found < 1).all()
    if classes > 2:
        np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    names = inspect.signature(BUILDERS[name]).parameters.values()
    assert all(one.kind is one.KEYWORD_ONLY and one.default is not one.empty for one in list(names)[1:])


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, {}) for name in BUILDERS),
        ("gru_stacked", {"dropout": 0.2}),
        ("lstm_bidirectional", {"dropout": 0.2}),
        ("rnn", {"cell": "gru", "layers": 2, "recurrent_dropout": 0.1}),
    ],
)
def test_the_portable_model_gives_the_same_predictions(name, settings, tmp_path):
    inputs = suited(name)
    model = BUILDERS[name](inputs, **settings)
    portable = layers.to_keras(model)
    x = some(inputs)
    np.testing.assert_allclose(portable(x), model(x), atol=1e-5)
    assert {type(layer).__module__.partition(".")[0] for layer in portable.layers} == {"keras"}


def test_the_models_of_the_book_have_their_sizes():
    sizes = {
        "multihot": FEATURES * 16 + 16 + 16 * 16 + 16 + 17,
        "embedding": FEATURES * 8 + MAXLEN * 8 + 1,
        "fasttext": FEATURES * 50 + 51,
        "glove": FEATURES * DIMENSION + MAXLEN * DIMENSION * 32 + 32 + 33,
        "simple_rnn": FEATURES * 32 + 32 * 32 * 2 + 32 + 33,
        "lstm": FEATURES * 32 + 4 * (32 * 32 * 2 + 32) + 33,
        "conv1d": FEATURES * 128 + 7 * 128 * 32 + 32 + 7 * 32 * 32 + 32 + 33,
    }
    assert {name: BUILDERS[name](suited(name)).count_params() for name in sizes} == sizes


@pytest.mark.parametrize("vectorization", ["count", "freq", "tfidf"])
def test_multihot_takes_every_kind_of_bag(vectorization):
    inputs = told(vectorization)
    model = models.multihot(inputs, layers=3, activation="tanh", dropout=0.1)
    assert model(some(inputs)).shape == (5, 1)
    bag = model.layers[0]
    assert [one.name for one in bag.non_trainable_variables] == ["idf"] * (vectorization == "tfidf")
    if vectorization == "tfidf":
        np.testing.assert_array_equal(bag.idf, inputs.extra["idf"]())


@pytest.mark.parametrize("name", ["glove", "conv1d_glove"])
def test_given_vectors_stand_in_the_embedding(name):
    inputs = suited(name)
    for trainable in (False, True):
        layer = BUILDERS[name](inputs, embedding_trainable=trainable).layers[0]
        np.testing.assert_array_equal(layer.embeddings, inputs.extra["vectors"]())
        assert layer.trainable is trainable
    assert BUILDERS[name](inputs, vectors=False, embedding=7).layers[0].embeddings.shape == (FEATURES, 7)
    with pytest.raises(DataError, match=r"the data set has none; prepare it with --set vectors=FILE"):
        BUILDERS[name](suited(name, vectors=False))


def test_the_baseline_knows_the_shares_only():
    inputs = told(classes=2)
    inputs.extra["priors"][:] = [0.3, 0.7]
    np.testing.assert_allclose(models.baseline(inputs)(some(inputs)), [[0.7]] * 5)
    inputs = told("tfidf", classes=3)
    np.testing.assert_allclose(models.baseline(inputs)(some(inputs)), [[1 / 3] * 3] * 5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: models.multihot(told()), "takes bags of words: set vectorization to multi_hot"),
        (lambda: models.lstm(told("count")), "vectorization is count: set vectorization=sequence"),
        (lambda: models.conv1d(told("multi_hot")), "set vectorization=sequence"),
        (lambda: models.conv1d(told(maxlen=40)), "maxlen=40 is too short .* it needs 41; raise maxlen"),
        (lambda: models.conv1d_glove(told(maxlen=148)), "it needs 149"),
        (lambda: BUILDERS["fasttext"](told("count")), "vectorization is count: set freq"),
        (lambda: BUILDERS["transformer"](told(), heads=5), "heads=5 must divide embedding=64"),
        (lambda: BUILDERS["transformer"](told("count")), "set vectorization=sequence"),
        (lambda: models.one_hot(told(maxlen=6)), "it needs 7"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(UsageError, match=message):
        build()


def test_convolutions_fit_from_the_length_that_the_error_names():
    assert models.conv1d(told(maxlen=41)).output_shape == (None, 1)
    assert models.conv1d_glove(told(maxlen=149)).output_shape == (None, 1)


def test_fasttext_is_the_mean_of_the_embeddings(tmp_path):
    inputs = told("freq")
    model = BUILDERS["fasttext"](inputs, embedding=3)
    x = some(inputs, 2)
    x[1, :, 4:] = 0  # padding
    kernel, dense, bias = (np.asarray(value) for value in model.get_weights())
    means = [np.average(kernel[ids[ids > 0]], axis=0, weights=counts[ids > 0]) for ids, counts in x]
    np.testing.assert_allclose(model(x), 1 / (1 + np.exp(-(means @ dense + bias))), rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    assert loaded.layers[0].get_config() == model.layers[0].get_config()


def test_the_transformer_does_not_see_padding():
    model = BUILDERS["transformer"](told(maxlen=12), layers=2)
    random = np.random.RandomState(0)
    front, back = np.zeros((3, 12), np.int32), np.zeros((3, 12), np.int32)
    for row, length in enumerate((3, 12, 0)):
        words = random.randint(1, FEATURES, length)
        front[row, 12 - length :], back[row, :length] = words, words
    found = model(front).numpy()
    np.testing.assert_allclose(found, model(back), atol=1e-6)
    assert np.isfinite(found).all() and abs(found[0] - model(front[:1, ::-1])[0]) > 1e-4  # words in their order


@pytest.mark.parametrize("name", ["multihot", "fasttext", "transformer", "lstm", "conv1d"])
def test_models_learn_in_the_program(name, tmp_path, monkeypatch):
    monkeypatch.setattr(layers.scan, "PARTS", 2)
    dataset = write_corpus(tmp_path / "made", documents(240))
    vectorization = {"multihot": "multi_hot", "fasttext": "freq"}.get(name, "sequence")
    problem = bind(dataset, max_features=60, maxlen=41, vectorization=vectorization)
    keras.utils.set_random_seed(0)
    train = TrainSettings(epochs=12, steps_per_epoch=None, batch_size=20, eval_batch_size=64, learning_rate=0.005)
    program = Trainer(
        BUILDERS[name](problem.input_spec(dataset)),
        problem.splits(dataset),
        train,
        0,
        Objective("binary_crossentropy", {"accuracy": classification_metrics.binary_accuracy}),
        PROBLEM.models[name].xla,
    )
    before = program.evaluate("train")
    program.train(0, program.total_steps)
    after = program.evaluate("train")
    assert after["train_loss"] < 0.7 * before["train_loss"] and after["train_accuracy"] > 0.8
