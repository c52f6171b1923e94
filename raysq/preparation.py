"""Preparing data: from raw files to a data set on disk, by way of a Ray Data pipeline."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq import datasets, kinds, sources, tasks
from raysq.atomic import replace_directory
from raysq.errors import DataError, SourceError, UsageError
from raysq.home import check_name, home, locked
from raysq.integrity import stamp
from raysq.kinds.kind import Kind, Preparation, Revising, Surveying
from raysq.settings import coerce, make, nearest, overlay, settings_of
from raysq.shards import MANIFEST, Dataset, Manifest, Shard, read_manifest, schema_entries, write_manifest
from raysq.sources import Source
from raysq.tasks.task import Task
from raysq.uris import redact

if TYPE_CHECKING:
    import pyarrow as pa

_UNFINISHED = ".unfinished-"


def prepare(
    task: Task | str,
    source: Any = None,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    fresh: bool = False,
    shard_rows: int | None = None,
    quiet: bool = False,
) -> Dataset:
    """Prepares a task's data, unless the same was prepared before.

    Args:
        task: a task or its name.
        source: `sample[:LENGTH]`, a file, a folder, a URL, or rows in memory (a DataFrame, a pyarrow Table, a dict of
            columns); the task's published data when None.
        name: the data set's name; the beginning of its fingerprint when None.
        settings: of the preparation, over those of the task; and of the examples (targets, lookback, ...), which
            are kept with the data set as the defaults of what is trained on it. Changing only these prepares
            nothing again.
        fresh: prepare again even if nothing has changed, and replace what has the name.
        shard_rows: rows of a shard; what fits the kind's rows when None.
        quiet: print nothing.

    Returns:
        The data set.

    Raises:
        UsageError: an unknown setting, one that does not fit the data, or a name that cannot be one.
        SourceError: raw data that cannot be had.
        DataError: raw data that cannot be used as they are, or a name that other data have.

    Example:
        >>> raysq.prepare("jena", source="sample:60d", name="small").rows
        8640
    """
    task = tasks.get(task) if isinstance(task, str) else task
    kind = kinds.get(task.kind)
    ours, chosen = _divided(kind, settings or {})
    preparation = make(kind.preparation, {**task.preparation, **ours})
    if name is not None:
        check_name(name, "data set")
    published = task.source
    found = sources.resolve(
        source,
        url=published.url if published else None,
        sha256=published.sha256 if published else None,
        sample=lambda spec: (task.sample or kind.sample)(home() / "sources" / f"sample-{kind.name}", spec),
        suffixes=preparation.suffixes,
        trees=preparation.trees,
        zip_member=preparation.zip_member,
        listing=preparation.listing,
        quiet=quiet,
    )
    say = _sayer(quiet)
    preparation, told = preparation.infer(found.files)
    told = [*told, *found.messages]
    shard_rows = _shard_rows(preparation, shard_rows)
    chosen, more = _completed(task, preparation, chosen)
    told += more
    if told:
        say(f"{found.label}:")
        for line in told:
            say(f"  {line}")
    folder = home() / "data" / task.name
    with locked(folder / ".lock", lambda: say(f"waiting for another `raysq prepare {task.name}`")):
        for leftover in folder.glob(_UNFINISHED + "*"):
            shutil.rmtree(leftover, ignore_errors=True)
        target = None if name is None else folder / name
        same = None if fresh else _same(task, target, preparation, found, shard_rows)
        if same is not None:
            return _again(say, task, same, chosen, found)
        began = time.monotonic()
        dataset = build(
            preparation,
            found,
            target or folder,
            {"task": task.name, "kind": kind.name},
            named=target is not None,
            settings=chosen,
            told=told,
            shard_rows=shard_rows,
            quiet=quiet,
        )
        _summary(say, preparation, found, dataset, time.monotonic() - began, told)
    return dataset


def build(
    preparation: Preparation,
    source: Source,
    target: Path,
    identity: Mapping[str, str],
    *,
    named: bool = True,
    settings: Mapping[str, Any] | None = None,
    told: Sequence[str] = (),
    shard_rows: int | None = None,
    cpus: int | None = None,
    quiet: bool = True,
) -> Dataset:
    """Runs a preparation over raw files and puts the data set in place, all of it or nothing.

    Args:
        preparation: of the kind.
        source: raw files.
        target: the data set's directory; one that is there is replaced. Not named, the folder to put it into, under the
            beginning of its fingerprint, which is not asked for before the end: the checksums of large files are found
            while they are prepared.
        identity: `task` and `kind` for the manifest, and `name` where it is not the directory's.
        named: what the target is.
        settings: of the examples, to be kept with the data set.
        told: what was inferred from the files, to be kept too.
        shard_rows: rows of a shard; what fits the kind's rows when None.
        cpus: at most so many Ray tasks at once; as many as there are CPUs when None. Changes nothing in the result.
        quiet: show no progress.

    Raises:
        DataError: raw data that cannot be used as they are.
    """
    import pyarrow as pa

    from raysq import __version__

    folder = target.parent if named else target
    shard_rows = _shard_rows(preparation, shard_rows)
    pieces = preparation.plan(source.files)
    staging = folder / f"{_UNFINISHED}{os.getpid()}"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        shards, extras, schema, report = _rows(preparation, pieces, staging, shard_rows, cpus, quiet)
        key = fingerprint(preparation, source)
        target = target if named else folder / key[:12]
        manifest = Manifest(
            task=identity["task"],
            kind=identity["kind"],
            name=identity.get("name", target.name),
            rows=sum(shard.rows for shard in shards),
            bytes=sum(shard.bytes for shard in shards),
            schema=schema_entries(schema),
            shard_rows=shard_rows,
            shards=shards,
            source=source.entry(),
            preparation={"version": preparation.version, "settings": preparation.recorded(), "told": list(told)},
            report=report,
            fingerprint=key,
            versions={"raysq": __version__, "pyarrow": pa.__version__},
            settings=dict(settings or {}),
            extras=extras,
        )
        write_manifest(staging, manifest)
        if settings:
            _check_settings(tasks.get(identity["task"]), Dataset(staging, manifest, checked=True), settings)
        replace_directory(staging, target, folder / f"{_UNFINISHED}old-{target.name}-{os.getpid()}")
        stamp(target, manifest.files)  # they were hashed as they were written
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"{folder} cannot be written: {error.strerror or error}; make room or set RAYSQ_HOME"
        ) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Dataset.open(target)


def fingerprint(preparation: Preparation, source: Source) -> str:
    """What decides a data set's rows: the raw files' bytes and order, the settings, the preparation's version."""
    identity = {
        "files": [file.sha256 for file in source.raw],
        "settings": preparation.recorded(),
        "preparation": f"{type(preparation).__name__} {preparation.version}",
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _rows(
    preparation: Preparation, pieces: list[Any], directory: Path, shard_rows: int, cpus: int | None, quiet: bool
) -> "tuple[list[Shard], list[Shard], pa.Schema, dict[str, Any]]":
    """Writes the shards and the tables beside them; also the rows' schema, and the report."""
    from raysq import local

    if isinstance(preparation, Surveying):
        from raysq import passes

        return passes.run(preparation, pieces, directory, shard_rows, cpus=cpus, quiet=quiet)
    threads = local.threads(pieces, cpus)

    def written(preparation: Preparation) -> Any:
        if threads:
            return local.run(preparation, pieces, directory, shard_rows, threads, quiet=quiet)
        from raysq import pipeline

        return pipeline.run(preparation, pieces, directory, shard_rows, cpus=cpus, quiet=quiet)

    shards, extras, schema, notes, repaired = written(preparation)
    revised = preparation.revise(notes) if isinstance(preparation, Revising) else preparation
    if revised is not preparation:
        for shard in (*shards, *extras):
            (directory / shard.file).unlink()
        shards, extras, schema, notes, repaired = written(revised)
    return shards, extras, schema, revised.conclude(notes, repaired)


def _shard_rows(preparation: Preparation, asked: int | None) -> int:
    """Rows of a shard: as asked for, or what fits the kind's rows."""
    rows = preparation.shard_rows if asked is None else asked
    if rows < 1:
        raise UsageError(f"shard_rows must be at least 1, received {rows}")
    return rows


def prepare_table(
    preparation: Preparation, files: "Sequence[Path | pa.Table]", *, inferred: bool = False
) -> "tuple[pa.Table, dict[str, Any]]":
    """The rows and the report of raw files, in this process and in memory, as for predictions.

    Args:
        preparation: reads the files.
        files: raw files, or rows in memory where the kind reads rows as one series.
        inferred: whether what the person did not say was found in the files already.

    Raises:
        DataError: raw data that cannot be used as they are.
    """
    import pyarrow as pa

    if not inferred:
        preparation, _ = preparation.infer(list(files))

    def read(preparation: Preparation) -> list[Any]:
        return [pair for piece in preparation.plan(list(files)) for pair in preparation.read(piece)]

    pairs = read(preparation)
    notes = [note for _, note in pairs]
    preparation.check(notes)
    if not pairs:
        raise DataError("the source has no rows")
    revised = preparation.revise(notes) if isinstance(preparation, Revising) else preparation
    if revised is not preparation:
        preparation, pairs = revised, read(revised)
    table = pa.concat_tables([table for table, _ in pairs])
    repaired, whole = None, preparation.whole()
    if whole is not None:
        table, _, repaired = whole(table)
    return table, preparation.conclude(notes, repaired)


def _divided(kind: Kind, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of the preparation and those of the examples."""
    before, after = settings_of(kind.preparation), settings_of(kind.examples)
    for key in settings:
        if key not in before and key not in after:
            raise UsageError(f"unknown setting {key!r} of prepare: {nearest(key, {**before, **after})}")
    return (
        {key: value for key, value in settings.items() if key in before},
        {key: value for key, value in settings.items() if key not in before},
    )


def _completed(task: Task, preparation: Preparation, chosen: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The settings of the examples with what the columns decide, ready for JSON."""
    known = settings_of(kinds.get(task.kind).examples)
    theirs = {key: value for key, value in task.settings.items() if key in known}
    more, lines = preparation.complete(chosen, theirs)
    return json.loads(json.dumps({**chosen, **more})), lines


def _check_settings(task: Task, dataset: Dataset, settings: Mapping[str, Any]) -> None:
    """That examples can be made of the data set with these settings."""
    examples = kinds.get(task.kind).examples
    known = settings_of(examples)
    of_task = {key: value for key, value in task.settings.items() if key in known}
    values = overlay(of_task, settings, getattr(examples, "either", ()))
    resolved = examples.resolve(values, dataset)
    make(examples, {key: coerce(value, known[key].type, key) for key, value in resolved.items()})


def _again(say: Any, task: Task, dataset: Dataset, chosen: dict[str, Any], source: Source) -> Dataset:
    """A data set that is there already, with the settings of its examples as they are asked for now."""
    before = dataset.manifest.settings
    changed = [key for key in {**before, **chosen} if before.get(key) != chosen.get(key)]
    if not changed:
        say(f"{dataset.manifest.name}: {source.label} is prepared already, nothing to do ({dataset.directory})")
        os.utime(dataset.directory / MANIFEST)  # now it is the task's newest
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


def _same(task: Task, target: Path | None, preparation: Preparation, source: Source, shard_rows: int) -> Dataset | None:
    """A data set that is what would be made. Raises DataError where the target's name stands for something else."""
    sizes = [file.bytes for file in source.raw]
    for directory in [dataset.directory for dataset in datasets.datasets(task.name)] if target is None else [target]:
        if not (directory / MANIFEST).exists():
            continue
        try:
            manifest = read_manifest(directory)
            alike = [one["bytes"] for one in manifest.source["files"]] == sizes and manifest.shard_rows == shard_rows
            if alike and manifest.fingerprint == fingerprint(preparation, source):
                dataset = Dataset.open(directory)
                dataset.check()
                return dataset
        except DataError:
            continue  # damaged: it is made again
        if target is not None:
            raise DataError(
                f"data set {target.name} of {task.name} was made from other data or settings "
                f"({redact(manifest.source['label'])}): give another --name, or --fresh to replace it"
            )
    return None


def _sayer(quiet: bool) -> Any:
    if quiet:
        return lambda *_: None
    from raysq.console import Console

    console = Console(stderr=True)
    return lambda text: console.print(text, soft_wrap=True)


def _summary(
    say: Any, preparation: Preparation, source: Source, dataset: Dataset, seconds: float, told: Sequence[str]
) -> None:
    manifest = dataset.manifest
    shards = f"{len(manifest.shards)} shard{'s' if len(manifest.shards) != 1 else ''}"
    say(f"{source.label}: {manifest.rows:,} rows, {manifest.bytes / 1e6:.1f} MB in {shards}, {seconds:.1f} s")
    for remark in preparation.remarks(manifest.report):
        if remark not in told:
            say(f"  {remark}")
    if manifest.settings:
        say(f"  settings: {' '.join(f'{key}={_shown(value)}' for key, value in manifest.settings.items())}")
    say(f"data set {manifest.name}: {dataset.directory}")
