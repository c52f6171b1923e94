"""The public surface: what `raysq` offers, lazily and typed."""

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import raysq
from raysq import api

PACKAGE = Path(raysq.__file__).parent
FUNCTIONS = [name for name in api.__all__ if inspect.isfunction(getattr(api, name))]


def python(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env={**os.environ, **environment}, check=True
    )
    return done.stdout


def test_dir_lists_what_there_is():
    assert set(raysq.__all__) == {*api.__all__, "search_job", "__version__"}
    assert set(raysq.__all__) <= set(dir(raysq))
    for name in raysq.__all__:
        assert getattr(raysq, name) is not None
    assert raysq.train is api.train and raysq.errors.DataError
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        raysq.trian  # noqa: B018


def test_no_name_stands_for_a_module_too():
    for name in raysq.__all__:
        assert not (PACKAGE / name).exists() and not (PACKAGE / f"{name}.py").exists()
    importlib.import_module("raysq.report.page")
    assert not callable(sys.modules["raysq.report"])


def test_importing_raysq_imports_next_to_nothing():
    code = "import sys, raysq; dir(raysq); raysq.__version__; print(*sys.modules)"
    loaded = python("-c", code).split()
    for heavy in ("numpy", "pyarrow", "pandas", "ray", "tensorflow", "keras", "rich", "raysq.api"):
        assert heavy not in loaded
    loaded = python("-c", "import sys, raysq.api; print(*sys.modules)").split()
    for heavy in ("pandas", "ray", "tensorflow", "keras", "vl_convert"):
        assert heavy not in loaded


def test_python_runs_the_package():
    assert python("-m", "raysq", "--version") == f"raysq {raysq.__version__}\n"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_are_documented_and_typed(name):
    function = getattr(raysq, name)
    signature, text = inspect.signature(function), inspect.getdoc(function) or ""
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, parameter
        assert parameter.name in text, f"{name}({parameter.name}) is not described"
    assert "Example:" in text and ">>> " in text


@pytest.mark.slow
def test_mypy_sees_the_true_signatures(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import raysq\nreveal_type(raysq.train)\nreveal_type(raysq.Dataset.open)\nraysq.trian\n")
    assert (PACKAGE / "py.typed").exists()
    options = ["--cache-dir", tmp_path / "cache", "--config-file", PACKAGE.parent / "pyproject.toml"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--follow-imports", "silent", script],
        capture_output=True,
        text=True,
        env={**os.environ, "MYPYPATH": str(PACKAGE.parent)},
        cwd=tmp_path,
    )
    assert "def (task: str, *, data: str | Path | None =" in done.stdout.replace("pathlib.", ""), done.stdout
    assert "-> raysq.training.run.Run" in done.stdout
    assert "-> raysq.data.dataset.Dataset" in done.stdout
    assert 'Module has no attribute "trian"' in done.stdout
