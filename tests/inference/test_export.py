"""A model in other forms: read back in a process of its own, the same numbers; refused where a form cannot say it."""

import importlib.util
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from training.series import SMALL, write_series

from raysq.cli import main
from raysq.errors import DataError, ResourceError, UsageError
from raysq.inference.export import export
from raysq.inference.formats import litert, prepared
from raysq.inference.formats.model_call import ModelCall, example_input, flat_outputs
from raysq.inference.predictor import load
from raysq.training import train

# What a person without raysq would write; SavedModel needs no Keras either.
READ = """
import os, sys
os.environ["KERAS_BACKEND"] = "tensorflow"
import numpy as np, tensorflow as tf, keras
x, wanted = (np.load(f"{sys.argv[1]}/{name}.npy") for name in ("x", "y"))
model = keras.models.model_from_json(open(f"{sys.argv[1]}/model/architecture.json").read())
model.load_weights(f"{sys.argv[1]}/model/model.weights.h5")
served = tf.saved_model.load(f"{sys.argv[1]}/saved_model")
found = model(x), keras.models.load_model(f"{sys.argv[1]}/model.keras")(x), served.serve(x)
for one in found:
    np.testing.assert_allclose(np.asarray(one), wanted, rtol=1e-5, atol=1e-6)
assert "raysq" not in sys.modules
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYSQ_HOME", str(home))
        data = write_series(home / "waves")
        settings = {**SMALL, "epochs": 1, "units": 4, "xla": "false"}
        yield train.train("jena", data=data.directory, model="gru", settings=settings)


def test_all_forms_are_read_back_in_a_fresh_process(run, tmp_path, capsys):
    model = load(run).model
    x = np.random.RandomState(0).rand(3, *model.input_shape[1:]).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", model(x))
    for form in ("keras", "json", "saved_model"):
        target = tmp_path / {"keras": "model.keras", "json": "model"}.get(form, form)
        assert (
            main(
                [
                    "export",
                    str(run.directory),
                    "--format",
                    form,
                    "--inputs",
                    "prepared",
                    "--output",
                    str(target),
                    "--json",
                ]
            )
            == 0
        )
        said = json.loads(capsys.readouterr().out)
        assert (said["output"], said["layers"]) == (str(target), [])
        assert said["bytes"] > 1000
    done = subprocess.run([sys.executable, "-c", READ, str(tmp_path)], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr


def test_a_form_is_put_in_place_whole_or_not_at_all(run, tmp_path, monkeypatch):
    place = run.directory / "exports" / "model"
    assert export(run, "json")["output"] == str(place)
    before = (place / "architecture.json").read_bytes()
    monkeypatch.setattr(keras.Model, "load_weights", lambda self, path: None)  # reads back other weights
    with pytest.raises(DataError, match="computes something else when it is read back"):
        export(run, "json")
    assert [path.name for path in place.parent.iterdir()] == ["model"]
    assert (place / "architecture.json").read_bytes() == before
    with pytest.raises(UsageError, match="unknown form 'h5': valid: json, keras, litert, onnx, saved_model"):
        export(run, "h5")
    with pytest.raises(UsageError, match=r"must end in \.keras"):
        export(run, "keras", tmp_path / "model.h5")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "novel.txt").write_text("the only copy")
    for form in ("json", "saved_model"):
        with pytest.raises(UsageError, match="holds other things than an earlier export"):
            export(run, form, tmp_path / "papers")
    with pytest.raises(UsageError, match="there is no folder"):
        export(run, "json", tmp_path / "no" / "model")


def test_onnx_needs_its_packages(run, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r"needs onnx, tf2onnx, onnxruntime: pip install 'raysq\[onnx\]'"):
        export(run, "onnx")


def test_onnx_computes_the_same(run, tmp_path):
    pytest.importorskip("tf2onnx", reason="ONNX is optional")
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX is optional")
    export(run, "onnx", tmp_path / "model.onnx", inputs="prepared")
    model = load(run).model
    x = np.random.RandomState(0).rand(3, *model.input_shape[1:]).astype(np.float32)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(found, model(x), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(importlib.util.find_spec("ai_edge_litert") is None, reason="LiteRT is optional")
def test_litert_computes_a_recurrent_model_of_prepared_inputs(tmp_path):
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.GRU(2), keras.layers.Dense(1)], name="gru")
    x = example_input(model)
    call = ModelCall(model, model(x))
    loaded = litert.write_prepared(call, tmp_path / "model.tflite")  # of one row at a time
    prepared.check(loaded, x, flat_outputs(call.example), "litert")


def test_several_inputs_and_outputs_are_read_back(run, tmp_path, monkeypatch):
    size, kind = keras.Input((4,), name="size"), keras.Input((), dtype="int32", name="kind")
    both = keras.layers.Concatenate()([size, keras.layers.Embedding(5, 3)(kind)])
    outputs = {name: keras.layers.Dense(2, name=name)(both) for name in ("sold", "price")}
    made = keras.Model({"size": size, "kind": kind}, outputs)
    monkeypatch.setattr("raysq.inference.predictor.best_model", lambda run: made)
    forms = ["keras", "json", "saved_model", *(["onnx"] if importlib.util.find_spec("tf2onnx") else [])]
    forms += ["litert"] if importlib.util.find_spec("ai_edge_litert") else []
    names = {"onnx": "model.onnx", "keras": "model.keras", "litert": "model.tflite"}
    for form in forms:
        assert export(run, form, tmp_path / names.get(form, form), inputs="prepared")["bytes"]
