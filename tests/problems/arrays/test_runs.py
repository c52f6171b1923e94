"""Runs on tables: models, metrics in the unit of the target, predictions, reports."""

import keras
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from problems.arrays.tables import bound, house_table, make_dataset, whole

import raysq
from raysq.errors import DataError, UsageError
from raysq.inference import batch
from raysq.inference.batch import predict_file
from raysq.inference.predictor import Predictor
from raysq.problems.arrays import models
from raysq.problems.arrays.inputs import Sequences
from raysq.problems.arrays.problem import Tables
from raysq.problems.arrays.raw_rows import array_rows, input_rows
from raysq.problems.arrays.roles import Column
from raysq.problems.specs import ArraySpec, InputSpec
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.evaluation import evaluate_in_detail
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker


def train(dataset, folder, model="mlp", **settings):
    rate = {} if ":" in model else {"learning_rate": 0.02}
    config = resolve_config("arrays", model, dataset, 0, {"epochs": 8, **rate, **settings})
    run = Run.create(config, name=f"{dataset.manifest.name}-{model.rpartition(':')[2]}", folder=folder)
    configure(config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks())
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def table():
    """Houses; one in nine has no price."""
    houses = house_table(500)
    price = [None if n % 9 == 0 else value for n, value in enumerate(houses.column("price").to_pylist())]
    return houses.set_column(houses.column_names.index("price"), "price", pa.array(price))


@pytest.fixture(scope="module")
def prices(folder, table):
    return make_dataset(table, folder / "prices", target="price", ignore="sold")


@pytest.fixture(scope="module")
def both(folder, table):
    return make_dataset(table, folder / "both", target="price,sold")


@pytest.fixture(scope="module")
def price_run(folder, prices):
    return train(prices, folder / "runs")


@pytest.fixture(scope="module")
def both_run(folder, both):
    return train(both, folder / "runs")


def test_prices_are_told_in_their_unit(price_run, prices):
    metrics, details = evaluate_in_detail(price_run, ("val",))
    assert list(metrics) == ["mlp", "baseline", "ridge"]
    assert metrics["ridge"]["val_r2"] > 0.85 and abs(metrics["baseline"]["val_r2"]) < 0.1
    assert metrics["mlp"]["val_r2"] > metrics["baseline"]["val_r2"] + 0.5
    of_mlp = metrics["mlp"]
    assert details["val"]["mae"] == pytest.approx(of_mlp["val_mae_original"], rel=1e-4)
    assert details["val"]["rmse"] == pytest.approx(of_mlp["val_mse_original"] ** 0.5, rel=1e-4)
    assert details["val"]["r2"] == pytest.approx(of_mlp["val_r2"], abs=1e-5)
    deviation = price_run.problem.metadata.targets[0]["deviation"]
    assert of_mlp["val_mae_original"] == pytest.approx(of_mlp["val_mae"] * deviation)


def test_predictions_of_a_file_and_of_a_frame_are_those_of_the_prepared_rows(price_run, prices, table, tmp_path):
    predictor = Predictor(price_run)
    frame = predictor.predict(table)
    _, splits = bound(prices)
    x, _ = whole(splits["val"])
    target = price_run.problem.metadata.targets[0]
    wanted = predictor.model.predict(x, verbose=0)[:, 0] * target["deviation"] + target["mean"]
    np.testing.assert_allclose(frame.column("price").to_numpy()[splits["val"].rows], wanted, rtol=1e-4)
    pa.csv.write_csv(table, tmp_path / "new.csv")
    predict_file(price_run, tmp_path / "new.csv", tmp_path / "out.parquet")
    again = pa.parquet.read_table(tmp_path / "out.parquet")
    assert again.column("price").to_pylist() == frame.column("price").to_pylist()


def test_what_training_rows_lack_is_remarked(price_run, table):
    rows = table.select(["area", "rooms", "city", "garden"]).slice(0, 2)
    rows = rows.set_column(2, "city", pa.array(["Atlantis", None]))
    predictions = Predictor(price_run).predict(rows)
    assert predictions.column("remark").to_pylist() == [
        "city has a value that training rows lack",
        "city is missing, and never is in training rows",
    ]
    assert np.isfinite(predictions.column("price").to_numpy()).all()


@pytest.mark.parametrize("file", ["out.csv", "out.parquet"])
def test_blocks_of_a_large_file_have_one_schema(price_run, table, file, tmp_path, monkeypatch):
    rows = table.select(["area", "rooms", "city", "garden"]).slice(0, 4)
    rows = rows.set_column(2, "city", pa.array(["Aarau", "Aarau", "Atlantis", "Aarau"]))

    def blocks(*arguments, **options):  # as actors predict them, a remark in some
        predictor = Predictor(price_run)
        yield from (predictor.predict_table(rows.slice(begin, 1)) for begin in range(4))

    monkeypatch.setattr(batch, "SMALL", -1)
    monkeypatch.setattr(batch, "_stream", blocks)
    assert predict_file(price_run, rows, tmp_path / file)["rows"] == 4
    read = pa.csv.read_csv if file.endswith(".csv") else pa.parquet.read_table
    remarks = read(tmp_path / file).column("remark").to_pylist()
    assert [bool(remark) for remark in remarks] == [False, False, True, False]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda t: t.drop_columns(["rooms", "city"]), "the rows lack columns 'rooms', 'city'"),
        (lambda t: t.set_column(1, "rooms", pa.array(["3", "many"])), "'rooms' holds 'many', which is no number"),
        (
            lambda t: t.set_column(1, "rooms", pa.array(["2024-01-01"] * 2)),
            "'rooms' holds times, and the training rows",
        ),
        (lambda t: t.set_column(1, "rooms", pa.array([0, 1], pa.timestamp("s"))), "'rooms' holds times"),
        (lambda t: t.set_column(0, "area", pa.array([1.0, np.inf])), "'area' holds inf, which is too large a number"),
        (lambda t: t.set_column(0, "area", pa.array(["-1e300", "1"])), "'area' holds -1e\\+300, which is too large"),
        (lambda t: t.set_column(1, "rooms", pa.array([[1], [2]])), "'rooms' holds list.*the run takes numbers"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(price_run, table, change, error):
    rows = table.select(["area", "rooms", "city", "garden"]).slice(0, 2)
    with pytest.raises(DataError, match=error):
        Predictor(price_run).predict(change(rows))


def test_times_that_are_numbers_are_predicted_as_such():
    at = Column(
        name="at", target=False, kind="number", type="double", shape=[], values=0, missing=0, whole=False, time=True
    )
    days = pa.table({"at": pa.array(["1970-01-02", None])})
    assert input_rows(days, [at]).column("at").to_pylist() == [86400.0, None]
    assert input_rows(input_rows(days, [at]), [at]).column("at").to_pylist() == [86400.0, None]


def test_several_targets_have_figures_of_their_own(both_run, both, table):
    metrics, details = evaluate_in_detail(both_run, ("val",))
    assert list(metrics) == ["mlp", "baseline"]
    assert {"val_loss", "val_price_loss", "val_price_mae_original", "val_price_r2", "val_sold_accuracy"} <= set(
        metrics["mlp"]
    )
    _, splits = bound(both)
    examples = len(splits["val"])
    unobserved = int((splits["val"].shares["price"] == 0).sum())
    assert unobserved and details["val"]["price"]["examples"] == examples - unobserved
    assert details["val"]["sold"]["examples"] == examples
    assert details["val"]["price"]["r2"] == pytest.approx(metrics["mlp"]["val_price_r2"], abs=1e-4)
    assert details["val"]["sold"]["accuracy"] == pytest.approx(metrics["mlp"]["val_sold_accuracy"], abs=1e-6)
    predictions = Predictor(both_run).predict(table.slice(0, 3))
    assert predictions.column_names == [
        "row",
        "price",
        "sold",
        "sold_probability",
        "sold_p_late",
        "sold_p_soon",
        "remark",
    ]


def test_one_output_of_a_compiled_model_tells_two_classes_apart(folder, table):
    dataset = make_dataset(table, folder / "one-output", target="sold", ignore="price")
    run = train(dataset, folder / "runs", "problems.arrays.own_models:one_output", epochs=2)
    metrics, details = evaluate_in_detail(run, ("val",))
    accuracy = metrics[run.config.model]["val_accuracy"]
    assert details["val"]["accuracy"] == pytest.approx(accuracy, abs=1e-6) and accuracy > 0.55
    rows = Predictor(run).predict(table.slice(0, 40))
    late, soon = (rows.column(f"p_{name}").to_numpy() for name in ("late", "soon"))
    np.testing.assert_allclose(late + soon, 1, rtol=1e-6)
    assert rows.column("sold").to_pylist() == np.where(soon > 0.5, "soon", "late").tolist()


@pytest.mark.parametrize("target", ["sold", "price,sold"])
def test_one_output_of_a_model_without_a_loss_is_refused(folder, table, target):
    dataset = make_dataset(table, folder / f"no-loss-{len(target)}", target=target)
    config = resolve_config("arrays", "problems.arrays.own_models:without_loss", dataset, 0, {})
    with pytest.raises(
        UsageError, match=r"it gives \(4, 1\), and .* shape \(4, 2\); for one output, the probability of"
    ):
        config.build(dataset)


def test_tensors_are_written_to_parquet_only(folder, tmp_path):
    random = np.random.RandomState(0)
    grid = random.uniform(size=(60, 3, 2)).astype(np.float32)
    table = pa.table({"a": pa.FixedShapeTensorArray.from_numpy_ndarray(grid), "n": grid[:, 0, 0]})
    table = table.append_column("b", pa.FixedShapeTensorArray.from_numpy_ndarray(2 * grid))
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    run = train(make_dataset(tmp_path / "t.parquet", folder / "grids", target="b"), folder / "runs", epochs=1)
    predict_file(run, tmp_path / "t.parquet", tmp_path / "out.parquet")
    assert pa.parquet.read_table(tmp_path / "out.parquet").column("b").type.list_size == 6
    with pytest.raises(UsageError, match="'b' holds tensors, and csv holds none"):
        predict_file(run, tmp_path / "t.parquet", tmp_path / "out.csv")


def test_arrays_are_rows_of_the_only_input():
    image = Column(name="a", target=False, kind="tensor", type="uint8", shape=[2, 3], values=0, missing=0, whole=False)
    numbers = [Column(**{**image, "name": name, "kind": "number", "type": "double", "shape": []}) for name in "uv"]
    assert array_rows(np.ones((4, 2, 3)), [image]).column("a").to_pylist() == [[1] * 6] * 4
    assert array_rows([[1, 2], [3, 4]], numbers).to_pydict() == {"u": [1, 3], "v": [2, 4]}
    with pytest.raises(UsageError, match=r"of shape \(n, 2, 3\), received shape \(4, 3\)"):
        array_rows(np.ones((4, 3)), [image])
    with pytest.raises(UsageError, match="columns of several kinds: .* a table with a, u, v"):
        array_rows(np.ones((4, 3)), [image, *numbers])
    with pytest.raises(
        DataError, match="'a' holds the number 0.5, and the training rows have whole numbers of type uint8"
    ):
        array_rows(np.full((4, 2, 3), 0.5), [image])


@pytest.mark.parametrize(("cells", "shown"), [([1.0, 2.5], "2.5"), ([1, 300], "300"), ([1, None], "nan")])
def test_tensors_of_other_numbers_than_those_of_training_are_refused(cells, shown):
    image = Column(name="a", target=False, kind="tensor", type="uint8", shape=[2], values=0, missing=0, whole=False)
    with pytest.raises(DataError, match=f"'a' holds the number {shown}, and the training rows have whole numbers"):
        input_rows(pa.table({"a": pa.array([cells])}), [image])
    assert input_rows(pa.table({"a": pa.array([[1.0, 255.0]])}), [image]).column("a").to_pylist() == [[1, 255]]


def test_ids_that_no_training_row_can_have_are_unknown():
    ids = Column(name="a", target=False, kind="sequence", type="int32", shape=[], values=9, missing=0, whole=False)
    rows = input_rows(pa.table({"a": pa.array([[1, None, 2**40], [3]])}), [ids])
    given = Sequences("a", "a", 4, 9)
    assert given.of_rows(rows).tolist() == [[1, 0, 0, 0], [3, 0, 0, 0]]
    assert [mask.tolist() for mask in given.unknown(rows).values()] == [[True, False]]


def test_targets_of_like_names_have_layers_of_their_own():
    spec = InputSpec(
        shape=(1,),
        outputs=1,
        output_shape=(1,),
        inputs={"numbers": ArraySpec((1,))},
        targets_by_name={"a b": ArraySpec((1,)), "a_b": ArraySpec((1,))},
    )
    assert len(models.mlp(spec).outputs) == 2 and len(models.linear(spec).outputs) == 2


def test_reports_show_errors_and_what_the_model_uses(both_run, both):
    page = raysq.write_report(both_run).read_text()
    for heading in ("Errors of price", "Right and wrong", "How sure it is", "What the model uses"):
        assert heading in page


@pytest.mark.parametrize("model", [pytest.param("linear", marks=pytest.mark.slow), "logistic"])
def test_classes_have_a_linear_reference(folder, table, model):
    dataset = make_dataset(table.drop_columns(["price"]), folder / f"sold-{model}", target="sold")
    run = train(dataset, folder / "runs", model, **({"epochs": 20} if model == "linear" else {"epochs": 1}))
    metrics = raysq.evaluate(run, ("val",))
    assert metrics["logistic"]["val_accuracy"] > 0.85
    assert abs(metrics[model]["val_accuracy"] - metrics["logistic"]["val_accuracy"]) < 0.05
    assert abs(metrics[model]["val_loss"] - metrics["logistic"]["val_loss"]) < 0.1


def test_metadata_of_other_columns_are_refused(prices):
    problem, _ = bound(prices)
    values = problem.metadata_values()
    with pytest.raises(DataError, match="its parts are of different columns"):
        Tables.from_config(vars(problem.settings), {**values, "categories": {}})


def test_a_reference_for_other_targets_is_refused(prices):
    problem, _ = bound(prices)
    with pytest.raises(UsageError, match="model logistic is not for target price, which holds numbers"):
        models.logistic(problem.input_spec(prices))


def test_a_table_of_tensors_and_lists_is_trained_by_a_model_of_its_inputs(folder):
    import keras

    random = np.random.RandomState(0)
    images = random.randint(0, 256, (120, 4, 4, 1)).astype(np.uint8)
    meta = random.normal(size=120)
    label = np.where(images.mean((1, 2, 3)) / 10 + meta > 12.7, "high", "low")
    source = {"image": images, "size (cm)": meta, "the tokens": [[1, 2], [3]] * 60, "label (m/s)": label}
    dataset = make_dataset(source, folder / "images", target="label (m/s)")
    run = train(dataset, folder / "runs", epochs=2)
    model = Predictor(run).model
    assert {tensor.name: tuple(tensor.shape[1:]) for tensor in keras.tree.flatten(model.input)} == {
        "numbers": (1,),
        "image": (4, 4, 1),
        "the_tokens": (200,),
    }
    predictions = Predictor(run).predict({name: values[:2] for name, values in source.items()})
    assert predictions.column_names == ["row", "label (m/s)", "probability", "p_high", "p_low", "remark"]


def test_a_list_without_ids_has_the_mean_zero():
    """Keras's average of a masked list divides by 0 there, after which all weights are NaN."""
    lists = {"tags": ArraySpec((3,), "int32", categories=5)}
    spec = InputSpec(shape=(), outputs=1, inputs=lists, targets_by_name={"price": ArraySpec((1,))})
    ids = np.array([[0, 0, 0], [1, 4, 0], [3, 0, 0]], np.int32)
    model = models.mlp(spec, embedding=2)
    table = np.asarray(model.get_layer("embedding_tags").embeddings)
    means = np.stack([np.zeros(2), (table[1] + table[4]) / 2, table[3]]).astype(np.float32)
    hidden = next(layer for layer in model.layers if layer.name == "dense_1")
    wanted = np.maximum(means @ np.asarray(hidden.kernel), 0)
    found = keras.Model(model.input, hidden.output)(ids)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert np.isfinite(models.linear(spec)(ids)).all()
