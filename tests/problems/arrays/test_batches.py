"""Batches of tables: normalization by training rows, ids of categories, missing values, splits."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from problems.arrays.tables import bound, house_table, make_dataset, whole

from raysq.data.columns import take_rows
from raysq.errors import DataError
from raysq.problems.arrays.inputs import layer_name
from raysq.problems.arrays.predict import outputs_by_name


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    return make_dataset(house_table(), tmp_path_factory.mktemp("houses") / "d", target="price", shard_rows=64)


def test_numbers_are_normalized_by_the_training_rows(houses):
    problem, splits = bound(houses)
    x, y = whole(splits["train"])
    assert problem.input_spec(houses).inputs["numbers"].extra["names"] == ("area", "rooms", "garden", "area missing")
    numbers = x["numbers"]
    missing = numbers[:, 3] == 1
    assert 0 < missing.sum() < len(numbers) and (numbers[missing, 0] == 0).all()
    for number, kept in ((0, ~missing), (1, ...), (2, ...)):
        assert abs(numbers[kept, number].mean()) < 1e-5 and abs(numbers[kept, number].std() - 1) < 1e-5
    assert abs(y.mean()) < 1e-5 and abs(y.std() - 1) < 1e-5
    other, _ = whole(splits["val"])
    assert abs(other["numbers"][:, 1].mean()) > 1e-4  # by the training rows' moments, and not by its own


def test_batches_are_the_same_from_memory_and_from_disk(houses):
    _, splits = bound(houses)
    rows = np.array([3, 0, 77, 12])
    for a, b in zip(
        splits["train"].gather(rows, splits["train"].arrays(), take_rows),
        splits["train"].gather(rows, splits["train"].mapped(), take_rows),
        strict=True,
    ):
        for name in a if isinstance(a, dict) else [...]:
            np.testing.assert_array_equal(a[name], b[name])


def test_rare_and_unseen_categories_are_unknown_and_missing_ones_have_an_id(tmp_path):
    city = ["a"] * 30 + ["b"] * 20 + ["rare", None, "late"]
    part = ["train"] * 40 + ["val"] * 10 + ["train", "train", "test"]
    table = pa.table({"city": city, "part": part, "x": np.arange(53) + 0.5, "y": np.arange(53) / 3})
    dataset = make_dataset(table, tmp_path / "d", split_column="part", categories="city")
    problem, splits = bound(dataset)
    assert problem.metadata.categories == {"city": ["a", "b"]}
    ids = [whole(splits[name])[0]["city"][:, 0].tolist() for name in ("train", "val", "test")]
    assert ids == [[2] * 30 + [3] * 10 + [0, 1], [3] * 10, [0]]
    assert problem.input_spec(dataset).inputs["city"].categories == 4
    problem, splits = bound(dataset, min_count=1)
    assert problem.metadata.categories == {"city": ["a", "b", "rare"]}


def test_a_missing_target_is_left_out(tmp_path):
    price = [None if n % 5 == 0 else n + 0.5 for n in range(100)]
    table = pa.table({"x": np.arange(100) / 3, "y": price})
    dataset = make_dataset(table, tmp_path / "d")
    problem, splits = bound(dataset)
    assert sum(map(len, splits.values())) == 80
    assert "20 rows without a target are left out" in problem.describe()
    assert np.isfinite(whole(splits["train"])[1]).all()


def test_several_targets_have_masks(tmp_path):
    table = pa.table(
        {
            "x": np.arange(90) / 3,
            "price": [None if n % 3 == 0 else n + 0.5 for n in range(90)],
            "sold": [None if n % 9 == 0 else "yn"[n % 2] for n in range(90)],
            "whole": np.arange(90) * 0.25,
        }
    )
    dataset = make_dataset(table, tmp_path / "d", target="price,sold,whole")
    _, splits = bound(dataset)
    x, y, observed = whole(splits["train"])
    assert x.shape == (len(splits["train"]), 1)
    assert list(y) == ["price", "sold", "whole"]
    assert observed["whole"] is None and observed["price"].shape == y["price"].shape
    shares = splits["train"].shares
    np.testing.assert_array_equal(shares["price"], observed["price"][:, 0])
    assert (y["price"][observed["price"] == 0] == 0).all()


def test_weights_are_those_of_their_column(tmp_path):
    table = house_table(60).append_column("w", pa.array(np.arange(60) / 10))
    dataset = make_dataset(table, tmp_path / "d", target="price", weight="w", numbers="id")
    problem, splits = bound(dataset)
    assert "w" not in [column["name"] for column in problem.metadata.columns]
    np.testing.assert_array_equal(splits["train"].weights, (splits["train"].rows / 10).astype(np.float32))


def test_stratified_splits_have_the_share_of_each_class(tmp_path):
    table = pa.table({"x": np.arange(300) / 3, "y": ["rare" if n % 15 == 0 else "often" for n in range(300)]})
    dataset = make_dataset(table, tmp_path / "d", test=0)
    _, splits = bound(dataset, val="0.25", val_selection="stratified")
    y = whole(splits["val"])[1]
    assert np.bincount(y[:, 0]).tolist() == [70, 5]
    assert len(np.intersect1d(splits["val"].rows, splits["train"].rows)) == 0


def test_numbers_cannot_be_stratified(houses):
    with pytest.raises(DataError, match="stratified needs classes, and target 'price'"):
        bound(houses, val_selection="stratified")


def test_lists_are_cut_and_filled(tmp_path):
    table = pa.table({"tokens": [[1, 2, 3], [4], [], [5, 6]] * 10, "y": np.arange(40) / 7})
    dataset = make_dataset(table, tmp_path / "d", test=0, shard_rows=16)
    problem, splits = bound(dataset, maxlen=2, val_selection="last")
    x, _ = whole(splits["train"])
    assert x[:4].tolist() == [[1, 2], [4, 0], [0, 0], [5, 6]]
    assert problem.input_spec(dataset).inputs["tokens"].categories == 7


def test_tensors_keep_their_shape(tmp_path):
    images = np.arange(40 * 6, dtype=np.uint8).reshape(40, 2, 3)
    table = pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(images), "y": np.arange(40) / 7})
    dataset = make_dataset(table, tmp_path / "d", test=0)
    problem, splits = bound(dataset, val_selection="last")
    x, _ = whole(splits["train"])
    assert x.dtype == np.float32 and x[5].tolist() == images[5].tolist()
    spec = problem.input_spec(dataset).inputs["image"]
    assert spec.shape == (2, 3) and spec.extra["deviation"] == pytest.approx(images[:32].std(), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "taken", "wanted"),
    [("T (degC)", [], "T_degC"), ("a/b", ["a_b"], "a_b_"), ("_x", [], "x"), ("\u6e29\u5ea6", [], "column")],
)
def test_layers_have_names_that_tensorflow_takes(name, taken, wanted):
    assert layer_name(name, taken) == wanted


@pytest.mark.parametrize(
    "prediction",
    [
        {"price": "price", "kind": "kind", "size": "size"},
        ["price", "kind", "size"],
        ("price", ["kind", "size"]),  # a nest trains by the order of its outputs
    ],
)
def test_outputs_of_any_structure_are_matched_as_in_training(prediction):
    names = ["price", "kind", "size"]
    assert outputs_by_name(prediction, names) == dict(zip(names, names, strict=True))


def test_the_outputs_of_a_model_are_matched_by_their_names():
    model = SimpleNamespace(output_names=["kind", "price"])
    assert outputs_by_name(["kind", "price"], ["price", "kind"], model) == {"price": "price", "kind": "kind"}
    assert outputs_by_name("price", ["price"], model) == {"price": "price"}
