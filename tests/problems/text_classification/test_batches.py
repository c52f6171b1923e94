"""Sequences: ids as Keras gives them, cut and padded as Keras does, the same in memory, in the graph and from disk."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from problems.text_classification.corpus import Document, bind, documents, write_corpus

from raysq.config import make_settings
from raysq.data import columns
from raysq.errors import DataError, UsageError
from raysq.problems.text_classification.batches import EncodedDocuments, Texts, vectorize
from raysq.problems.text_classification.settings import TextClassificationSettings
from raysq.problems.text_classification.vocabulary import ClassificationVocabulary
from raysq.storage.assets import write_assets

TAKE = {"arrays": lambda array, at: array[at], "mapped": lambda array, at: array.take(at)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "made")


def batch(texts, way="arrays", indices=None):
    indices = np.arange(len(texts)) if indices is None else indices
    return texts.gather(indices, getattr(texts, way)(), TAKE[way])


def imdb_ids(ranks, num_words):
    """What `keras.datasets.imdb.load_data(num_words)` makes of 1-based ranks."""
    return [word if word < num_words else 2 for word in [1] + [rank + 3 for rank in ranks]]


def tokenizer_ids(ranks, num_words):
    """What `Tokenizer(num_words).texts_to_sequences` makes of 1-based ranks."""
    return [rank for rank in ranks if rank < num_words]


@pytest.mark.parametrize("special_tokens", [True, False])
def test_sequences_equal_kerass(corpus, special_tokens):
    from keras.utils import pad_sequences

    tokens, rows = corpus.ragged("tokens"), range(corpus.rows)
    ids = [(imdb_ids if special_tokens else tokenizer_ids)((tokens.row(row) + 1).tolist(), 40) for row in rows]
    for maxlen, truncation, padding, turned in itertools.product((1, 7, 60), ("pre", "post"), ("pre", "post"), (0, 1)):
        settings = TextClassificationSettings(
            max_features=40,
            maxlen=maxlen,
            truncation=truncation,
            padding=padding,
            reversed=bool(turned),
            special_tokens=special_tokens,
            vocabulary="prepared",
        )
        given = [one[::-1] if turned else one for one in ids]
        wanted = pad_sequences(given, maxlen=maxlen, truncating=truncation, padding=padding)
        for texts in bind(corpus, settings).splits(corpus).values():
            x, y = batch(texts)
            assert x.dtype == y.dtype == np.int32 and y.shape == (len(texts), 1)
            assert np.array_equal(x, wanted[texts.rows])
            assert np.array_equal(y[:, 0], corpus.column("label").take(texts.rows))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"special_tokens": False, "padding": "post"},
        {"reversed": True, "truncation": "post"},
        {"hashing": 50},
        {"vectorization": "multi_hot"},
        {"vectorization": "tfidf", "special_tokens": False},
        {"vectorization": "count", "ngrams": 3},
        {"vectorization": "multi_hot", "ngrams": 2, "hashing": 500},
    ],
    ids=str,
)
def test_memory_disk_and_graph_give_the_same_batches(corpus, values, monkeypatch):
    import tensorflow as tf

    texts = bind(corpus, max_features=40, maxlen=12, **values).splits(corpus)["train"]
    indices = np.random.RandomState(0).randint(0, len(texts), 50)
    found = batch(texts, "arrays", indices)
    placed = {name: tf.constant(array) for name, array in texts.arrays().items()}

    @tf.function
    def traced(indices):
        return texts.gather(indices, placed, tf.gather)

    for other in (batch(texts, "mapped", indices), traced(tf.constant(indices))):
        for one, two in zip(found, other, strict=True):
            assert np.asarray(two).dtype == np.int32
            assert np.array_equal(one, two)
    assert texts.nbytes >= sum(array.nbytes for array in texts.arrays().values()) - 64
    # Looking at the documents in blocks changes nothing.
    whole = texts.arrays()
    monkeypatch.setattr(columns, "_BLOCK", 100)
    again = Texts(EncodedDocuments(corpus, texts.data.settings), "train").arrays()
    assert all(np.array_equal(whole[name], again[name]) for name in whole)


def test_memory_is_known_without_building(corpus):
    texts = bind(corpus, maxlen=9).splits(corpus)["val"]
    arrays = texts.arrays()
    assert texts.nbytes == sum(array.nbytes for array in arrays.values())
    others = bind(corpus, maxlen=9).splits(corpus)
    assert others["train"].arrays()["ids"] is others["test"].arrays()["ids"], "placed on the device once"


def test_words_are_ranked_by_the_training_documents(tmp_path):
    made = [Document(("a", "b", "a", "c"), "x"), Document(("d", "d", "d", "b", "b"), "y"), Document(("c", "b"), "x")]
    dataset = write_corpus(tmp_path / "made", [*made, Document(("e", "a", "z"), "y", 1)])
    # Prepared, in order: b (4), d (3), a and c (2). Of the documents after the first: b, d, c.
    first = TextClassificationSettings(val="1", val_selection="first", maxlen=5, special_tokens=False)
    assert bind(dataset, first).asset_files(dataset)["vocabulary.txt"] == b"b\nd\nc\n", "a is in no training document"
    x, _ = batch(bind(dataset, first).splits(dataset)["val"])
    assert x.tolist() == [[0, 0, 0, 1, 3]], "unknown words are left out"
    x, _ = batch(bind(dataset, val="1", val_selection="first", maxlen=5).splits(dataset)["val"])
    assert x.tolist() == [[1, 2, 4, 2, 6]], "or have the mark"
    x, _ = batch(bind(dataset, val="1", val_selection="first", maxlen=5).splits(dataset)["test"])
    assert x.tolist() == [[0, 1, 2, 2, 2]]
    assert bind(dataset, first).input_spec(dataset).extra["features"] == 4, "no more ids than there are words"
    published = TextClassificationSettings(
        val="1", val_selection="first", maxlen=5, vocabulary="prepared", max_features=6
    )
    assert bind(dataset, published).asset_files(dataset)["vocabulary.txt"] == b"b\nd\n"
    x, _ = batch(bind(dataset, published).splits(dataset)["val"])
    assert x.tolist() == [[1, 2, 4, 2, 2]]


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"special_tokens": False, "max_features": 20},
        {"vocabulary": "prepared", "reversed": True},
        {"hashing": 70},
        {"vectorization": "count"},
        {"vectorization": "multi_hot", "ngrams": 3, "special_tokens": False},
        {"vectorization": "freq", "ngrams": 2, "hashing": 900},
    ],
    ids=str,
)
def test_predictions_see_what_training_saw(tmp_path, values):
    """From words alone and the run's assets: the same x as from the prepared documents, odd words among them."""
    odd = ("a b", "a", "b", "\\", "\\s", "\n", "\r", "\u2028", "ä", "a\\nb")
    random = np.random.RandomState(3)
    made = documents(120, tests=30) + [
        Document(tuple(odd[place] for place in random.randint(0, len(odd), 30)), "pos") for _ in range(8)
    ]
    dataset = write_corpus(tmp_path / "made", made, vocabulary_from="all")
    settings = TextClassificationSettings(**{"max_features": 90, "maxlen": 15, **values})
    texts = bind(dataset, settings).splits(dataset)
    folder = tmp_path / "assets"
    write_assets(folder, bind(dataset, settings).asset_files(dataset))
    vocabulary = ClassificationVocabulary.read(folder, settings, bind(dataset, settings).metadata.words)
    assert vocabulary.features == bind(dataset, settings).input_spec(dataset).extra["features"]
    for split in texts.values():
        words = [made[row].words for row in split.rows]
        flat = [word for document in words for word in document]
        distinct = list(dict.fromkeys(flat))
        codes = np.array([distinct.index(word) for word in flat], np.int32)
        offsets = np.concatenate([[0], np.cumsum([len(document) for document in words])])
        x = vectorize(codes, offsets, pa.array(distinct, pa.large_string()), vocabulary)
        assert np.array_equal(x, batch(split)[0])


def test_ids_of_words_and_words_of_ids(corpus):
    vocabulary = bind(corpus, max_features=10).splits(corpus)["train"].data.vocabulary
    words = [vocabulary.term(number) for number in range(10)]
    assert words[:4] == ["", "<start>", "<unknown>", ""] and all(words[4:])
    assert vocabulary.ids(pa.array([*words[4:], "never seen"])).tolist() == [4, 5, 6, 7, 8, 9, 2]


def test_an_asset_that_is_not_the_runs_is_an_error(corpus, tmp_path):
    settings = TextClassificationSettings()
    with pytest.raises(DataError, match="vocabulary.txt cannot be read"):
        ClassificationVocabulary.read(tmp_path, settings, 3)
    write_assets(tmp_path / "assets", {"vocabulary.txt": b"a\nb\n"})
    with pytest.raises(DataError, match="has 2 words, its run was trained with 3"):
        ClassificationVocabulary.read(tmp_path / "assets", settings, 3)


def test_inputs_say_what_builders_need(tmp_path):
    dataset = write_corpus(tmp_path / "made", vectors=6)
    settings = TextClassificationSettings(max_features=30, maxlen=12, val="0.25")
    inputs = bind(dataset, settings).input_spec(dataset)
    assert inputs.shape == (12,) and inputs.outputs == 1
    extra = inputs.extra
    assert extra["features"] == 30 and extra["classes"] == ("neg", "pos") and extra["maxlen"] == 12
    rows = bind(dataset, settings).splits(dataset)["train"].rows
    positive = float(dataset.column("label").take(rows).mean())
    assert extra["priors"] == pytest.approx((1 - positive, positive))
    vectors = extra["vectors"]()
    assert vectors.shape == (30, 6) and vectors.dtype == np.float32
    assert not vectors[:4].any()
    words = dataset.extra("vocabulary").column("word").to_pylist()
    table = dataset.extra("vectors")
    given = dict(zip(table.column("word").to_pylist(), table.column("vector").to_pylist(), strict=True))
    vocabulary = bind(dataset, settings).splits(dataset)["train"].data.vocabulary
    for number in range(4, 30):
        wanted = given.get(words.index(vocabulary.term(number)), [0] * 6)
        np.testing.assert_allclose(vectors[number], wanted, rtol=1e-6)
    assert bind(dataset, vectorization="multi_hot").input_spec(dataset).shape == (None,)
    assert bind(dataset, vectorization="count").input_spec(dataset).shape == (2, None)
    with pytest.raises(UsageError, match="set hashing=0"):
        bind(dataset, hashing=100).input_spec(dataset).extra["vectors"]()
    several = write_corpus(tmp_path / "several", documents(classes=("a", "b", "c")))
    assert bind(several).input_spec(several).outputs == 3
    assert bind(several).input_spec(several).extra["vectors"]() is None


def test_documents_without_words(tmp_path):
    empty = [Document((), label) for label in ("x", "y") * 4]
    with pytest.raises(DataError, match="have no words"):
        bind(write_corpus(tmp_path / "empty", empty), val_selection="first")
    dataset = write_corpus(tmp_path / "made", [*documents(20, tests=0), *empty])
    for vectorization, shape in (("sequence", (8,)), ("multi_hot", (1,)), ("count", (2, 1))):
        settings = TextClassificationSettings(
            special_tokens=False, maxlen=8, vectorization=vectorization, val="4", val_selection="last"
        )
        texts = bind(dataset, settings).splits(dataset)["val"]
        for way in TAKE:
            x, _ = batch(texts, way)
            assert x.shape == (4, *shape) and not x.any()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_features": 4}, "max_features must be at least 5"),
        ({"special_tokens": False, "max_features": 1}, "max_features must be at least 2"),
        ({"maxlen": 0}, "maxlen must be at least 1"),
        ({"ngrams": 2}, "ngrams=2 is for bags"),
        ({"ngrams": 2, "vectorization": "count", "vocabulary": "prepared"}, "set vocabulary=train"),
        ({"hashing": 1}, "hashing must be 0"),
        ({"padding": "both"}, "padding must be one of pre, post"),
        ({"train_samples": 0}, "train_samples must be at least 1"),
        ({"maxlength": 5}, "did you mean maxlen"),
    ],
)
def test_wrong_settings_are_errors(values, message):
    with pytest.raises(UsageError, match=message):
        make_settings(TextClassificationSettings, values)
