"""Exports of raw inputs answer as `predict` does, in a process that has no raysq; what is not equal is not kept."""

import importlib.util
import json
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from problems.arrays.tables import house_table

import raysq
from raysq.cli import main
from raysq.errors import DataError, ResourceError, UsageError
from raysq.inference.formats.tensorflow_graph import TensorFlowOps
from raysq.inference.formats.verify import verify
from raysq.problems.language_modeling.problem import LanguageModeling
from raysq.problems.signature import TensorInfo, tensor_name
from raysq.problems.text_graph import NOT_COMPOSED
from raysq.problems.translation.problem import Translation

FILES = {"saved_model": "saved_model", "onnx": "model.onnx", "litert": "model.tflite"}
PACKAGES = {"onnx": "tf2onnx", "litert": "ai_edge_litert"}
FORMS = [form for form in FILES if importlib.util.find_spec(PACKAGES.get(form, "tensorflow"))]
SMALL = {"epochs": 1, "steps_per_epoch": 3, "xla": "false"}

# What a person without raysq would write. The example of the description runs as it is.
READ = """
import json, os, sys, zipfile
sys.modules["raysq"] = None  # an import fails
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np

form = sys.argv[1]
stored = np.load(f"{form}.npz", allow_pickle=True)
feeds, wanted = ({key[2:]: stored[key] for key in stored if key[0] == kind} for kind in "xy")
if form == "saved_model":
    description = json.load(open("saved_model/assets.extra/signature.json"))
    import tensorflow as tf
    model = tf.saved_model.load("saved_model")
    found = model.serve(**{name: tf.constant(value) for name, value in feeds.items()})
    found = {name: value.numpy() for name, value in found.items()}
    decoded = np.vectorize(bytes.decode)
    found = {name: decoded(value) if value.dtype == object else value for name, value in found.items()}
elif form == "onnx":
    import onnxruntime
    session = onnxruntime.InferenceSession("model.onnx")
    description = json.loads(session.get_modelmeta().custom_metadata_map["signature"])
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, feeds)))
    assert "tensorflow" not in sys.modules
else:
    from ai_edge_litert.interpreter import Interpreter
    description = json.loads(zipfile.ZipFile("model.tflite").read("signature.json"))
    run = Interpreter("model.tflite").get_signature_runner("serving_default")
    found = run(**feeds)
    assert "tensorflow" not in sys.modules
assert set(found) == set(wanted) == {of["name"] for of in description["outputs"]}
assert set(feeds) == {of["name"] for of in description["inputs"]}
for name, value in wanted.items():
    if value.dtype == object:
        assert found[name].tolist() == value.tolist(), name
    else:
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-4)
space = {}
exec(description["example"], space)
assert {np.asarray(value).shape[0] for value in space["outputs"].values()} == {1}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYSQ_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def table(home):
    """A run on numbers with missing ones, categories, lists of ids, and tensors; a class and a value."""
    random = np.random.RandomState(0)
    rows = house_table(120)
    lists = [random.randint(1, 5, size).tolist() for size in np.arange(120) % 4]
    vectors = pa.array(random.normal(size=240).astype(np.float32))
    renamed = {"rooms": "remark", "city": "from"}  # names of an output, and of a word of Python
    rows = rows.rename_columns([renamed.get(name, name) for name in rows.column_names])
    rows = rows.append_column("tags (old)", pa.array(lists, pa.list_(pa.int64())))
    rows = rows.append_column("place", pa.FixedSizeListArray.from_arrays(vectors, 2))
    settings = {"target": "sold,price", "ignore": "id"}
    data = raysq.prepare("arrays", rows, settings=settings, name="houses", quiet=True)
    return raysq.train("arrays", data=data.directory, model="mlp", settings={**SMALL, "maxlen": 3}, name="houses")


@pytest.fixture(scope="module")
def reviews(home):
    """A run on texts."""
    words = ["good", "bad", "\u039f\u0394\u039f\u03a3", "\u00c9t\u00e9", "It's", "film", "plot"]
    random = np.random.RandomState(0)
    texts = [" ".join(random.choice(words, 6)) for _ in range(90)]
    frame = pd.DataFrame({"text": texts, "label": ["pos" if "good" in text else "neg" for text in texts]})
    data = raysq.prepare("classify", frame, settings={"test": 0.1}, name="reviews", quiet=True)
    settings = {**SMALL, "ngrams": 2, "batch_size": 16}
    return raysq.train("classify", data=data.directory, model="multihot", settings=settings, name="reviews")


def check_elsewhere(run, folder, forms, capsys):
    """Exports a run to each form, and compares it in a process without raysq. Returns the largest difference."""
    differences = []
    for form in forms:
        options = ["--format", form, "--output", str(folder / FILES[form]), "--json"]
        assert main(["export", str(run.directory), *options]) == 0
        result = json.loads(capsys.readouterr().out)
        assert (result["inputs"], result["layers"] is not None) == ("raw", True)
        predictor = raysq.load(run)
        signature = predictor.problem.signature(form != "litert")
        rows = signature.samples(None)
        wanted = signature.expected(rows, predictor.predict_table(rows))
        feeds = signature.feed(rows)
        if form == "litert" and any("one row" in note for note in result["signature"]["notes"]):
            feeds, wanted = ({name: value[:1] for name, value in of.items()} for of in (feeds, wanted))
        arrays = {f"x_{name}": value for name, value in feeds.items()}
        np.savez(folder / f"{form}.npz", **arrays, **{f"y_{name}": value for name, value in wanted.items()})
        command = [sys.executable, "-c", READ, form]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
        differences.append(result["verified"]["difference"])
    return differences


def test_a_table_without_raysq(table, tmp_path, capsys):
    check_elsewhere(table, tmp_path, FORMS, capsys)
    # Numbers that `predict` refuses are missing ones, which a remark tells.
    import tensorflow as tf

    signature = raysq.load(table).problem.signature(True)
    feeds = {name: value[:3] for name, value in signature.feed(signature.samples(None)).items()}
    serve = tf.saved_model.load(tmp_path / "saved_model").signatures["serving_default"]
    for column, remark in (("area", b""), ("remark", b"remark is missing")):
        name = next(info.name for info in signature.inputs if info.column == column)
        found = []
        for numbers in ([np.inf, -np.inf, 1e300], [np.nan] * 3):
            inputs = {key: tf.constant(value) for key, value in {**feeds, name: np.array(numbers)}.items()}
            found.append({key: value.numpy().tolist() for key, value in serve(**inputs).items()})
        assert found[0] == found[1] and all(remark in text for text in found[0]["remark"])


def test_texts_without_raysq(reviews, tmp_path, capsys):
    forms = [form for form in FORMS if form != "litert"]
    assert max(check_elsewhere(reviews, tmp_path, forms, capsys)) < 1e-5
    with pytest.raises(UsageError, match="LiteRT has no texts") as caught:
        raysq.export(reviews, "litert", tmp_path / "model.tflite")
    assert caught.value.hint == "--inputs prepared exports the model alone"
    assert not (tmp_path / "model.tflite").exists()
    # A text that is not composed is refused in its row.
    import tensorflow as tf

    serve = tf.saved_model.load(tmp_path / "saved_model").signatures["serving_default"]
    found = serve(text=tf.constant(["a good \u00e9t\u00e9", "a good e\u0301te\u0301"]))
    assert found["remark"].numpy().tolist() == [b"", NOT_COMPOSED.encode()]
    assert np.isnan(found["probabilities"].numpy()).all(1).tolist() == [False, True]
    assert found["label"].numpy().tolist()[1] == b""


def test_what_differs_from_predict_is_not_kept(table, tmp_path, monkeypatch):
    shifted = TensorFlowOps.normalize
    monkeypatch.setattr(TensorFlowOps, "normalize", lambda self, x, mean, std: shifted(self, x, mean, std) + 0.5)
    (tmp_path / "exports").mkdir()
    with pytest.raises(DataError, match="the exported model differs from predict: .* nothing is kept"):
        raysq.export(table, "saved_model", tmp_path / "exports" / "model")
    assert list((tmp_path / "exports").iterdir()) == []


def test_a_problem_without_a_graph_is_refused(table, tmp_path, monkeypatch):
    for problem, why in ((LanguageModeling, "splits a text"), (Translation, "searches word by word")):
        with pytest.raises(UsageError, match=why):
            problem.signature(None, True)
    with pytest.raises(UsageError, match="form 'keras' holds the model alone"):
        raysq.export(table, "keras", inputs="raw")
    with pytest.raises(UsageError, match="unknown inputs 'rows': did you mean raw"):
        raysq.export(table, "onnx", inputs="rows")
    other = SimpleNamespace(problem=SimpleNamespace(name="other"))  # as of another package
    monkeypatch.setattr("raysq.inference.export.Predictor", lambda run: other)
    with pytest.raises(UsageError, match="problem other has no graph of raw inputs"):
        raysq.export(table, "saved_model", tmp_path / "model")


def test_litert_needs_its_package(table, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"needs ai-edge-litert: pip install 'raysq\[litert\]'"):
        raysq.export(table, "litert")


def test_differences_are_measured_by_output():
    class One:
        outputs = (
            TensorInfo("label", "string", "", ties="shares"),
            TensorInfo("shares", "float32", "", (2,)),
            TensorInfo("price", "float64", "", scale=1000.0),
        )

    wanted = {"label": np.array(["a", "b"], object), "shares": np.array([[0.5, 0.5], [0.1, 0.9]])}
    wanted["price"] = np.array([1.0, np.nan])
    found = {**wanted, "label": np.array(["b", "b"], object), "price": np.array([1.05, np.nan])}
    assert verify(lambda inputs: {n: v[: len(inputs["x"])] for n, v in found.items()}, {"x": np.zeros(2)}, wanted, One)[
        "difference"
    ] == pytest.approx(0.05)
    for name, value, why in (
        ("label", np.array(["a", "a"], object), "label of row 1 is 'a' instead of 'b'"),
        ("price", np.array([1.2, np.nan]), "price by 0.2, the tolerance is 0.1"),
        ("price", np.array([1.0, 2.0]), "price by nan"),
        ("price", np.array([1.0, np.inf]), "price by nan"),
        ("shares", np.zeros((2, 3)), r"has shape \(2, 3\) instead of \(2, 2\)"),
    ):
        with pytest.raises(DataError, match=why):
            verify(lambda inputs, changed={**found, name: value}: changed, {"x": np.zeros(2)}, wanted, One)


def test_names_of_tensors():
    names = {"T (degC)": "T_degC", "a": "a_2", "\u6e29\u5ea6": "column", "2nd": "column_2nd", "_x_": "x"}
    names |= {"from": "column_from", "self": "column_self"}
    assert {name: tensor_name(name, ["a"]) for name in names} == names


def forecast(model, frame, name, **settings):
    data = raysq.prepare("forecast", frame, settings={"targets": "load (kW)"}, name=name, quiet=True)
    return raysq.train("forecast", data=data.directory, model=model, settings={**SMALL, **settings}, name=name)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gru", "lstm", "conv1d_gru", "dense"])
def test_forecasts_without_raysq(home, model, tmp_path, capsys):
    random = np.random.RandomState(0)
    times = pd.date_range("2023-03-01", periods=700, freq="h", tz="Europe/Berlin")
    load = (500 + 50 * np.sin(np.arange(700) / 4) + random.normal(size=700)).round(2)
    frame = pd.DataFrame({"when": times, "load (kW)": load, "p": (1000 + random.normal(size=700)).round(3)})
    settings = {"lookback": 140 if model == "conv1d_gru" else 24}
    if model == "dense":
        settings |= {"quantiles": "0.1,0.5,0.9", "horizon": "1h,6h", "calendar": "hour,weekday,yearday"}
    check_elsewhere(forecast(model, frame, model, **settings), tmp_path, FORMS, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["cnn", "autoencoder"])
def test_images_without_raysq(home, model, tmp_path, capsys):
    pixels = np.random.RandomState(0).randint(0, 256, (90, 12, 8, 3)).astype(np.uint8)
    source = {"image": pixels, "label": np.arange(90) % 3}
    data = raysq.prepare("images", source, name=f"images-{model}", quiet=True)
    run = raysq.train("images", data=data.directory, model=model, settings=SMALL, name=model)
    check_elsewhere(run, tmp_path, FORMS, capsys)


@pytest.mark.slow
def test_word_vectors_without_raysq(home, tmp_path, capsys):
    words = np.array(["king", "queen", "\u00c9t\u00e9", "it's", "man", "woman"])
    texts = [" ".join(np.random.RandomState(seed).choice(words, 30)) for seed in range(40)]
    data = raysq.prepare("skipgram", pd.DataFrame({"text": texts}), name="words", quiet=True)
    settings = {**SMALL, "dimension": 4, "min_count": 1}
    run = raysq.train("skipgram", data=data.directory, model="negative_sampling", settings=settings, name="words")
    check_elsewhere(run, tmp_path, [form for form in FORMS if form != "litert"], capsys)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"model": "average", "truncation": "post", "padding": "post", "maxlen": 4},
        {"model": "lstm", "reversed": "true", "special_tokens": "false", "maxlen": 5},
        {"model": "multihot", "vectorization": "tfidf", "ngrams": 3, "special_tokens": "false"},
        {"model": "multihot", "vectorization": "freq"},
    ],
)
def test_ways_to_see_a_text(home, reviews, settings, tmp_path, capsys):
    settings = dict(settings)
    model = settings.pop("model")
    run = raysq.train("classify", data=reviews.config.data, model=model, settings={**SMALL, **settings}, fresh=True)
    check_elsewhere(run, tmp_path, [form for form in FORMS if form != "litert"], capsys)
    keras.backend.clear_session()
