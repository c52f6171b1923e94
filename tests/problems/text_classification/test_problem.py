"""What the core asks of the kind: facts, objective, references, and that a model of one's own trains on it."""

import json

import numpy as np
import pyarrow as pa
import pytest
from problems.text_classification.corpus import SMALL, Document, documents, write_corpus

from raysq import problems
from raysq.problems.text_classification.settings import TextClassificationSettings
from raysq.training import train
from raysq.training.run_config import resolve_config
from raysq.tuning.space import make_space

PROBLEM = problems.get("text_classification")


def test_facts_are_of_the_training_documents(tmp_path):
    dataset = write_corpus(tmp_path / "made", vectors=4, lower=True)
    made = documents()
    settings = TextClassificationSettings(max_features=24, maxlen=20, val="0.3")
    facts = PROBLEM.make_metadata(dataset, settings)
    assert json.loads(json.dumps(facts)) == facts
    rows = settings.open(dataset)["train"].rows.tolist()
    words = [word for row in rows for word in made[row].words]
    known = {settings.open(dataset)["train"].documents.vocabulary.term(number) for number in range(4, 24)}
    assert facts["unknown"] == pytest.approx(np.mean([word not in known for word in words]))
    assert facts["longer"] == pytest.approx(np.mean([len(made[row].words) + 1 > 20 for row in rows]))
    assert facts["words"] == len(known) == 20 and facts["features"] == 24 and facts["classes"] == ["neg", "pos"]
    assert facts["reading"]["lower"] is True and facts["unit"] is None and facts["vectors"]["dimension"] == 4
    lines = PROBLEM(settings, facts).describe()
    assert any("the last 20 words" in line and "are longer" in line for line in lines)
    assert any("knows 20 words" in line for line in lines)
    hashed = TextClassificationSettings(hashing=20)
    facts = PROBLEM.make_metadata(dataset, hashed)
    assert facts["unhashed"] == 0
    assert facts["words"] == 0 and facts["features"] == 20 and facts["unknown"] == 0
    distinct = {word for row in hashed.open(dataset)["train"].rows for word in made[row].words}
    ids = hashed.open(dataset)["train"].documents.vocabulary.ids
    found = ids(pa.array(sorted(distinct), pa.large_string())).tolist()
    assert facts["sharing"] == sum(found.count(one) > 1 for one in found) > 0
    assert any(f"{facts['sharing']} words" in line for line in PROBLEM(hashed, facts).describe())


def test_classes_that_are_not_trained_on_are_told_and_characters_are_no_words(tmp_path):
    made = [Document((f"w{number}",), "ab"[number % 2]) for number in range(20)]
    facts = PROBLEM.make_metadata(
        write_corpus(tmp_path / "made", [*made, Document(("w1",), "new", 1)], level="char"),
        TextClassificationSettings(),
    )
    lines = PROBLEM(TextClassificationSettings(), facts).describe()
    assert "has no training document of new: it cannot learn what these are" in lines
    assert any("the last 500 characters of a document" in line for line in lines)
    assert not any("words" in line for line in lines)


def test_words_that_cannot_be_hashed_are_told(tmp_path):
    """The words of test documents alone are not in a vocabulary of the others; a prediction would hash them."""
    made = [*documents(40, tests=0), Document(("odd", "w1", "odder", "w2"), "pos", 1)]
    hashed = TextClassificationSettings(hashing=20)
    facts = PROBLEM.make_metadata(write_corpus(tmp_path / "train", made), hashed)
    assert facts["unhashed"] == pytest.approx(2 / sum(len(one.words) for one in made))
    assert any("prepare with vocabulary_from=all" in line for line in PROBLEM(hashed, facts).describe())
    facts = PROBLEM.make_metadata(write_corpus(tmp_path / "all", made, vocabulary_from="all"), hashed)
    assert facts["unhashed"] == 0
    assert not any("vocabulary_from=all" in line for line in PROBLEM(hashed, facts).describe())


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("loss", ["crossentropy", "mse"])
def test_objective(classes, loss):
    import keras

    random = np.random.RandomState(0)
    y = random.randint(0, classes, (50, 1)).astype(np.int32)
    p = random.dirichlet(np.ones(classes), 50).astype(np.float32)
    objective = PROBLEM(TextClassificationSettings(loss=loss), {"classes": ["a", "b", "c"][:classes]}).objective()
    given = p[:, 1:] if classes == 2 else p
    values = np.asarray(keras.losses.get(objective.loss)(y, given))
    truth = np.eye(classes)[y[:, 0]]
    wanted = ((truth - p) ** 2).mean(1) if loss == "mse" else -np.log((truth * p).sum(1))
    assert values.shape == (50,)
    np.testing.assert_allclose(values, wanted, rtol=1e-4)
    right = np.asarray(objective.metrics["accuracy"](y, given))
    assert np.array_equal(right, p.argmax(1) == y[:, 0])


def test_references_keep_the_split():
    settings = TextClassificationSettings(vectorization="tfidf", ngrams=2, val="0.4", loss="mse")
    (name,) = PROBLEM(settings, {}).baselines()
    assert name == "baseline"
    changed = TextClassificationSettings(**{**vars(settings), **PROBLEM(settings, {}).baselines()[name]})
    assert (changed.val, changed.val_selection, changed.loss, changed.bag) == ("0.4", "hash", "mse", False)


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
    assert (run.directory / "assets" / "vocabulary.txt").read_text().count("\n") == run.config.metadata["words"]


def test_a_search_leaves_out_what_a_bag_does_not_see(tmp_path):
    dataset = write_corpus(tmp_path / "made")
    spaces = {
        model: make_space(resolve_config("classify", model, dataset, 0, {}), dataset, {})
        for model in ("multihot", "lstm")
    }
    assert {name: "maxlen" in space.domains for name, space in spaces.items()} == {"multihot": False, "lstm": True}
    asked = make_space(resolve_config("classify", "multihot", dataset, 0, {}), dataset, {}, {"maxlen": [5, 10]})
    assert asked.domains["maxlen"] == [5, 10]
