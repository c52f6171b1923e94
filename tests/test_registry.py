"""Tasks and problems of scripts and other packages: registered, found, validated."""

import sys
from dataclasses import dataclass, make_dataclass

import pytest

import raysq
from raysq import problems, tasks
from raysq.cli import main
from raysq.errors import UsageError
from raysq.problems.images.problem import Images
from raysq.problems.validation import validate_problem
from raysq.tasks.validation import validate_task


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    for registry in (problems.REGISTRY, tasks.REGISTRY):
        monkeypatch.setattr(registry, "registered", {})


def install(folder, monkeypatch, points, source=""):
    """Install a package, as pip does, that declares entry points."""
    info = folder / "strange-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)
    (folder / "strange.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    sys.modules.pop("strange", None)
    for registry in (problems.REGISTRY, tasks.REGISTRY):
        monkeypatch.setattr(registry, "_loaded", {})
        registry.__dict__.pop("_declared", None)


@pytest.fixture
def forgotten():
    yield
    for registry in (problems.REGISTRY, tasks.REGISTRY):
        registry.__dict__.pop("_declared", None)


def test_a_task_is_registered_and_replaced():
    task = raysq.Task(name="flowers", problem="images", title="flowers")
    assert raysq.register_task(task) is task and tasks.get("flowers") is task and "flowers" in tasks.names()
    again = raysq.Task(name="flowers", problem="images", title="other flowers")
    raysq.register_task(again)
    assert tasks.get("flowers") is again and tasks.REGISTRY.provider("flowers") == "raysq.tasks.task"


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("jena", "a task is a raysq.Task, received 'jena'"),
        ({"name": "a b"}, "its name must be letters"),
        ({"name": "mnist"}, "task 'mnist' is built in: give yours another name"),
        ({"problem": "image"}, "task 'x': unknown problem 'image': did you mean images?"),
        ({"preparation": {"colour": "gray"}}, "has no setting 'colour' of prepare: did you mean color?"),
        ({"published": (raysq.Published("cnm", "val_accuracy", 0.9, ""),)}, "has no model 'cnm': did you mean cnn?"),
        ({"published": {"cnn": 0.9}}, "published holds raysq.Published objects, received 'cnn'"),
        ({"search_model": "rnn"}, "problem 'images' has no model 'rnn'"),
    ],
)
def test_a_wrong_task_is_refused(task, message):
    if isinstance(task, dict):
        task = raysq.Task(**{"name": "x", "problem": "images", "title": "", **task})
    with pytest.raises(UsageError, match=message):
        raysq.register_task(task)
    assert not tasks.REGISTRY.registered


@dataclass
class Thawed:
    size: int = 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": None}, "its name must be letters"),
        ({"name": "images"}, "problem 'images' is built in"),
        ({"Settings": Thawed}, "its Settings must be a frozen dataclass: put @dataclass"),
        ({"Settings": dict}, "its Settings must be a frozen dataclass, received <class 'dict'>"),
        (
            {"Settings": make_dataclass("S", [("size", int, 1)], frozen=True)},
            "Settings and Preprocessor both have size",
        ),
        ({"Metadata": Thawed}, "its Metadata must be a frozen dataclass that extends raysq.Metadata"),
        ({"Metadata": type("M", (raysq.Metadata,), {})}, r"Metadata: put @dataclass\(frozen=True\) above M"),
        ({"Preprocessor": raysq.Preprocessor}, "its Preprocessor must be a frozen dataclass"),
        ({"models": {}}, "has no model 'baseline'"),
        ({"models": {"baseline": "a:b"}}, "its models must be raysq.ModelSpec objects by name"),
        ({"models": {"baseline": raysq.ModelSpec("build")}}, "is built by 'build', not by package.module:function"),
        ({"default_model": "cnm"}, "default_model 'cnm' is none of baseline, mlp, cnn, autoencoder"),
        ({"prepare_options": ("--size",)}, "its options must be raysq.Option objects"),
        ({"prepare_options": (raysq.Option("--hue", "N", ""),)}, "option --hue sets 'hue', which is no setting of its"),
    ],
)
def test_a_wrong_problem_is_refused(fields, message):
    wrong = type("Wrong", (Images,), {"name": "wrong", **fields})
    with pytest.raises(UsageError, match=message):
        raysq.register_problem(wrong)
    assert not problems.REGISTRY.registered


def test_an_incomplete_problem_is_refused():
    class Bare(raysq.Problem):
        name = "bare"

    with pytest.raises(UsageError, match="problem 'bare' lacks Settings, Preprocessor, models: set Settings = "):
        raysq.register_problem(Bare)
    partial = type("Partial", (Bare,), {name: getattr(Images, name) for name in ("Settings", "Preprocessor")})
    partial.models = Images.models
    with pytest.raises(UsageError, match="does not implement input_spec, make_metadata, objective, predict, splits$"):
        raysq.register_problem(partial)
    for wrong in (Images(None, None), "images", int):
        with pytest.raises(UsageError, match=r"a problem is a subclass of raysq\.Problem"):
            raysq.register_problem(wrong)


@pytest.mark.parametrize("name", tasks.names())
def test_what_is_built_in_is_valid(name):
    task = tasks.get(name)
    validate_task(task)
    validate_problem(problems.get(task.problem))


def test_entry_points_of_another_package(tmp_path, monkeypatch, forgotten, capsys):
    source = 'from raysq import Task\nSPACES = Task("spaces", "images", "pictures of stars")\n'
    install(tmp_path, monkeypatch, "[raysq.tasks]\nspaces = strange:SPACES\n", source)
    assert tasks.get("spaces").title == "pictures of stars" and tasks.REGISTRY.provider("spaces") == "strange"
    with pytest.raises(UsageError, match="task 'spaces' is one of package strange: give yours another name"):
        raysq.register_task(raysq.Task("spaces", "images", ""))
    monkeypatch.setenv("RAYSQ_HOME", str(tmp_path / "home"))
    assert main(["tasks", "--json"]) == 0
    assert '"pictures of stars"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("point", "source", "message"),
    [
        ("x = strange:X", "1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("x = strange:X", "", "cannot be imported: AttributeError"),
        ("x = strange:X", "X = 3", "cannot be used: a task is a raysq.Task, received 3"),
        ("x = strange:X", 'import raysq\nX = raysq.Task("y", "images", "")', "is named 'y': give its entry point this"),
        ("mnist = strange:X", "", "has the name of a built-in one: rename it"),
    ],
)
def test_a_broken_package_breaks_nothing_else(tmp_path, monkeypatch, forgotten, capsys, point, source, message):
    install(tmp_path, monkeypatch, f"[raysq.tasks]\n{point}\n[raysq.problems]\ny = strange:Y\n", source)
    name = point.partition(" ")[0]
    assert message in str(tasks.errors()[name])
    assert set(tasks.usable()) >= {"jena", "mnist"}
    if name == "x":
        with pytest.raises(UsageError, match="task 'x' of package strange"):
            tasks.get("x")
    else:
        assert tasks.get(name).title.startswith("MNIST")
    monkeypatch.setenv("RAYSQ_HOME", str(tmp_path / "home"))
    assert main(["tasks"]) == 0
    assert f"a task is left out: task {name!r} of package strange" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(SystemExit):  # the options of `y` are left out
        main(["prepare", "--help"])
