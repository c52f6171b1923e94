"""Splits of documents: by checksum or by rows, equal texts together, no document twice."""

import numpy as np
import pytest
from problems.text_classification.corpus import Document, bind, documents, write_corpus

from raysq.errors import DataError, UsageError
from raysq.problems.splits import split_amount, split_rows
from raysq.problems.text_classification.problem import TextClassification
from raysq.problems.text_classification.settings import TextClassificationSettings


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "made")  # 200 documents, the first 40 of the test part


@pytest.mark.parametrize("val_selection", ["hash", "first", "last"])
@pytest.mark.parametrize("val", ["0.25", "40"])
def test_every_document_is_in_one_split(corpus, val_selection, val):
    found = split_rows(corpus, val, val_selection, None)
    rows = np.concatenate([found.train, found.val, found.test])
    assert sorted(rows.tolist()) == list(range(200))
    assert found.test.tolist() == list(range(40))
    assert 40 <= len(found.val) <= 42
    for one in (found.train, found.val, found.test):
        assert (np.diff(one) > 0).all()


def test_which_rows_validate(corpus):
    assert split_rows(corpus, "10", "first", None).val.tolist() == list(range(40, 50))
    assert split_rows(corpus, "10", "last", None).val.tolist() == list(range(190, 200))
    assert split_rows(corpus, "10", "first", 5).train.tolist() == list(range(50, 55))
    assert split_rows(corpus, "10", "last", 5).train.tolist() == list(range(40, 45))
    keys = corpus.column("key").slice(0, 200)
    order = 40 + np.argsort(keys[40:], kind="stable")
    found = split_rows(corpus, "10", "hash", 20)
    assert found.val.tolist() == sorted(order[:10].tolist())
    assert found.train.tolist() == sorted(order[10:30].tolist())


def test_equal_texts_never_lie_on_both_sides(tmp_path):
    made = documents(30, tests=0)
    copies = [one for one in made for _ in range(1 + len(one.words) % 7)]
    dataset = write_corpus(
        tmp_path / "made", [copies[place] for place in np.random.RandomState(0).permutation(len(copies))]
    )
    keys = dataset.column("key").slice(0, dataset.rows)
    for val in range(1, dataset.rows - 8):
        found = split_rows(dataset, str(val), "hash", None)
        assert len(found.val) >= val
        assert not set(keys[found.val].tolist()) & set(keys[found.train].tolist())


def test_the_split_does_not_depend_on_the_order_of_rows(tmp_path):
    made = documents(100, tests=10)
    turned = made[::-1]
    one, two = write_corpus(tmp_path / "a", made), write_corpus(tmp_path / "b", turned)
    first, second = split_rows(one, "0.3", "hash", 20), split_rows(two, "0.3", "hash", 20)
    for a, b in ((first.val, second.val), (first.train, second.train), (first.test, second.test)):
        assert sorted(made[row].raw for row in a) == sorted(turned[row].raw for row in b)


def test_samples_may_be_drawn_with_a_seed(corpus):
    drawn = [split_rows(corpus, "40", "first", 20, sample_seed=seed) for seed in (0, 0, 1)]
    assert drawn[0].train.tolist() == drawn[1].train.tolist() != drawn[2].train.tolist()
    for split in drawn:
        assert len(set(split.train)) == 20 and min(split.train) >= 80 and split.val.tolist() == list(range(40, 80))
    with pytest.raises(UsageError, match="sample_seed=3 draws train_samples examples: set train_samples too"):
        TextClassificationSettings(sample_seed=3)


def test_what_does_not_fit_is_an_error(corpus, tmp_path):
    for val in ("160", "161", "0.999"):
        with pytest.raises(DataError, match=f"val={val} leaves no document to train on.* has 160 documents"):
            split_rows(corpus, val, "first", None)
    with pytest.raises(DataError, match="train_samples=121 is more than the 120 documents that val=40 leaves"):
        bind(corpus, val="40", val_selection="first", train_samples=121).splits(corpus)
    with pytest.raises(DataError, match="has 1 document to train"):
        split_rows(write_corpus(tmp_path / "one", [Document(("a",), "x"), Document(("b",), "y", 1)]), "1", "hash", None)
    with pytest.raises(
        DataError, match="val=3 leaves no .*: 7 documents or more of .* the same text, .*set val_selection=first$"
    ):
        split_rows(write_corpus(tmp_path / "same", [Document(("a",), "x")] * 9), "3", "hash", None)


@pytest.mark.parametrize("val", ["", "0", "1.0", "1.5", "-3", "-0.1", "many", "nan", "inf", "10.0"])
def test_what_is_no_amount(val):
    with pytest.raises(UsageError, match="setting val must be a share"):
        TextClassificationSettings(val=val)


def test_amounts_as_numbers(corpus):
    assert split_amount("0.2") == 0.2 and split_amount("10000") == 10_000 and isinstance(split_amount("1e4"), int)
    assert TextClassification.resolve_settings({"val": 0.2, "maxlen": 5}, corpus) == {"val": "0.2", "maxlen": 5}
    assert TextClassification.resolve_settings({"val": 100}, corpus) == {"val": "100"}
