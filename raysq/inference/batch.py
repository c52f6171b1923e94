"""Predict for a file: in this process if it is small, else with a pool of actors on Ray Data."""

import contextlib
import io
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq.config import resolve_names, setting_fields
from raysq.data import sources, time_zones
from raysq.data.dataset import Dataset
from raysq.data.frames import is_frame
from raysq.data.messages import without_options
from raysq.data.readers.csv.format import CsvFormat
from raysq.data.remote import remote_output, scheme
from raysq.display.terminal import print_message, results
from raysq.errors import DataError, RaysqError, UsageError
from raysq.inference import pool
from raysq.inference.commands import require_finished
from raysq.inference.predictor import Predictor, check_latest, for_predict
from raysq.inference.ranges import Range, predict_range, predict_ranges, ranges
from raysq.problems.capabilities import Windowed
from raysq.storage.atomic import atomic_write
from raysq.storage.paths import validate_output
from raysq.storage.uris import redact
from raysq.training.backends.driver_context import DriverContext
from raysq.training.run import Run
from raysq.training.saved import print_if_changed

if TYPE_CHECKING:
    import pyarrow as pa

SMALL = 64 << 20  # bytes of input up to which starting Ray takes longer than predicting


def predict_file(
    run: Run | str | Path,
    source: Any,
    output: str | Path | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    actors: int | None = None,
    gpu: bool = False,
    latest: bool = False,
    quiet: bool = True,
    epoch: int | None = None,
    trust: bool = False,
) -> dict[str, Any]:
    """Predict for the rows of a raw file in the format of the run's own source.

    A file of up to 64 MB is read and predicted in this process. A larger one is predicted by a pool of actors on Ray
    Data, in order and with a bounded number of rows in memory. Problems that predict each row by itself stream the rows
    as they are read. The others use a temporary data set on disk.

    Args:
        run: a run, its directory or its id.
        source: a source as for `prepare`: a csv, a Parquet file, a folder, a URL, rows in memory, ...
        output: a .csv or .parquet file to write, replaced if it exists, also of a remote file system
            (s3://bucket/predictions.parquet); csv on standard output if None.
        settings: format of csv files where it differs from the run's source; see
            `raysq.data.readers.csv.format.CsvFormat`.
        actors: number of actors of the pool, with one CPU each; None for as many as the cluster has CPUs. If given, the
            pool is used for small files too.
        gpu: use one GPU per actor.
        latest: forecast only what follows the last row of each series.
        quiet: show no progress.
        epoch, trust: as for `raysq.load`.

    Returns:
        `run`, `output` and `rows`, the number of predictions.

    Raises:
        UsageError: if the output has another ending or is the input, or a setting is not one of csv files.
        SourceError: if the input cannot be read or the output cannot be written.
        DataError: if rows cannot be used, there are too few rows, or the run has not finished.
        ResourceError: if there is no cluster, or too few CPUs or GPUs.

    Example:
        >>> raysq.predict_file(run, "new.csv", "predictions.parquet")
        {'run': ..., 'output': 'predictions.parquet', 'rows': 52696}
    """
    if output is not None and scheme(str(output)):
        chosen: dict[str, Any] = {
            "settings": settings,
            "actors": actors,
            "gpu": gpu,
            "latest": latest,
            "quiet": quiet,
            "epoch": epoch,
            "trust": trust,
        }
        with remote_output(str(output)) as local:
            return predict_file(run, source, local, **chosen) | {"output": redact(str(output))}
    run = Run.of(run, trust=trust).at(epoch)
    path = None if output is None else Path(output)
    if path is not None and path.suffix not in (".csv", ".parquet"):
        raise UsageError(f"--output must end in .csv or .parquet, received {str(output)!r}")
    if path is not None:
        validate_output(path)
    if actors is not None and actors < 1:
        raise UsageError(f"--actors must be at least 1, received {actors}")
    require_finished(run)
    check_latest(run, latest)
    problem = run.problem
    preprocessor = problem.prediction_preprocessor()
    given = resolve_names(settings, setting_fields(CsvFormat)) if settings else {}
    if given:
        preprocessor = replace(preprocessor, **given)
    with for_predict():
        resolved = sources.resolve(
            source if is_frame(source) else str(source),
            url=None,
            sha256=None,
            sample=_no_sample,
            **preprocessor.source_options,
            quiet=quiet,
        )
        if path is not None:
            validate_output(path, resolved.files)
        if isinstance(preprocessor, CsvFormat):
            preprocessor = preprocessor.for_file(resolved.files[0].name, given)
        _say(resolved.messages, quiet)
        if not isinstance(problem, Windowed):
            # Infer settings that the run's own source leaves open, such as the text column, and report them.
            preprocessor, messages = preprocessor.infer(resolved.files)
            _say(messages, quiet)
    small = actors is None and sum(file.bytes for file in resolved.raw) <= SMALL and not gpu
    if not small:  # messages of the actors that load the model are not shown
        print_if_changed(run)
    if small:
        tables = _here(run, preprocessor, resolved, latest, quiet)
    elif not isinstance(problem, Windowed):
        tables = _stream(run, preprocessor, resolved, actors, gpu, quiet)
    else:
        tables = _pool(run, preprocessor, resolved, actors, gpu, latest, quiet)
    rows, remarks = 0, Counter[str]()
    with _writer(path) as write, for_predict():
        for table in tables:
            rows += table.num_rows
            if "remark" in table.column_names:
                remarks.update(remark for remark in table.column("remark").drop_null().to_pylist())
            write(table)
        if not rows and isinstance(problem, Windowed):
            raise DataError(
                f"no row can be predicted: a prediction needs {problem.history()[0]:,} rows of history with a value in "
                "each column"
            )
    _say([f"{count:,} of {rows:,} rows: {remark}" for remark, count in remarks.most_common()], quiet)
    return {"run": str(run.directory), "output": None if path is None else str(path), "rows": rows}


def _no_sample(spec: str) -> Path:
    raise UsageError("predict takes a file, a folder or a URL; the sample can be trained on only")


def _here(
    run: Run, preprocessor: Any, resolved: sources.ResolvedSource, latest: bool, quiet: bool
) -> "Iterator[pa.Table]":
    from raysq.data.pipeline import read_table

    predictor = Predictor(run)
    inferred = not isinstance(predictor.problem, Windowed)
    table, report = read_table(preprocessor, resolved.files, inferred=inferred)
    _tell(run, preprocessor, report, quiet)
    yield from predict_ranges(predictor, table, report, latest)


def _tell(run: Run, preprocessor: Any, report: Mapping[str, Any], quiet: bool) -> None:
    """Print what was inferred and repaired in the input, the series without predictions, and the unknown series."""
    if quiet:
        return
    lines = list(preprocessor.describe(report))
    lines += run.problem.describe_rows(report)
    _say(lines, quiet)


def _say(lines: Sequence[str], quiet: bool) -> None:
    """Print lines for the user."""
    for line in () if quiet else lines:
        print_message(f"  {without_options(line)}")


def _stream(
    run: Run, preprocessor: Any, resolved: sources.ResolvedSource, actors: int | None, gpu: bool, quiet: bool
) -> "Iterator[pa.Table]":
    from raysq.inference.stream import stream

    actors = pool.size(actors, gpu)
    size = sum(file.bytes for file in resolved.raw)
    with _bar(size, quiet) as advance:
        for table in stream(run, preprocessor, resolved, actors, gpu=gpu, advance=advance):
            if isinstance(table, dict):
                _tell(run, preprocessor, table, quiet)
            else:
                yield table


def _pool(
    run: Run,
    preprocessor: Any,
    resolved: sources.ResolvedSource,
    actors: int | None,
    gpu: bool,
    latest: bool,
    quiet: bool,
) -> "Iterator[pa.Table]":
    from raysq.data.pipeline import build
    from raysq.distributed.ray_data import ordered, ray_errors

    actors = pool.size(actors, gpu)
    import ray

    needs = pool.needs(gpu)
    with pool.scratch() as folder:
        identity = {"task": run.config.task, "problem": run.config.problem, "name": "input"}
        dataset = build(preprocessor, resolved, folder / "input", identity, quiet=quiet)
        _tell(run, preprocessor, dataset.manifest.report, quiet)
        assert isinstance(run.problem, Windowed)  # other problems use `_stream`
        parts = [asdict(part) for part in ranges(run.problem, dataset.manifest.report, dataset.rows, latest)]
        with ray_errors("predicting"), ordered() as context, _bar(len(parts), quiet) as advance:
            # One part per block, so that an actor holds one at a time.
            context.target_max_block_size = None
            results = ray.data.from_items(parts, override_num_blocks=len(parts)).map_batches(
                _RangeActor,
                fn_constructor_args=(run.resolved(), str(dataset.directory), DriverContext.current(), gpu, latest),
                batch_size=None,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(size=min(actors, len(parts))),
                num_cpus=needs["CPU"],
                num_gpus=needs["GPU"],
            )
            for table in results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                pool.check(table)
                advance(1)
                yield table


class _RangeActor:
    """Actor that holds the model and predicts for ranges of rows of a data set on disk."""

    def __init__(self, run: Run, data: str, driver: DriverContext, gpu: bool, latest: bool):
        self._predictor = pool.open_predictor(run, driver, gpu)
        self._dataset = Dataset.open(data)
        self._latest = latest

    def __call__(self, batch: "pa.Table") -> "pa.Table":
        import pyarrow as pa

        report, parts = self._dataset.manifest.report, [Range(**part) for part in batch.to_pylist()]
        try:
            tables = [predict_range(self._predictor, part, report, self._read, self._latest) for part in parts]
        except RaysqError as error:
            return pool.failed(error)
        return pa.concat_tables(tables)

    def _read(self, begin: int, end: int) -> "pa.Table":
        import pyarrow as pa

        return pa.table({name: self._dataset.column(name).slice(begin, end) for name in self._dataset.columns})


@contextlib.contextmanager
def _writer(path: Path | None) -> "Iterator[Any]":
    """Yield a function that appends tables to the output. The file is moved into place when all tables are written."""
    import pyarrow.csv
    import pyarrow.parquet

    if path is None:
        written = False

        def show(table: "pa.Table") -> None:
            nonlocal written
            options = pyarrow.csv.WriteOptions(include_header=not written)
            if sys.stdout.isatty():
                text = io.BytesIO()
                pyarrow.csv.write_csv(_for_csv(table), text, options)
                results().write(text.getvalue().decode())
            else:
                pyarrow.csv.write_csv(_for_csv(table), sys.stdout.buffer, options)
                sys.stdout.buffer.flush()
            written = True

        yield show
        return
    writer: Any = None
    with atomic_write(path, "choose another --output") as partial:

        def write(table: "pa.Table") -> None:
            nonlocal writer
            table = _for_csv(table) if path.suffix == ".csv" else table
            if writer is None:
                form = pyarrow.csv.CSVWriter if path.suffix == ".csv" else pyarrow.parquet.ParquetWriter
                writer = form(str(partial), table.schema)
            writer.write_table(table)

        try:
            yield write
        except BaseException:
            if writer is not None:
                with contextlib.suppress(Exception):
                    writer.close()
            raise
        if writer is not None:
            writer.close()


def _for_csv(table: "pa.Table") -> "pa.Table":
    """Return predictions as a csv file holds them, or raise `UsageError` for tensors, which it cannot hold."""
    import pyarrow as pa

    lists = [column.name for column in table.schema if pa.types.is_nested(column.type)]
    if lists:
        raise UsageError(f"column {lists[0]!r} holds tensors, and csv holds none", "--output FILE.parquet takes them")
    return time_zones.with_offsets(table)


@contextlib.contextmanager
def _bar(total: int, quiet: bool) -> "Iterator[Any]":
    """Yield a function that advances a progress bar, which is shown on a terminal and in a notebook."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from raysq.display.live import LiveOutput

    bar = Progress(TextColumn("predicting"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    line = bar.add_task("", total=total)
    with LiveOutput(bar, quiet=quiet):
        yield lambda done: bar.advance(line, done)
