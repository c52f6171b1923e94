"""Defaults of one's own texts by the number of documents: chosen, shown, and left alone where they are given."""

from dataclasses import dataclass

import numpy as np
import pytest
from problems.text_classification.corpus import documents, write_corpus

from raysq.errors import UsageError
from raysq.problems.text_classification.size_defaults import choose, training_documents
from raysq.training.run_config import resolve_config
from raysq.training.size_defaults import describe_size_defaults, with_fixed_epochs
from raysq.training.template import Template


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("sized") / "made", documents(240, tests=40))


@dataclass
class Sized:
    """A data set of training documents, of which only the number counts."""

    rows: int

    def column(self, name):
        return self

    def slice(self, begin, end):
        return np.zeros(end, np.int8)

    def ragged(self, name):
        return self

    @property
    def lengths(self):
        return np.full(self.rows, 50)


def test_training_documents_are_those_that_validation_leaves(dataset):
    assert training_documents(dataset, {}) == 160
    assert training_documents(dataset, {"val": "50"}) == 150
    assert training_documents(dataset, {"val": 0.5, "train_samples": "30"}) == 30
    source = resolve_config("classify", "multihot", dataset, 0, {}).make_problem().splits(dataset)["train"]
    assert abs(len(source) - 160) <= 2


def test_many_documents_take_larger_batches_and_fewer_epochs():
    found = [choose(Sized(rows), "fasttext", {"val": "0.2"}).values for rows in (100, 5_000, 20_000, 1_000_000)]
    batches = [values["batch_size"] for values in found]
    epochs = [values["epochs"] for values in found]
    assert batches == sorted(batches) and (batches[0], batches[-1]) == (16, 128)
    assert epochs == sorted(epochs, reverse=True) and epochs[0] > epochs[-1]
    assert [values["ngrams"] for values in found] == [1, 1, 2, 2]
    assert choose(Sized(100), "lstm", {}).values["learning_rate"] < found[-1]["learning_rate"]
    assert "learning_rate" not in choose(Sized(100), "lstm", {"optimizer": "sgd"}).values


def test_a_run_of_ones_own_texts_has_them_unless_others_are_given(dataset):
    chosen = choose(dataset, "lstm", {}).values
    config = resolve_config("classify", "lstm", dataset, 0, {})
    assert {name: config.settings["training"][name] for name in chosen} == chosen
    (line,) = describe_size_defaults(config)
    assert line.startswith("defaults for 160 training documents of some 3,600 words: batch_size=16 ")
    given = resolve_config("classify", "lstm", dataset, 0, {"batch_size": 50, "training.epochs": 3})
    assert (given.settings["training"]["batch_size"], given.settings["training"]["epochs"]) == (50, 3)
    (line,) = describe_size_defaults(given)
    assert "batch_size" not in line and "epochs" not in line and "patience=" in line
    again = resolve_config("classify", "lstm", dataset, 0, given.overrides())
    assert again == given


def test_epochs_are_counted_in_steps_of_the_given_batch(dataset):
    assert resolve_config("classify", "multihot", dataset, 0, {}).settings["training"]["epochs"] == 60
    given = resolve_config("classify", "multihot", dataset, 0, {"batch_size": "1"}).settings["training"]
    assert (given["batch_size"], given["epochs"]) == (1, 50)  # 8,000 steps over 160 documents


def test_all_trials_of_a_search_have_the_same_epochs(dataset):
    fixed = with_fixed_epochs({"units": 4}, resolve_config("classify", "multihot", dataset, 0, {}))
    for batch in (1, 32):
        trial = resolve_config("classify", "multihot", dataset, 0, {**fixed, "batch_size": batch})
        assert trial.settings["training"]["epochs"] == 60
    assert with_fixed_epochs({"epochs": 7}, trial) == {"epochs": 7}
    assert with_fixed_epochs({}, resolve_config("imdb", "multihot", dataset, 0, {})) == {}


def test_wrong_settings_are_one_line(dataset):
    for name in ("train_samples", "batch_size"):
        with pytest.raises(UsageError, match=f"setting {name} must be a whole number.*received 'many'"):
            resolve_config("classify", "lstm", dataset, 0, {name: "many"})


def test_tasks_of_tutorials_keep_theirs(dataset):
    config = resolve_config("imdb", "lstm", dataset, 0, {})
    assert config.settings["training"]["batch_size"] == 128 and not describe_size_defaults(config)


def test_a_file_of_settings_says_why(dataset, monkeypatch, tmp_path):
    text = Template.of("classify", model="lstm", data=dataset.directory, settings={"patience": 7}).to_yaml()
    text = " ".join(text.replace("    # ", " ").split())  # comments of one line each
    assert text.count("Chosen for 160 training documents of") == 4  # not the given patience
    monkeypatch.setenv("RAYSQ_HOME", str(tmp_path / "none"))
    template = Template.of("classify", model="lstm", settings={"patience": 7})
    assert template.values["training"]["patience"] == 7 and "epochs" not in template.values["training"]
    assert "    # epochs: 20" in template.to_yaml()
    # What depends on the data is left to them, so that a file made before them changes nothing.
    template = Template.of("classify", model="fasttext", settings={"ngrams": 3})
    assert template.values["data"]["ngrams"] == 3 and "word_dropout" not in template.values["model"]
    assert "ngrams" not in Template.of("classify", model="fasttext").values["data"]
