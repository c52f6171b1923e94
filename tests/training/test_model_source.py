"""The source of a person's own model: what is part of it, edits, and runs whose source has changed."""

import importlib
import sys

import numpy as np
import pytest
from training.series import SMALL, write_series

import raysq
from raysq.errors import UsageError
from raysq.inference.predictor import load
from raysq.training.builder import load_builder
from raysq.training.model_source import SourceChanged, import_source, source_digest
from raysq.training.run_config import resolve_config
from raysq.training.saved import print_if_changed

MODEL = """
import keras
from keras import layers


def build(inputs, *, units: int = 4):
    return keras.Sequential(
        [
            keras.Input(inputs.shape),
            layers.Flatten(),
            layers.Dense(units, activation="relu"),
            layers.Dense(inputs.outputs),
        ]
    )
"""
EDITED = MODEL.replace('activation="relu"', 'activation="tanh"')
SETTINGS = {**SMALL, "epochs": 1, "steps_per_epoch": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves", rows=600).directory


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The current folder, from which modules are imported; they are forgotten afterwards."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # which takes an edit in the same second for none
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_the_digest_covers_what_the_module_imports_from_its_folder(here):
    files = {
        "pack/__init__.py": "",
        "pack/models/__init__.py": "",
        "pack/models/wide.py": "import json\nimport helper\nfrom .. import parts\nfrom ..deep.one import thing\n",
        "pack/parts.py": "def part():\n    import pack.late\n",
        "pack/late.py": "x = 1\n",
        "pack/deep/one.py": "thing = 1\n",
        "helper.py": "y = 1\n",
        "other.py": "z = 1\n",
    }
    for name, text in files.items():
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(text)

    def digest():
        return source_digest("pack.models.wide", here / "pack/models/wide.py")

    first = digest()
    for name in files:
        (here / name).write_text(files[name] + "# edited\n")
        assert (digest() == first) == (name == "other.py"), name
        (here / name).write_text(files[name])
    assert digest() == first
    # Not of the line ends that git checks out elsewhere.
    (here / "helper.py").write_bytes(b"y = 1\r\n")
    assert digest() == first


def test_beside_an_installed_package_lies_no_part_of_it(here):
    folder = here / "site-packages"
    for name, text in {"pack/a.py": "import pack.b\nimport beside\n", "pack/b.py": "", "beside.py": ""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    first = source_digest("pack.a", folder / "pack/a.py")
    (folder / "beside.py").write_text("x = 1\n")
    assert source_digest("pack.a", folder / "pack/a.py") == first
    (folder / "pack/b.py").write_text("x = 1\n")
    assert source_digest("pack.a", folder / "pack/a.py") != first


def test_raysqs_own_models_have_no_source(data):
    for model in ("dense", "raysq.problems.forecasting.models:dense"):
        config = resolve_config("jena", model, raysq.Dataset.open(data), 0, SETTINGS)
        assert config.source_digest == "" == config.source_folder
        assert config.id == type(config)(**{**vars(config), "source_folder": "/elsewhere"}).id


def test_a_module_is_imported_anew_once_it_was_edited(here):
    (here / "helper.py").write_text("value = 1\n")
    (here / "mine.py").write_text("from helper import value\n")
    first = import_source("mine")
    assert first.value == 1 and import_source("mine") is first
    digest = source_digest("mine", here / "mine.py")
    (here / "helper.py").write_text("value = 22\n")
    # A run that was begun with the first source goes on with it in this process.
    assert import_source("mine", digest).value == 1
    assert import_source("mine").value == 22
    with pytest.raises(SourceChanged, match="source of mine has changed"):
        import_source("mine", digest)
    with pytest.raises(ModuleNotFoundError, match="nothere"):
        import_source("nothere", digest, str(here))


def test_a_module_that_was_edited_before_raysq_saw_it_is_imported_anew(here):
    (here / "early.py").write_text("value = 1\n")
    import early

    (here / "early.py").write_text("value = 22\n")
    assert early.value == 1 and import_source("early").value == 22


def test_the_source_is_found_in_the_folder_where_it_was(here, tmp_path, monkeypatch):
    (here / "place.py").write_text("value = 1\n")
    digest = source_digest("place", here / "place.py")
    other = tmp_path / "other"
    other.mkdir()
    (other / "place.py").write_text("value = 2\n")
    monkeypatch.chdir(other)
    monkeypatch.setattr(sys, "path", [str(other), *[one for one in sys.path if one != str(here)]])
    assert import_source("place", digest, str(here)).value == 1
    assert sys.path[-1] == str(here)  # for what the module imports when it is called
    assert import_source("place").value == 2


def test_an_edited_model_is_trained_anew_and_the_older_run_keeps_its_figures(here, data, capsys):
    (here / "edited.py").write_text(MODEL)
    first = raysq.train("jena", data=data, model="edited:build", settings=SETTINGS)
    raysq.train("jena", data=data, model="edited:build", settings=SETTINGS, name="named")
    assert raysq.train("jena", data=data, model="edited:build", settings=SETTINGS).directory == first.directory
    x = np.linspace(0, 1, 24 * 14).reshape(1, 24, 14)[:, ::2].astype(np.float32)
    before = load(first).model(x).numpy()
    figures = raysq.evaluate(first)["edited:build"]

    (here / "edited.py").write_text(EDITED)
    second = raysq.train("jena", data=data, model="edited:build", settings=SETTINGS)
    assert second.directory != first.directory
    assert load(second).model.layers[1].activation.__name__ == "tanh"
    with pytest.raises(UsageError, match="run named exists with other settings .the model's source has changed."):
        raysq.train("jena", data=data, model="edited:build", settings=SETTINGS, name="named")
    # The first one still computes, and is measured, as it was trained.
    capsys.readouterr()
    assert np.array_equal(load(first).model(x).numpy(), before)
    assert "source has changed since run" in capsys.readouterr().err
    print_if_changed(first)  # as the driver does where actors load the model
    print_if_changed(second)
    assert capsys.readouterr().err.count("source has changed since run") == 1
    assert raysq.evaluate(first)["edited:build"] == figures
    assert raysq.evaluate(second)["edited:build"] != figures
    # Without its source too.
    (here / "edited.py").unlink()
    del sys.modules["edited"]
    importlib.invalidate_caches()
    assert np.array_equal(load(first).model(x).numpy(), before)


def test_an_interrupted_run_whose_source_has_changed_is_refused(here, data):
    (here / "half.py").write_text(MODEL)
    run = raysq.train("jena", data=data, model="half:build", settings=SETTINGS)
    (run.directory / "model.keras").unlink()
    (here / "half.py").write_text(EDITED)
    load_builder("half:build", trusted=True)  # this process would still have the first one
    with pytest.raises(SourceChanged, match="source has changed since run .* no model.keras"):
        raysq.evaluate(run)


def test_a_trial_trains_the_source_with_which_its_search_began(here, data):
    (here / "searched.py").write_text(MODEL)
    dataset = raysq.Dataset.open(data)
    config = resolve_config("jena", "searched:build", dataset, 0, SETTINGS)
    source = config.source_digest, config.source_folder
    assert resolve_config("jena", "searched:build", dataset, 0, SETTINGS, source).id == config.id
    (here / "searched.py").write_text(EDITED)
    assert resolve_config("jena", "searched:build", dataset, 0, SETTINGS, source).id == config.id  # in this process
    assert load_builder("searched:build", trusted=True) is not None
    with pytest.raises(SourceChanged):
        resolve_config("jena", "searched:build", dataset, 0, SETTINGS, source)
