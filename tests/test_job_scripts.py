"""The job scripts: every task of public data has one, and what it searches are settings of its model."""

import dataclasses
import os
import runpy
from pathlib import Path

import pytest

import raysq
from raysq import problems, tasks
from raysq.config import setting_fields
from raysq.training.builder import find_model, load_builder
from raysq.training.settings import TrainSettings

JOBS = sorted((Path(__file__).resolve().parents[1] / "jobs").glob("tune_*.py"))


def test_every_task_has_a_script_that_can_be_submitted():
    own = {"forecast", "classify", "text", "pairs", "images", "arrays"}  # for the user's own data
    assert {path.stem.removeprefix("tune_") for path in JOBS} >= set(tasks.names()) - own - {"beijing"}
    assert all(os.access(path, os.X_OK) for path in JOBS)


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_the_space_of_a_script_are_settings_of_its_model(path, monkeypatch):
    asked = {}
    monkeypatch.setattr(raysq, "search_job", lambda task, about, **rest: asked.update(rest, task=task, about=about))
    runpy.run_path(str(path))
    task = tasks.get(asked["task"])
    problem = problems.get(task.problem)
    assert path.name in asked["about"]
    builder = load_builder(find_model(problem, asked["model"]).build, trusted=True)
    known = {**setting_fields(problem.Settings), **setting_fields(builder), **setting_fields(TrainSettings)}
    assert set(asked["space"]) <= set(known)
    assert set(task.search) <= {*known, *(field.name for field in dataclasses.fields(TrainSettings))}
