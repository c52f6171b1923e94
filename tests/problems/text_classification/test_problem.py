"""What the core asks of the problem: metadata, objective, baselines, and that a model of one's own trains on it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from problems.text_classification.corpus import SMALL, Document, bind, documents, write_corpus

import raysq
from raysq import cli
from raysq.errors import DataError
from raysq.problems.text_classification.metadata import TextClassificationMetadata
from raysq.problems.text_classification.problem import TextClassification
from raysq.problems.text_classification.settings import TextClassificationSettings
from raysq.training import train
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker
from raysq.tuning.make_space import make_space


def metadata_of(classes):
    return TextClassificationMetadata(
        preprocessor={},
        classes=classes,
        priors=[1 / len(classes)] * len(classes),
        single_classes={},
        own_validation=0,
        features=10,
        words=6,
        unknown=0.0,
        longer=0.0,
        shared_hashes=0,
        unhashed=0.0,
        vectors=None,
    )


def test_metadata_are_of_the_training_documents(tmp_path):
    dataset = write_corpus(tmp_path / "made", vectors=4, lower=True)
    made = documents()
    problem = bind(dataset, max_features=24, maxlen=20, val="0.3")
    metadata, train = problem.metadata, problem.splits(dataset)["train"]
    assert json.loads(json.dumps(problem.metadata_values())) == problem.metadata_values()
    rows = train.rows.tolist()
    words = [word for row in rows for word in made[row].words]
    known = {train.data.vocabulary.term(number) for number in range(4, 24)}
    assert metadata.unknown == pytest.approx(np.mean([word not in known for word in words]))
    assert metadata.longer == pytest.approx(np.mean([len(made[row].words) + 1 > 20 for row in rows]))
    assert metadata.words == len(known) == 20 and metadata.features == 24 and metadata.classes == ["neg", "pos"]
    assert metadata.preprocessor["lower"] is True and metadata.unit is None
    assert metadata.vectors == {"name": "made.txt", "dimension": 4}
    lines = problem.describe()
    assert any("the last 20 words" in line and "are longer" in line for line in lines)
    assert any("knows 20 words" in line for line in lines)


def test_metadata_of_hashed_words(tmp_path):
    dataset, made = write_corpus(tmp_path / "made"), documents()
    problem = bind(dataset, hashing=20)
    metadata, train = problem.metadata, problem.splits(dataset)["train"]
    assert metadata.words == 0 and metadata.features == 20 and metadata.unknown == metadata.unhashed == 0
    distinct = {word for row in train.rows for word in made[row].words}
    ids = train.data.vocabulary.ids(pa.array(sorted(distinct), pa.large_string())).tolist()
    assert metadata.shared_hashes == sum(ids.count(number) > 1 for number in ids) > 0
    assert any(f"{metadata.shared_hashes} words" in line for line in problem.describe())


def test_classes_that_are_not_trained_on_are_told_and_characters_are_no_words(tmp_path):
    made = [Document((f"w{number}",), "ab"[number % 2]) for number in range(20)]
    dataset = write_corpus(tmp_path / "made", [*made, Document(("w1",), "new", 1)], level="char")
    lines = bind(dataset).describe()
    assert "has no training document of new: it cannot learn what these are" in lines
    assert any("the last 500 characters of a document" in line for line in lines)
    assert not any("words" in line for line in lines)


def test_words_that_cannot_be_hashed_are_told(tmp_path):
    """The words of test documents alone are not in a vocabulary of the others; a prediction would hash them."""
    made = [*documents(40, tests=0), Document(("odd", "w1", "odder", "w2"), "pos", 1)]
    problem = bind(write_corpus(tmp_path / "train", made), hashing=20)
    assert problem.metadata.unhashed == pytest.approx(2 / sum(len(document.words) for document in made))
    assert any("prepare with vocabulary_from=all" in line for line in problem.describe())
    problem = bind(write_corpus(tmp_path / "all", made, vocabulary_from="all"), hashing=20)
    assert problem.metadata.unhashed == 0
    assert not any("vocabulary_from=all" in line for line in problem.describe())


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("loss", ["crossentropy", "mse"])
def test_objective(classes, loss):
    import keras

    random = np.random.RandomState(0)
    y = random.randint(0, classes, (50, 1)).astype(np.int32)
    p = random.dirichlet(np.ones(classes), 50).astype(np.float32)
    metadata = metadata_of(["a", "b", "c"][:classes])
    objective = TextClassification(TextClassificationSettings(loss=loss), metadata).objective()
    given = p[:, 1:] if classes == 2 else p
    values = np.asarray(keras.losses.get(objective.loss)(y, given))
    truth = np.eye(classes)[y[:, 0]]
    wanted = ((truth - p) ** 2).mean(1) if loss == "mse" else -np.log((truth * p).sum(1))
    assert values.shape == (50,)
    np.testing.assert_allclose(values, wanted, rtol=1e-4)
    right = np.asarray(objective.metrics["accuracy"](y, given))
    assert np.array_equal(right, p.argmax(1) == y[:, 0])


def test_baselines_keep_the_split():
    settings = TextClassificationSettings(vectorization="tfidf", ngrams=2, val="0.4", loss="mse")
    baselines = TextClassification(settings, metadata_of(["a", "b"])).baselines()
    assert list(baselines) == ["baseline", "naive_bayes"]
    for name, changes in baselines.items():
        changed = TextClassificationSettings(**{**vars(settings), **changes})
        same = (changed.val, changed.val_selection, changed.loss)
        assert (*same, changed.bag) == ("0.4", "hash", "mse", name == "naive_bayes")
    assert changed.ngrams == 2  # the vocabulary of the run


def test_naive_bayes_is_left_out_where_its_table_is_too_large():
    metadata = replace(metadata_of(["a", "b"]), features=1 << 24)
    assert list(TextClassification(TextClassificationSettings(), metadata).baselines()) == ["baseline"]


def mean_of_embeddings(inputs):
    import keras

    output = keras.layers.Dense(inputs.outputs, activation="sigmoid" if inputs.outputs == 1 else "softmax")
    return keras.Sequential(
        [
            keras.Input(inputs.shape, dtype="int32"),
            keras.layers.Embedding(inputs.extra["features"], 8),
            keras.layers.GlobalAveragePooling1D(),
            output,
        ]
    )


@pytest.mark.parametrize("classes", [("neg", "pos"), ("a", "b", "c")], ids=len)
def test_a_model_of_ones_own_learns(tmp_path, classes):
    made = documents(400, classes, tests=100)
    dataset = write_corpus(tmp_path / "made", made)
    settings = {**SMALL, "epochs": 12, "learning_rate": 0.02, "maxlen": 40}
    run = train.train(
        "classify",
        data=dataset.directory,
        model="problems.text_classification.test_problem:mean_of_embeddings",
        settings=settings,
    )
    metrics = run.result()["metrics"]
    share = max(dataset.manifest.report["counts"]["train"]) / 300
    assert metrics["val_accuracy"] > share + 0.15 and metrics["test_accuracy"] > share + 0.15
    assert (run.directory / "assets" / "vocabulary.txt").read_text().count("\n") == run.problem.metadata.words


def test_a_search_leaves_out_what_a_bag_does_not_see(tmp_path):
    dataset = write_corpus(tmp_path / "made")
    spaces = {
        model: make_space(resolve_config("classify", model, dataset, 0, {}), dataset, {})
        for model in ("multihot", "lstm")
    }
    assert {name: "maxlen" in space.domains for name, space in spaces.items()} == {"multihot": False, "lstm": True}
    asked = make_space(resolve_config("classify", "multihot", dataset, 0, {}), dataset, {}, {"maxlen": [5, 10]})
    assert asked.domains["maxlen"] == [5, 10]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edited")
    settings = {**SMALL, "epochs": 1, "maxlen": 5}
    model = "problems.text_classification.small_models:average"
    config = resolve_config("classify", model, write_corpus(folder / "made"), 0, settings)
    run = Run.create(config, name="run", folder=folder)
    configure(config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks())
    return run


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": "neg"}, 'classes: expected a list, received "neg"'),
        ({"priors": [0.5, "0.5"]}, r"priors\[1\]: expected a number"),
        ({"vectors": {"name": "x"}}, "vectors: 'dimension' is missing"),
        ({"words": None}, "words: expected a whole number, received null"),
        ({"unknown": ...}, "'unknown' is missing"),
        ({"more": 1}, "'more' is unknown"),
        ({"preprocessor": {"level": "page"}}, "preprocessor: setting level must be one of word, char"),
        ({"preprocessor": {"pages": 1}}, "preprocessor: unknown setting 'pages'"),
    ],
)
def test_metadata_that_were_edited_are_one_line(run, tmp_path, capsys, changes, message):
    shutil.copytree(run.directory, tmp_path / "copy")
    path = tmp_path / "copy" / "config.json"
    values = {name: value for name, value in json.loads(path.read_text()).items() if name != "checksum"}
    values["metadata"] |= changes
    values["metadata"] = {name: value for name, value in values["metadata"].items() if value is not ...}
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match=f"the metadata of a run of text_classification cannot be used: {message}"):
        raysq.load(tmp_path / "copy", trust=True).predict(["w1"])
    assert cli.main(["predict", str(tmp_path / "copy"), "--text", "w1", "--trust"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
