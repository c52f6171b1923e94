"""Bags: Keras's matrices, n-grams counted by hand, the hashing trick, and the weights of ids."""

from collections import Counter

import numpy as np
import pytest
from problems.text_classification.corpus import Document, bind, documents, write_corpus

from raysq.problems.text_classification.settings import TextClassificationSettings


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "made")


def gathered(texts):
    return texts.gather(np.arange(len(texts)), texts.arrays(), lambda array, at: array[at])


def dense(x, features, idf=None, vectorization="count"):
    """The matrix that a bag stands for."""
    ids, counts = (x, (x > 0).astype(int)) if x.ndim == 2 else (x[:, 0], x[:, 1])
    matrix = np.zeros((len(x), features))
    for row in range(len(x)):
        inside = ids[row][ids[row] > 0]
        assert np.array_equal(inside, np.unique(inside)), "distinct and ascending"
        assert not ids[row][len(inside) :].any() and not counts[row][len(inside) :].any(), "padded at the end"
        matrix[row, inside] = counts[row][: len(inside)]
    if vectorization == "freq":
        return matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    if vectorization == "tfidf":
        return np.where(matrix > 0, 1 + np.log(np.maximum(matrix, 1)), 0) * idf
    return matrix


@pytest.mark.parametrize("vectorization", ["multi_hot", "count", "freq", "tfidf"])
def test_bags_equal_the_tokenizers_matrix(corpus, vectorization):
    from keras.src.legacy.preprocessing.text import Tokenizer

    made = documents()
    settings = TextClassificationSettings(
        special_tokens=False, max_features=40, vectorization=vectorization, val="50", val_selection="first"
    )
    texts = bind(corpus, settings).splits(corpus)
    tokenizer = Tokenizer(num_words=40, filters="")
    tokenizer.fit_on_texts([" ".join(made[row].words) for row in texts["train"].rows])
    for split in texts.values():
        mode = "binary" if vectorization == "multi_hot" else vectorization
        wanted = tokenizer.texts_to_matrix([" ".join(made[row].words) for row in split.rows], mode)
        x, _ = gathered(split)
        # Ids of equal counts may stand in another order: the prepared one, which counts validation as well.
        ours = bind(corpus, settings).splits(corpus)["train"].data.vocabulary
        places = [0, *(tokenizer.word_index[ours.term(number)] for number in range(1, 40))]
        agreeing = np.array(places) < 40
        assert agreeing.sum() >= 38
        found = dense(x, 40, bind(corpus, settings).input_spec(corpus).extra["idf"](), vectorization)
        if vectorization == "freq":  # which of two equally frequent words comes last decides the length
            same = (found > 0).sum(1) == (wanted > 0).sum(1)
            found, wanted = found[same], wanted[same]
        np.testing.assert_allclose(found[:, agreeing], wanted[:, np.array(places)[agreeing]], rtol=1e-5)


def test_marks_are_in_the_bag_as_in_the_book(corpus):
    settings = TextClassificationSettings(max_features=20, vectorization="multi_hot", vocabulary="prepared")
    tokens = corpus.ragged("tokens")
    texts = bind(corpus, settings).splits(corpus)["test"]
    x, _ = gathered(texts)
    for row, bag in zip(texts.rows.tolist(), x, strict=True):
        ids = [1] + [word if word < 20 else 2 for word in (tokens.row(row) + 4).tolist()]
        assert bag[bag > 0].tolist() == sorted(set(ids))


def test_a_batch_is_as_wide_as_its_widest(corpus):
    texts = bind(corpus, vectorization="multi_hot").splits(corpus)["train"]
    lengths = np.array([len(set(corpus.ragged("tokens").row(row).tolist())) + 1 for row in texts.rows])
    indices = np.argsort(lengths)[:5]
    for arrays, take in (
        (texts.arrays(), lambda array, at: array[at]),
        (texts.mapped(), lambda array, at: array.take(at)),
    ):
        x, _ = texts.gather(indices, arrays, take)
        assert x.shape == (5, lengths[indices].max())


@pytest.mark.parametrize("longest", [2, 3])
def test_runs_of_words_are_ranked_together(corpus, longest):
    made = documents()
    settings = TextClassificationSettings(
        special_tokens=False, max_features=300, vectorization="count", ngrams=longest, val="0.3"
    )
    texts = bind(corpus, settings).splits(corpus)
    counts: Counter = Counter()
    for row in texts["train"].rows.tolist():
        words = made[row].words
        for at in range(len(words)):
            for n in range(1, min(longest, len(words) - at) + 1):
                counts[words[at : at + n]] += 1
    ranked = sorted(counts, key=lambda gram: -counts[gram])[:299]  # stable: by first appearance
    lines = bind(corpus, settings).asset_files(corpus)["vocabulary.txt"].decode().splitlines()
    assert lines == [" ".join(gram) for gram in ranked]
    assert {len(gram) for gram in ranked} == set(range(1, longest + 1)), "else the test is of nothing"
    ids = {gram: number for number, gram in enumerate(ranked, 1)}
    x, _ = gathered(texts["test"])
    matrix = dense(x, 300)
    for row, found in zip(texts["test"].rows.tolist(), matrix, strict=True):
        words = made[row].words
        held = Counter(words[at : at + n] for n in range(1, longest + 1) for at in range(len(words) - n + 1))
        wanted = np.zeros(300)
        for gram, count in held.items():
            if gram in ids:
                wanted[ids[gram]] = count
        assert np.array_equal(found, wanted)


def test_a_run_does_not_reach_into_the_next_document(tmp_path):
    made = [Document(words, label) for words, label in ((("a", "b"), "x"), (("c",), "y"), ((), "x"), (("a", "b"), "y"))]
    dataset = write_corpus(tmp_path / "made", made)
    settings = TextClassificationSettings(
        special_tokens=False, vectorization="multi_hot", ngrams=3, val="1", val_selection="last"
    )
    assert bind(dataset, settings).asset_files(dataset)["vocabulary.txt"] == b"a\na b\nb\nc\n"


def test_hashing_equals_kerass(corpus):
    from keras.src.legacy.preprocessing.text import hashing_trick

    made = documents()
    settings = TextClassificationSettings(hashing=30, maxlen=50, padding="post")
    texts = bind(corpus, settings).splits(corpus)["train"]
    x, _ = gathered(texts)
    for row, found in zip(texts.rows.tolist(), x, strict=True):
        wanted = hashing_trick(" ".join(made[row].words), 30, "md5", filters="")
        assert found[: len(wanted)].tolist() == wanted and not found[len(wanted) :].any()
    assert bind(corpus, settings).input_spec(corpus).extra["features"] == 30


def test_idf_counts_training_documents_only(corpus):
    settings = TextClassificationSettings(vectorization="tfidf", max_features=30)
    texts = bind(corpus, settings).splits(corpus)["train"]
    weights = bind(corpus, settings).input_spec(corpus).extra["idf"]()
    x, _ = gathered(texts)
    holding = (dense(x, 30) > 0).sum(0)
    assert weights.dtype == np.float32 and weights[0] == 0
    np.testing.assert_allclose(weights[1:], np.log(1 + len(texts) / (1 + holding[1:])), rtol=1e-6)
    assert holding[1] == len(texts), "every document has its start mark"


def test_training_from_disk_equals_training_from_memory(corpus, monkeypatch):
    """Batches of different widths go through one graph, whether they are gathered in it or on the host."""
    import keras

    from raysq.training import replica_batches, trainer
    from raysq.training.settings import TrainSettings

    problem = bind(corpus, vectorization="multi_hot", max_features=40)

    def trained():
        keras.utils.set_random_seed(0)
        ids = keras.Input((None,), dtype="int32")
        weights = keras.layers.Embedding(40, 4)(ids)
        output = keras.layers.Dense(1, activation="sigmoid")(keras.layers.GlobalMaxPooling1D()(weights))
        training = TrainSettings(batch_size=2, eval_batch_size=3, optimizer="sgd")
        model = keras.Model(ids, output)
        made = trainer.Trainer(model, problem.splits(corpus), training, 0, problem.objective(), xla=False)
        losses = [made.train(first, 3) for first in (0, 3, 6)]
        return losses, made.evaluate("val"), made.evaluate("test")

    in_memory = trained()
    monkeypatch.setattr(replica_batches, "HOST_BYTES", 0)
    from_disk = trained()
    assert in_memory[0] == pytest.approx(from_disk[0], rel=1e-6)
    for one, two in zip(in_memory[1:], from_disk[1:], strict=True):
        assert set(one) and one == pytest.approx(two, rel=1e-6)
    assert 0 < in_memory[1]["val_accuracy"] < 1
