"""Prepare a task's data: convert raw files to a data set on disk, unless an equal data set exists."""

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from raysq import problems, tasks
from raysq.config import make_settings, merge_settings, nearest_name, setting_fields
from raysq.data import sources
from raysq.data.dataset import MANIFEST, Dataset, read_manifest, write_manifest
from raysq.data.pipeline import UNFINISHED, build, fingerprint, rows_of_shard
from raysq.data.preprocessor import Preprocessor
from raysq.data.sources import ResolvedSource
from raysq.errors import DataError, RaysqError, UsageError
from raysq.problems.base import Problem
from raysq.storage.paths import check_name, file_lock, home
from raysq.storage.uris import redact
from raysq.tasks import datasets
from raysq.tasks.task import Task


def prepare(
    task: Task | str,
    source: Any = None,
    *,
    validation: Any = None,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    fresh: bool = False,
    shard_rows: int | None = None,
    quiet: bool = False,
) -> Dataset:
    """Prepare a task's data, unless an equal data set exists.

    Args:
        task: A task or its name.
        source: `sample[:LENGTH]`, a file, a folder, a URL, a URI (s3://, gs://, abfs://), or rows in Python: a pandas
            or Polars DataFrame, a pyarrow Table, a dict of columns, a data set of Ray, Hugging Face or tf.data, or an
            iterable of dicts (see `raysq.data.frames.to_table`). Defaults to the task's published data.
        validation: Rows to validate on, in any form that `source` takes but a sample. Defaults to those that the source
            says, or else to a share of its rows that is chosen when training.
        name: Name of the data set. Defaults to the beginning of its fingerprint.
        settings: Settings of the preprocessor, which override those of the task, and of the batch source (targets,
            lookback, ...). The latter are stored with the data set as defaults of training; changing only these
            does not prepare the data again.
        fresh: Whether to prepare again even if nothing has changed, replacing a data set of the same name. Defaults to
            False.
        shard_rows: Number of rows of a shard. Defaults to a number that suits the problem's rows.
        quiet: Whether to print nothing. Defaults to False.

    Returns:
        The data set.

    Raises:
        UsageError: If a setting is unknown or does not fit the data, or `name` is not a valid name.
        SourceError: If the raw data cannot be obtained.
        DataError: If the raw data cannot be used as they are, or other data have the name.

    Example:
        >>> raysq.prepare("jena", source="sample:60d", name="small").rows
        8640
    """
    task = tasks.get(task) if isinstance(task, str) else task
    problem = problems.get(task.problem)
    of_preprocessor, chosen = divide_settings(problem, settings or {})
    preprocessor = make_settings(problem.Preprocessor, {**task.preparation, **of_preprocessor})
    if name is not None:
        check_name(name, "data set")
    resolved, validating = resolve_source(task, problem, preprocessor, source, validation, quiet)
    with frames_named(resolved, validating):
        if validating is not None:
            resolved = resolved.with_validation(validating)
        return _prepared(task, problem, preprocessor, resolved, of_preprocessor, chosen, name, fresh, shard_rows, quiet)


def _prepared(
    task: Task,
    problem: type[Problem[Any, Any]],
    preprocessor: Preprocessor,
    resolved: ResolvedSource,
    given: Mapping[str, Any],
    chosen: dict[str, Any],
    name: str | None,
    fresh: bool,
    shard_rows: int | None,
    quiet: bool,
) -> Dataset:
    """Return the data set of resolved raw data; `given` and `chosen` are settings that `divide_settings` returns."""
    say = _sayer(quiet)
    preprocessor, messages = preprocessor.infer(resolved.files)
    messages = [*messages, *resolved.messages]
    if resolved.validation is not None:
        with sources.of_validation():
            preprocessor, lines = preprocessor.with_validation(resolved.validation.files, given.keys())
        messages += [f"validates on {resolved.validation.label}", *lines, *resolved.validation.messages]
    shard_rows = rows_of_shard(preprocessor, shard_rows)
    chosen, lines = with_defaults(task, preprocessor, chosen)
    messages += lines
    if messages:
        say(f"{resolved.label}:")
        for line in messages:
            say(f"  {line}")
    folder = home() / "data" / task.name
    with file_lock(folder / ".lock", lambda: say(f"waiting for another `raysq prepare {task.name}`")):
        for leftover in folder.glob(UNFINISHED + "*"):
            shutil.rmtree(leftover, ignore_errors=True)
        target = None if name is None else folder / name
        same = None if fresh else _same(task, target, preprocessor, resolved, shard_rows)
        if same is not None:
            return _again(say, task, same, chosen, resolved)
        began = time.monotonic()
        dataset = build(
            preprocessor,
            resolved,
            target or folder,
            {"task": task.name, "problem": problem.name},
            named=target is not None,
            settings=chosen,
            messages=messages,
            shard_rows=shard_rows,
            quiet=quiet,
            check=partial(_check_settings, task, settings=chosen) if chosen else None,
        )
        _summary(say, preprocessor, resolved, dataset, time.monotonic() - began, messages)
    return dataset


def resolve_source(
    task: Task,
    problem: type[Problem[Any, Any]],
    preprocessor: Preprocessor,
    source: Any,
    validation: Any,
    quiet: bool,
) -> tuple[ResolvedSource, ResolvedSource | None]:
    """Find the raw data, and those to validate on if they are given."""
    published = task.source
    options = {**preprocessor.source_options, "quiet": quiet}
    resolved = sources.resolve(
        source,
        url=published.url if published else None,
        sha256=published.sha256 if published else None,
        sample=_sample(task, problem),
        **options,
    )
    if validation is None:
        return resolved, None
    if isinstance(validation, str) and validation.partition(":")[0] == sources.SAMPLE:
        raise UsageError(
            f"--validation takes no sample, received {validation!r}: give a file, or ./sample for its path"
        )
    with sources.of_validation():
        return resolved, sources.resolve(validation, **options)


@contextlib.contextmanager
def frames_named(resolved: ResolvedSource, validating: ResolvedSource | None) -> Iterator[None]:
    """Call rows in memory "the frame" in errors, in place of the file that they are written to."""
    names = {file.name: "the frame" for file in resolved.raw if _is_frame(file.name)}
    if validating is not None:
        others = {file.name: "the frame to validate on" for file in validating.raw if _is_frame(file.name)}
        names = {**others, **names}
    try:
        yield
    except RaysqError as error:
        for file, name in names.items():
            error.message = re.sub(rf"{re.escape(file)}:(\d+)", rf"row \1 of {name}", error.message)
            error.message = error.message.replace(file, name)
        raise


def _is_frame(name: str) -> bool:
    return re.fullmatch(r"frame-[0-9a-f]{16}\.\w+", name) is not None


def _sample(task: Task, problem: type[Problem[Any, Any]]) -> Callable[[str], Path] | None:
    """Return the function that writes synthetic raw data of a length, or None if there is none."""
    if task.sample is None and problem.write_sample.__func__ is Problem.write_sample.__func__:  # type: ignore[attr-defined]
        return None

    def write(spec: str) -> Path:
        folder = home() / "sources" / f"sample-{problem.name}"
        folder.mkdir(parents=True, exist_ok=True)
        return (task.sample or problem.write_sample)(folder, spec)

    return write


def divide_settings(
    problem: type[Problem[Any, Any]], settings: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide settings into those of the preprocessor and those of the batch source."""
    before, after = setting_fields(problem.Preprocessor), setting_fields(problem.Settings)
    for key in settings:
        if key in problem.refused_settings:
            raise UsageError(f"setting {key}: {problem.refused_settings[key]}")
        if key not in before and key not in after:
            raise UsageError(f"unknown setting {key!r} of prepare: {nearest_name(key, {**before, **after})}")
    return (
        {key: value for key, value in settings.items() if key in before},
        {key: value for key, value in settings.items() if key not in before},
    )


def with_defaults(task: Task, preprocessor: Preprocessor, chosen: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Add defaults inferred from the columns to the settings of the batch source.

    Returns:
        The settings, ready for JSON, and messages about the defaults.
    """
    known = setting_fields(problems.get(task.problem).Settings)
    of_task = {key: value for key, value in task.settings.items() if key in known}
    inferred, lines = preprocessor.infer_defaults(chosen, of_task)
    return json.loads(json.dumps({**chosen, **inferred})), lines


def _check_settings(task: Task, dataset: Dataset, settings: Mapping[str, Any]) -> None:
    """Validate that examples can be made from the data set with these settings."""
    problem = problems.get(task.problem)
    fields = setting_fields(problem.Settings)
    of_task = {key: value for key, value in task.settings.items() if key in fields}
    resolved = problem.resolve_settings(merge_settings(of_task, settings, problem.exclusive_settings), dataset)
    make_settings(problem.Settings, resolved)


def _again(say: Any, task: Task, dataset: Dataset, chosen: dict[str, Any], source: ResolvedSource) -> Dataset:
    """Return an existing data set, updating its stored settings to those requested."""
    before = dataset.manifest.settings
    changed = [key for key in {**before, **chosen} if before.get(key) != chosen.get(key)]
    if not changed:
        say(f"{dataset.manifest.name}: {source.label} is prepared already, nothing to do ({dataset.directory})")
        os.utime(dataset.directory / MANIFEST)  # makes it the task's newest data set
        return dataset
    _check_settings(task, dataset, chosen)
    write_manifest(dataset.directory, replace(dataset.manifest, settings=chosen))
    shown = ", ".join(f"{key} {_shown(before.get(key))} -> {_shown(chosen.get(key))}" for key in changed)
    say(f"{dataset.manifest.name}: {source.label} is prepared already, its settings are changed: {shown}")
    return Dataset.open(dataset.directory)


def _shown(value: Any) -> str:
    if value is None:
        return "default"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _same(
    task: Task, target: Path | None, preprocessor: Preprocessor, source: ResolvedSource, shard_rows: int
) -> Dataset | None:
    """Return an existing data set equal to the one requested, or None.

    Raises:
        DataError: If the target's name belongs to other data.
    """
    sizes = [file.bytes for part in (source, source.validation) if part for file in part.raw]
    for directory in (
        [dataset.directory for dataset in datasets.open_datasets(task.name)] if target is None else [target]
    ):
        if not (directory / MANIFEST).exists():
            continue
        try:
            manifest = read_manifest(directory)
            entries = [manifest.source, manifest.source.get("validation", {"files": []})]
            before = [file["bytes"] for entry in entries for file in entry["files"]]
            alike = before == sizes and manifest.shard_rows == shard_rows
            if alike and manifest.fingerprint == fingerprint(preprocessor, source):
                dataset = Dataset.open(directory)
                dataset.check()
                return dataset
        except DataError:
            continue  # a damaged data set is prepared again
        if target is not None:
            raise DataError(
                f"data set {target.name} of {task.name} was made from other data or settings "
                f"({redact(manifest.source['label'])}): give another --name, or --fresh to replace it"
            )
    return None


def _sayer(quiet: bool) -> Any:
    if quiet:
        return lambda *_: None
    from raysq.display.console import Console

    console = Console(stderr=True)
    return lambda text: console.print(text, soft_wrap=True)


def _summary(
    say: Any,
    preprocessor: Preprocessor,
    source: ResolvedSource,
    dataset: Dataset,
    seconds: float,
    messages: Sequence[str],
) -> None:
    manifest = dataset.manifest
    shards = f"{len(manifest.shards)} shard{'s' if len(manifest.shards) != 1 else ''}"
    say(f"{source.label}: {manifest.rows:,} rows, {manifest.bytes / 1e6:.1f} MB in {shards}, {seconds:.1f} s")
    for line in preprocessor.describe(manifest.report):
        if line not in messages:
            say(f"  {line}")
    if manifest.settings:
        say(f"  settings: {' '.join(f'{key}={_shown(value)}' for key, value in manifest.settings.items())}")
    say(f"data set {manifest.name}: {dataset.directory}")
