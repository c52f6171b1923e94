"""Naive Bayes against its formula, and among the references of a run."""

import numpy as np
import pytest
from problems.text_classification.corpus import SMALL, bind, documents, write_corpus

import raysq
from raysq.errors import UsageError


def probabilities(made, train, ids, classes, alpha, presence):
    """P(class | document) by the textbook, with words below the vocabulary left out."""
    names, words = list(classes), max(ids.values()) + 1
    counts, documents_of = np.zeros((len(names), words)), np.zeros(len(names))
    for row in train:
        documents_of[names.index(made[row].label)] += 1
        seen = [ids[word] for word in made[row].words if word in ids]
        for number in set(seen) if presence else seen:
            counts[names.index(made[row].label), number] += 1
    shares = (counts[:, 4:] + alpha) / (counts[:, 4:] + alpha).sum(1, keepdims=True)
    found = []
    for document in made:
        seen = [ids[word] for word in document.words if word in ids]
        seen = list(set(seen)) if presence else seen
        scores = np.log(documents_of / documents_of.sum()) + sum(np.log(shares[:, number - 4]) for number in seen)
        found.append(np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum())
    return np.array(found)


@pytest.mark.parametrize("vectorization", ["count", "multi_hot"])
@pytest.mark.parametrize("classes", [("neg", "pos"), ("a", "b", "c")], ids=len)
def test_it_is_the_formula(tmp_path, classes, vectorization):
    made = documents(120, classes, tests=20)
    dataset = write_corpus(tmp_path / "made", made)
    problem = bind(dataset, max_features=40, vectorization=vectorization)
    model = problem.models["naive_bayes"]
    assert model.defaults == {"vectorization": "count"}
    from raysq.problems.text_classification.models import naive_bayes

    keras_model = naive_bayes(problem.input_spec(dataset), alpha=0.5)
    assert not keras_model.trainable_variables
    source = problem.splits(dataset)["train"]
    ids = {source.data.vocabulary.term(number): number for number in range(4, 40)}
    wanted = probabilities(made, source.rows.tolist(), ids, classes, 0.5, vectorization == "multi_hot")
    x, _ = source.gather(np.arange(len(source)), source.arrays(), np.take)
    found = np.asarray(keras_model(x))
    found = np.concatenate([1 - found, found], 1) if len(classes) == 2 else found
    np.testing.assert_allclose(found, wanted[source.rows], atol=1e-5)


def test_documents_count_as_much_as_they_weigh(tmp_path):
    dataset = write_corpus(tmp_path / "made")
    plain = bind(dataset, max_features=40, vectorization="count").input_spec(dataset).extra["class_counts"]()
    weighed = bind(dataset, max_features=40, vectorization="count", class_weight='{"neg": 1, "pos": 3}')
    extra = weighed.input_spec(dataset).extra
    np.testing.assert_array_equal(extra["class_counts"](), plain * [[1], [3]])
    negative, positive = extra["priors"]
    weighted = np.array([negative, 3 * positive]) / (negative + 3 * positive)
    np.testing.assert_allclose(extra["weighted_priors"], weighted)


def test_it_stands_beside_every_run(tmp_path):
    made = documents(400, tests=100)
    dataset = write_corpus(tmp_path / "made", made)
    settings = {**SMALL, "max_features": 80, "epochs": 1}
    run = raysq.train("classify", data=dataset, model="average", settings=settings, name="one")
    evaluated = raysq.evaluate(run)
    assert list(evaluated) == ["average", "baseline", "naive_bayes"]
    assert evaluated["naive_bayes"]["test_accuracy"] > evaluated["baseline"]["test_accuracy"] + 0.1
    alone = raysq.train("classify", data=dataset, model="naive_bayes", settings=settings, name="two")
    assert alone.result()["steps"] == 0
    assert alone.result()["metrics"]["test_accuracy"] == evaluated["naive_bayes"]["test_accuracy"]


def test_it_is_refused_where_it_has_no_counts(tmp_path):
    dataset = write_corpus(tmp_path / "made")
    for settings, words in (
        ({"vectorization": "tfidf"}, "vectorization is tfidf"),
        ({"hashing": 1 << 24}, "lower max_fea"),
    ):
        with pytest.raises(UsageError, match=words):
            raysq.train("classify", data=dataset, model="naive_bayes", settings={**SMALL, **settings})
