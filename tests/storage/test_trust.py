"""Folders from elsewhere: whatever a command or function does with one, nothing in it runs and nothing is written
outside."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from training.series import SMALL, write_series

import raysq
from raysq import cli
from raysq.data.dataset import Dataset
from raysq.distributed.cluster import ensure_ray
from raysq.errors import DamagedError, DataError, RaysqError, TrustError, UsageError
from raysq.inference.predictor import load
from raysq.report.search_analysis import open_experiment
from raysq.storage import trust
from raysq.storage.atomic import write_json
from raysq.storage.json_files import seal
from raysq.training.builder import load_builder
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.experiment_files import write_best
from raysq.training.keras_file import ForbiddenError, UnknownError, check_file, check_objects
from raysq.training.run import FORMAT_VERSION, Run, runs
from raysq.training.run_config import RunConfig, resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

SETTINGS = {**SMALL, "epochs": 1, "steps_per_epoch": 2, "units": 4, "xla": "false"}
MODEL = """
from pathlib import Path
import keras
Path({canary!r}).touch()

def build(inputs, *, units: int = 4):
    return keras.Sequential(
        [keras.Input(inputs.shape), keras.layers.Flatten(), keras.layers.Dense(units), keras.layers.Dense(1)]
    )
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with a data set and a finished run of a model of raysq's."""
    folder = tmp_path_factory.mktemp("kept")
    config = resolve_config("jena", "dense", write_series(folder / "waves", rows=600), 0, SETTINGS)
    run = Run.create(config, name="run", folder=folder)
    configure(config.train_settings(), 0, gpu=False)
    run_worker(run, None, TrainingCallbacks(tensorboard=False))
    return folder


class Elsewhere:
    """A run from elsewhere, in a folder of its own that is the current one, with modules that write a canary."""

    def __init__(self, folder: Path, kept: Path):
        self.folder, self.canary = folder, folder.parent / "canary"
        folder.mkdir()
        self.run = Path(shutil.copytree(kept / "run", folder / "run"))
        self.config = json.loads((self.run / "config.json").read_text())
        self.model("evil:build")
        for name in ("evil", "tensorboard", "numpy", "keras_hub", "helper"):
            (folder / f"{name}.py").write_text(MODEL.format(canary=str(self.canary)))

    def model(self, name: str, **more: object) -> None:
        self.change(model=name, **{"settings": self.settings(units=4), **more})

    def settings(self, **builder: object) -> dict[str, dict[str, object]]:
        """The run's settings, with others of its model."""
        return {**self.config["settings"], "model": builder}

    def change(self, **values: object) -> None:
        """Writes another config.json, whose checksum is right: anybody can make one."""
        values = {key: value for key, value in {**self.config, **values}.items() if key != "checksum"}
        write_json(self.run / "config.json", values)

    def is_safe(self) -> bool:
        return not self.canary.exists() and "evil" not in sys.modules


@pytest.fixture
def elsewhere(tmp_path, kept, monkeypatch):
    found = Elsewhere(tmp_path / "elsewhere", kept)
    monkeypatch.chdir(found.folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield found
    sys.modules.pop("evil", None)


COMMANDS = {
    "evaluate": ["evaluate", "run"],
    "report": ["report", "run", "--output", "page.html"],
    "predict": ["predict", "run", "--input", "rows.csv"],
    "export": ["export", "run", "--format", "json"],
    "generate": ["generate", "run"],
    "translate": ["translate", "run", "--text", "one"],
    "neighbors": ["neighbors", "run", "word"],
    "two": ["report", "run", "run", "--output", "page.html"],
    "train": ["train", "jena", "--config", "best.json"],
    "runs": ["runs"],
}


MODELS = ["evil:build", "cProfile:run", "raysq.storage.atomic:write_text", "../evil:build"]


@pytest.mark.parametrize(
    ("command", "model"),
    # A report of two runs takes seconds, and opens each run as that of one does.
    [(command, model) for command in COMMANDS for model in (MODELS[:1] if command == "two" else MODELS)],
)
def test_no_command_runs_what_a_folder_from_elsewhere_names(elsewhere, kept, capsys, raysq_home, command, model):
    settings = elsewhere.settings(filename=str(elsewhere.canary))
    elsewhere.model(model, settings=settings, source_folder=str(elsewhere.folder))
    shutil.copytree(elsewhere.run, raysq_home / "runs" / "run")
    # Without a saved model, all that needs one would have to build it.
    (elsewhere.run / "model.keras").unlink()
    best = {"task": "jena", "model": model, "seed": 0, "data": str(kept / "waves"), "settings": {}, "metrics": {}}
    write_json(elsewhere.folder / "best.json", {**best, "run": "run", "seconds": 1.0})
    (elsewhere.folder / "rows.csv").write_text("a\n1\n")
    code = cli.main(COMMANDS[command])
    lines = capsys.readouterr().err.splitlines()
    assert elsewhere.is_safe()
    if command in ("evaluate", "train"):
        (line,) = [line for line in lines if line.startswith("raysq:")]
        assert code == 1 and repr(model) in line and "Nothing was run" in line and "--trust" in line
        assert ("--model " + model in line) == (command == "train")
    elif command in ("report", "two"):
        assert code == 0 and any("was not made by this home" in line for line in lines)
        assert "Nothing was run" in (elsewhere.folder / "page.html").read_text()
    else:
        assert code == (0 if command == "runs" else code) and sum(line.startswith("raysq:") for line in lines) <= 1


def test_a_model_of_keras_alone_is_used_without_its_module(elsewhere):
    x = np.zeros((1, 12, 14), np.float32)
    assert raysq.evaluate(elsewhere.run)["evil:build"]["val_loss"] > 0
    assert load(elsewhere.run).model(x).shape == (1, 1)
    assert elsewhere.is_safe()


def test_with_trust_the_module_is_imported_and_built_with_settings_of_its_types(elsewhere):
    assert raysq.evaluate(elsewhere.run, trust=True)["evil:build"]["val_loss"] > 0
    assert elsewhere.canary.exists()
    dataset = Dataset.open(elsewhere.config["data"])
    for builder, message in (({"units": "many"}, "units must be a whole number"), ({"path": "/"}, "no setting 'path'")):
        elsewhere.model("evil:build", settings=elsewhere.settings(**builder))
        with pytest.raises(UsageError, match=message):
            Run.open(elsewhere.run, trust=True).config.build(dataset)


@pytest.mark.parametrize("model", ["os:system", "cProfile:run", "antigravity:geohash"])
def test_what_is_part_of_python_is_no_builder_though_it_is_named(elsewhere, model):
    with pytest.raises(UsageError, match="is part of Python and builds no models"):
        load_builder(model, trusted=True)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("name", ["length", "Thing"])
def test_a_builder_is_a_function_of_python_or_a_class_of_models(elsewhere, name):
    (elsewhere.folder / "odd.py").write_text("length = len\nclass Thing: pass\n")
    with pytest.raises(UsageError, match="not a function written in Python"):
        load_builder(f"odd:{name}", trusted=True)


def test_a_run_is_of_the_home_that_made_it_wherever_that_lies(elsewhere, kept, raysq_home, monkeypatch, tmp_path):
    own = Run.create(resolve_config("jena", "evil:build", Dataset.open(kept / "waves"), 0, SETTINGS), name="own")
    assert (raysq_home / "signing-key").stat().st_mode & 0o777 == 0o600
    assert Run.open("own").config.may_import and Run.open("own").config == own.config
    moved = Path(shutil.copytree(raysq_home, tmp_path / "moved"))
    other = Path(shutil.copytree(own.directory, tmp_path / "other" / "runs" / "own"))
    monkeypatch.setenv("RAYSQ_HOME", str(moved))
    assert Run.open("own").config.may_import
    monkeypatch.setenv("RAYSQ_HOME", str(tmp_path / "other"))
    assert not Run.open("own").config.may_import  # without a key
    assert trust.sign("run", {}) and not Run.open("own").config.may_import  # and with another one
    # The user who names the model, and trains the same, makes it a run of this home.
    assert Run.create(own.config, name="own").config.may_import and Run.open(other).config.may_import


@pytest.mark.parametrize("change", [{"model": "evil:other"}, {"seed": 5}, {"source_folder": "/tmp"}])
def test_a_signed_config_that_was_changed_is_foreign(elsewhere, kept, change):
    own = Run.create(resolve_config("jena", "evil:build", Dataset.open(kept / "waves"), 0, SETTINGS), name="own")
    path = own.directory / "config.json"
    values = json.loads(path.read_text())
    del values["checksum"]
    write_json(path, {**values, **change})
    assert not Run.open("own").config.may_import
    write_json(path, {**asdict(own.config), "format_version": FORMAT_VERSION})  # without a signature
    assert not Run.open("own").config.may_import


def test_a_config_cannot_say_that_it_is_trusted(elsewhere):
    elsewhere.change(trusted=True)
    with pytest.raises(DamagedError, match="'trusted' is unknown"):
        Run.open(elsewhere.run)
    elsewhere.change(signature=["?"])
    assert not Run.open(elsewhere.run).config.may_import


def test_an_own_run_does_not_import_a_module_of_that_name_in_the_current_folder(elsewhere, kept, tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "evil.py").write_text(MODEL.format(canary=str(mine / "imported")))
    monkeypatch.chdir(mine)
    own = Run.create(resolve_config("jena", "evil:build", Dataset.open(kept / "waves"), 0, SETTINGS), name="own")
    shutil.copy(elsewhere.run / "model.keras", own.directory)
    monkeypatch.chdir(elsewhere.folder)
    del sys.modules["evil"]
    assert load(own.directory).model is not None and not elsewhere.canary.exists()
    # Neither where its own was edited since.
    (mine / "evil.py").write_text((mine / "evil.py").read_text() + "# edited\n")
    del sys.modules["evil"]
    assert load(own.directory).model is not None and not elsewhere.canary.exists()


def test_what_a_search_found_is_its_homes(tmp_path):
    best = {"task": "jena", "model": "evil:build", "seed": 0, "data": "", "settings": {}, "metrics": {}, "run": ""}
    write_best(tmp_path, {**best, "seconds": 1.0})
    from raysq.training.config_file import ConfigFile

    assert ConfigFile.read(tmp_path, "jena").model_for(None) == "evil:build"
    write_json(tmp_path / "best.json", {**best, "seconds": 1.0})
    foreign = ConfigFile.read(tmp_path, "jena")
    assert foreign.model_for(None, trust=True) == foreign.model_for("evil:build") == "evil:build"
    with pytest.raises(TrustError, match="give --model evil:build or --trust"):
        foreign.model_for(None)


def test_many_processes_make_one_key(raysq_home):
    program = "from raysq.storage import trust; print(trust.sign('run', {}))"
    ran = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({one.communicate()[0] for one in ran}) == 1
    assert (raysq_home / "signing-key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_cannot_be_read_or_was_cut_signs_nothing(raysq_home):
    signature = trust.sign("run", {"a": 1})
    assert trust.is_signed("run", {"a": 1}, signature)
    assert not trust.is_signed("best", {"a": 1}, signature) and not trust.is_signed("run", {"a": 2}, signature)
    (raysq_home / "signing-key").write_bytes(b"short")
    assert not trust.is_signed("run", {"a": 1}, signature)
    (raysq_home / "signing-key").unlink()
    (raysq_home / "signing-key").mkdir()
    assert trust.sign("run", {"a": 1}) is None and not trust.is_signed("run", {"a": 1}, signature)


# ---- modules in the current folder


def test_the_current_folder_is_not_searched_for_raysqs_own_models(elsewhere, kept):
    before = list(sys.path)
    resolve_config("jena", "dense", Dataset.open(kept / "waves"), 0, SETTINGS)
    assert sys.path == before


def test_what_a_module_imports_beside_it_takes_the_place_of_nothing(elsewhere):
    (elsewhere.folder / "mine.py").write_text(
        "import numpy, tensorboard, beside\n\ndef build(inputs):\n    import later\n    return later.value\n"
    )
    (elsewhere.folder / "beside.py").write_text("")
    (elsewhere.folder / "later.py").write_text("value = 1\n")
    sys.modules.pop("tensorboard", None)
    assert load_builder("mine:build", trusted=True)(None) == 1
    assert sys.path[-1] == str(elsewhere.folder) and not elsewhere.canary.exists()


@pytest.mark.parametrize(
    "command",
    [["-m", "raysq", "verify", "../waves"], [str(Path(sys.executable).with_name("raysq")), "evaluate", "run"]],
)
def test_modules_in_the_current_folder_do_not_run(elsewhere, kept, command):
    shutil.copytree(kept / "waves", elsewhere.folder.parent / "waves")
    started = [sys.executable, *command]
    environment = {**os.environ, "PYTHONPATH": str(Path(raysq.__file__).parents[1])}
    done = subprocess.run(started, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and not elsewhere.canary.exists(), done.stderr


def test_processes_of_ray_do_not_search_the_current_folder(elsewhere, monkeypatch):
    began = []
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", lambda **given: began.append(given["job_config"]))
    for address in (None, "auto"):
        monkeypatch.setenv("RAY_ADDRESS", address) if address else monkeypatch.delenv("RAY_ADDRESS", raising=False)
        ensure_ray()
        # With a folder of its own, Ray adds none to those of the job.
        assert began[-1]._runtime_env_has_working_dir()
        assert str(elsewhere.folder) not in began[-1]._py_driver_sys_path


# ---- model files


def layer(module: str, name: str, **config: object) -> dict:
    return {"module": module, "class_name": name, "config": config, "registered_name": None}


def function(module: str, name: str) -> dict:
    return {"module": module, "class_name": "function", "config": name, "registered_name": name}


@keras.saving.register_keras_serializable("trust_tests")
def danger(x):
    raise AssertionError


GADGETS = {
    "a function that reads files": function("keras.utils", "get_file"),
    "one that writes": layer("keras.layers", "Lambda", function=function("keras.utils", "plot_model")),
    "one that downloads": layer("keras.layers", "Lambda", function=function("keras.applications", "VGG16")),
    "one that unpickles": layer("keras.layers", "Lambda", function=function("keras.datasets.imdb", "load_data")),
    "one that looks up": layer("keras.layers", "Lambda", function=function("keras.losses", "deserialize")),
    "one that changes Keras": layer("keras.layers", "Lambda", function=function("keras.config", "set_backend")),
    "a lambda": layer("keras.layers", "Lambda", function={"class_name": "__lambda__", "config": {"code": "4wEAAA=="}}),
    "a SavedModel": layer("keras.layers", "TFSMLayer", filepath="/tmp/model"),
    "a callback": layer("keras.callbacks", "CSVLogger", filename="canary"),
    "no layer": layer("keras.export", "ExportArchive"),
    "a type of TensorFlow's": {**layer("keras", "x"), "class_name": "__typespec__", "spec_name": "TensorSpec"},
    "another module": layer("os", "system", command="touch canary"),
    "a package that is not installed": layer("keras_hub.models", "Backbone"),
    "one that another module has registered": function("builtins", "trust_tests>danger"),
    "its name alone": layer("keras.layers", "Dense", units=1, activation="trust_tests>danger"),
    "another backend": layer("keras.src.backend.torch.trainer", "TorchTrainer"),
    "no name": {"class_name": ["Dense"], "config": {}},
}


@pytest.mark.parametrize("gadget", GADGETS)
def test_a_model_file_names_parts_of_models_alone(elsewhere, gadget):
    inner = GADGETS[gadget]
    model = layer("keras", "Sequential", layers=[layer("keras.layers", "InputLayer", batch_shape=[None, 2]), inner])
    with pytest.raises((ForbiddenError, UnknownError)):
        check_objects(model, registered=False)
    path = elsewhere.run / "model.keras"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**parts, "config.json": json.dumps(model)}.items():
            archive.writestr(name, content)
    for name in ("dense", "evil:build"):
        elsewhere.model(name)
        with pytest.raises(RaysqError) as caught:
            load(elsewhere.run)
        assert "\n" not in str(caught.value) and elsewhere.is_safe()
    assert not list(elsewhere.folder.glob("canary*"))


def test_a_model_file_holds_its_parts_alone(elsewhere):
    with zipfile.ZipFile(elsewhere.run / "model.keras", "a") as archive:
        archive.writestr("assets/../../canary", "")
    with pytest.raises(ForbiddenError, match="canary"):
        check_file(elsewhere.run / "model.keras", registered=True)


@pytest.mark.parametrize("kind", ["external link", "soft link", "external file", "virtual"])
def test_weights_lie_in_the_model_file(elsewhere, kind):
    outside = elsewhere.folder.parent / "outside.h5"
    path = elsewhere.run / "model.keras"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    (elsewhere.folder / "weights.h5").write_bytes(parts["model.weights.h5"])
    with h5py.File(elsewhere.folder / "weights.h5", "r+") as file:
        found: list[str] = []
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        values = file[found[0]][()]
        with h5py.File(outside, "w") as other:
            other["values"] = values
        del file[found[0]]
        if kind == "external link":
            file[found[0]] = h5py.ExternalLink(str(outside), "values")
        elif kind == "soft link":
            file[found[0]] = h5py.SoftLink(f"/{found[1]}")
        elif kind == "external file":
            file.create_dataset(found[0], values.shape, values.dtype, external=[(str(outside), 0, values.nbytes)])
        else:
            layout = h5py.VirtualLayout(values.shape, values.dtype)
            layout[:] = h5py.VirtualSource(str(outside), "values", values.shape)
            file.create_virtual_dataset(found[0], layout)
    parts["model.weights.h5"] = (elsewhere.folder / "weights.h5").read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    elsewhere.model("dense")
    with pytest.raises(DataError, match="cannot be read"):
        load(elsewhere.run)


# ---- links


@pytest.mark.parametrize("name", ["metrics.jsonl", "checkpoints", "report.html", "exports", "assets/x", ".lock"])
def test_a_link_that_leads_out_of_a_run_is_refused(elsewhere, tmp_path, capsys, name):
    outside = tmp_path / "outside"
    outside.write_text("as it was")
    path = elsewhere.run / name
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(outside)
    elsewhere.model("dense")
    for command in ("evaluate", "report", "export"):
        assert cli.main([command, "run"]) == 1
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("raysq:")]
        assert f"{path} is a link that leads out" in line
    assert outside.read_text() == "as it was"


def test_a_search_from_elsewhere_reads_its_own_runs_alone(elsewhere, kept, tmp_path, capsys):
    folder = tmp_path / "search"
    about = {"id": "x", "task": "jena; rm -r .", "problem": "forecasting", "model": "evil:build", "data": "", "seed": 0}
    about |= {"synthetic": True, "space": {"units": [1, 2]}, "fixed": {}, "defaults": {"units": 1}, "requested": {}}
    write_json(folder / "experiment.json", {"format_version": 4, **about})
    trial = {"settings": {"units": 1}, "state": "finished", "epochs": 1, "seconds": 1.0, "error": None, "val_loss": 0.5}
    write_json(folder / "trials.json", [{**trial, "number": 1, "run": str(kept / "run")}])
    best = {"task": "jena; rm -r .", "model": "evil:build", "seed": 0, "data": "", "settings": {}, "metrics": {}}
    write_json(folder / "best.json", {**best, "run": str(kept / "run"), "seconds": 1.0})
    found = open_experiment(folder)
    assert found.run_of(found.trials[0]) is None and not found.records
    # Its trials are runs like others.
    shutil.copytree(elsewhere.run, folder / "trials" / "run")
    (folder / "trials" / "run" / "model.keras").unlink()
    assert cli.main(["report", str(folder), "--output", "page.html"]) == 0
    page = Path("page.html").read_text()
    assert "Nothing was run" in page and "raysq train &#x27;jena; rm -r .&#x27; --config" in page.replace(
        "&#39;", "&#x27;"
    )
    assert elsewhere.is_safe()
    (folder / "refit").symlink_to(tmp_path)
    for command in (["report", str(folder)], ["tune", "jena", "--name", "search", "--storage", str(tmp_path)]):
        capsys.readouterr()
        assert cli.main([*command, *(["--data", str(kept / "waves")] if command[0] == "tune" else [])]) == 1
        assert "refit is a link that leads out" in capsys.readouterr().err


def test_a_lock_follows_no_link(raysq_home, kept, tmp_path):
    (tmp_path / "outside").write_text("as it was")
    run = Path(shutil.copytree(kept / "run", raysq_home / "runs" / "run"))
    (run / "result.json").unlink()
    (run / ".lock").unlink(missing_ok=True)
    (run / ".lock").symlink_to(tmp_path / "outside")
    assert Run(run, Run.open(kept / "run").config).state() == "interrupted"
    assert not runs(lambda *damaged: None)
    assert (tmp_path / "outside").read_text() == "as it was"


@pytest.mark.parametrize("name", ["shard-00000.arrow", "manifest.json"])
def test_a_link_that_leads_out_of_a_data_set_is_refused(tmp_path, kept, name):
    data = Path(shutil.copytree(kept / "waves", tmp_path / "foreign" / "waves"))
    shutil.move(data / name, tmp_path / name)
    (data / name).symlink_to(tmp_path / name)
    for use in (Dataset.open, lambda path: raysq.train("jena", data=path)):
        with pytest.raises(DataError, match=rf"{name} is a link that leads out of .*: copy"):
            use(data)
    assert cli.main(["verify", str(data)]) == 1


@pytest.mark.parametrize("name", ["/etc/passwd", "../outside.arrow", "a/b.arrow", "..", ""])
def test_a_manifest_names_files_of_its_folder_alone(tmp_path, kept, capsys, name):
    data = Path(shutil.copytree(kept / "waves", tmp_path / "waves"))
    values = json.loads((data / "manifest.json").read_text())
    del values["checksum"]
    values["shards"][0]["file"] = name
    (data / "manifest.json").write_text(json.dumps(seal(values)))
    assert cli.main(["verify", str(data)]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("raysq:")]
    assert "a file in it is none of this folder" in line


def test_looking_at_a_data_set_writes_nothing_beside_it(tmp_path, kept):
    folder = tmp_path / "foreign"
    shutil.copytree(kept / "waves", folder / "waves")
    before = sorted(folder.rglob("*"))
    Dataset.open(folder / "waves").column("p (mbar)")
    assert cli.main(["verify", str(folder / "waves")]) == 0
    assert sorted(folder.rglob("*")) == before


def test_data_of_a_run_are_read_as_a_data_set_alone(elsewhere, tmp_path):
    elsewhere.model("dense", data="/etc")
    with pytest.raises(DataError, match="no data set in /etc"):
        raysq.evaluate(elsewhere.run)


def test_a_cache_that_came_with_a_run_is_not_believed(elsewhere):
    elsewhere.model("dense")
    page = raysq.write_report(elsewhere.run, output=elsewhere.folder / "page.html")
    path = elsewhere.run / "report-cache.json"
    values = json.loads(path.read_text())
    del values["checksum"]
    values["evaluation"]["messages"] = ["as the cache says"]
    write_json(path, values)
    assert "as the cache says" in raysq.write_report(elsewhere.run, output=page).read_text()  # of this home
    (Path(os.environ["RAYSQ_HOME"]) / "signing-key").unlink()
    assert "as the cache says" not in raysq.write_report(elsewhere.run, output=page).read_text()


def test_trust_is_no_part_of_a_configuration(kept):
    config = Run.open(kept / "run").config
    assert "trusted" not in asdict(config) and RunConfig(**asdict(config), trusted=True) == config
