"""Translate sentences and files with a finished run."""

import contextlib
import dataclasses
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from raysq.data.pipeline import read_table
from raysq.data.readers.files import check_file, open_file, unreadable
from raysq.data.readers.limits import LIMITS
from raysq.data.readers.table_files import TYPED
from raysq.data.readers.unpack import with_compressions
from raysq.display.terminal import TextOutput, results
from raysq.errors import DataError, UsageError
from raysq.inference.commands import require
from raysq.inference.predictor import without_options
from raysq.problems.capabilities import Translator
from raysq.storage.atomic import atomic_write
from raysq.storage.paths import validate_output
from raysq.training.run import Run

_TABLES = (*with_compressions(".csv", ".tsv", ".jsonl", ".ndjson", ".json"), *TYPED)
_LINES = 8192  # number of lines read at a time
_LONGEST = LIMITS.max_record_bytes


def translate_file(
    run: Run | str | Path,
    source: str | Path,
    output: str | Path | None = None,
    *,
    reference: str | Path | None = None,
    encoding: str = "utf-8",
    column: str | None = None,
    on_line: Callable[[int], None] = lambda count: None,
    on_message: Callable[[str], None] = lambda message: None,
    epoch: int | None = None,
    trust: bool = False,
    **chosen: Any,
) -> dict[str, Any]:
    """Translate a text file line by line, or the sentences in a column of a table. Empty lines stay empty.

    Args:
        run: a finished run of a translation model, its directory or its id.
        source: a text file with one sentence per line, "-" for standard input, or a table such as a csv.
        output: file for the translations, one line per sentence in the same order; standard output if None.
        reference: a file of reference translations, line by line. If given, the result has `bleu`.
        encoding: encoding of the files.
        column: column of the sentences in a table; inferred if None.
        on_line: called with the number of lines translated since the last call.
        on_message: called with each message about settings inferred from a table and about damaged rows.
        epoch, trust: as for `raysq.load`.
        chosen: options of the problem's translator: `beam`, `penalty` and `unknown`.

    Returns:
        `run`, `output`, `lines`, `seconds` (of translation, without loading), and `bleu` if there is a reference.

    Raises:
        DataError: if bytes do not match the encoding, the reference has another number of lines, or the column of a
            table cannot be inferred.
        SourceError: if a file cannot be read or written.
        UsageError: if the run does not translate, or a value is out of range.

    Example:
        >>> raysq.translate_file("translation-attention", "in.txt", "out.txt", reference="reference.txt")["bleu"]
    """
    from raysq.inference.predictor import load

    run = Run.of(run, trust=trust).at(epoch)
    require(run, "translate")
    tabular = str(source) != "-" and _is_table(Path(source))
    if column is not None and not tabular:
        raise UsageError(f"--column is for tables, such as a csv, and {source} is read line by line: leave it out")
    if reference is not None and _is_table(Path(reference)):
        raise UsageError(f"--reference takes a text file, a translation a line; received {reference}")
    wanted = None if reference is None else list(_lines(Path(reference), encoding))
    predictor = load(run)
    problem = predictor.problem
    assert isinstance(problem, Translator)
    if wanted is not None:
        problem.bleu([""], [""])  # fail before the translation if BLEU cannot be computed
    count, seconds = 0, 0.0
    written: list[str] = []
    with contextlib.ExitStack() as stack:
        if tabular:
            lines = iter(_cells(run, Path(source), encoding, column, on_message))
        else:
            lines = _lines(None if str(source) == "-" else Path(source), encoding)
        inputs = [Path(one) for one in (source, reference) if one is not None and str(one) != "-"]
        sink = _sink(stack, None if output is None else validate_output(output, inputs), encoding)
        while block := list(itertools.islice(lines, _LINES)):
            began = time.perf_counter()
            translations = predictor.translate(block, progress=on_line, **chosen)
            seconds += time.perf_counter() - began
            count += len(translations)
            # One line per translation, even if the sentences of the run's tables contain line breaks.
            sink.write("".join(" ".join(one.text.split("\n")) + "\n" for one in translations))
            sink.flush()
            if wanted is not None:
                written += [one.text for one in translations]
        if wanted is not None and len(wanted) != count:
            raise DataError(
                f"{Path(reference or '').name} has {len(wanted):,} lines and the input has {count:,}: a reference has "
                "a translation for each line"
            )
    result: dict[str, Any] = {
        "run": str(run.directory),
        "output": None if output is None else str(output),
        "lines": count,
        "seconds": round(seconds, 3),
    }
    if wanted is not None:
        result["bleu"] = problem.bleu(written, wanted)
    return result


def translate(
    run: Run | str | Path, texts: Sequence[str], *, epoch: int | None = None, trust: bool = False, **chosen: Any
) -> list[Any]:
    """Translate sentences.

    Args:
        run: a finished run of a translation model, its directory or its id.
        texts: source sentences.
        epoch, trust: as for `raysq.load`.
        chosen: as for `Predictor.translate`: `beam`, `penalty` and `unknown`.

    Returns:
        For each sentence an object with `text` (the translation), `score` and more, as for `Predictor.translate`.

    Raises:
        DataError: if there is no such run, or it has not finished.
        UsageError: if the run's problem does not translate, or a value is out of range.

    Example:
        >>> [found.text for found in raysq.translate("translation-attention", ["how are you ?"])]
    """
    from raysq.inference.predictor import load

    run = Run.of(run, trust=trust).at(epoch)
    require(run, "translate")
    return load(run).translate(texts, **chosen)


def _is_table(path: Path) -> bool:
    """Return whether a file has columns, by its ending."""
    return path.name.lower().endswith(_TABLES)


def _cells(run: Run, path: Path, encoding: str, column: str | None, on_message: Callable[[str], None]) -> list[str]:
    """Return the sentences of a table, read in the same way as the run's own tables."""
    reading = run.problem.prediction_preprocessor()
    reading = dataclasses.replace(reading, encoding=encoding, **({} if column is None else {"source": column}))
    check_file(path)
    try:
        reading, messages = reading.infer([path])
        table, report = read_table(reading, [path], inferred=True)
    except DataError as error:
        raise DataError(without_options(error), "--column NAME names that of the sentences") from None
    for message in (*messages, *reading.describe(report)):
        on_message(message)
    return [text or "" for text in table.column("source").to_pylist()]


def _lines(path: Path | None, encoding: str) -> Iterator[str]:
    """Yield the lines of a file, or of standard input, without line ends."""
    name = "standard input" if path is None else path.name
    number = 0
    try:
        with contextlib.ExitStack() as stack:
            raw: IO[bytes] = sys.stdin.buffer if path is None else stack.enter_context(open_file(path))
            if "16" in encoding or "32" in encoding:  # line ends take more than one byte there
                yield from (line.removesuffix("\r") for line in raw.read().decode(encoding).split("\n"))
                return
            for number, data in enumerate(iter(lambda: raw.readline(_LONGEST + 1), b""), 1):
                if len(data) > _LONGEST:
                    raise DataError(f"{name}, line {number} has more than {_LONGEST:,} bytes; give a sentence a line")
                line = data.decode(encoding).removesuffix("\n").removesuffix("\r")
                yield line.removeprefix("\ufeff") if number == 1 else line
    except UnicodeDecodeError as error:
        raise DataError(f"{name}, line {max(number, 1)} is not {encoding} ({error.reason})") from None
    except LookupError:
        raise UsageError(f"--encoding must be one that Python knows, such as utf-8, received {encoding!r}") from None
    except OSError as error:
        raise unreadable(name, error) from None


def _sink(stack: contextlib.ExitStack, path: Path | None, encoding: str) -> TextOutput:
    if path is None:
        return results()
    partial = stack.enter_context(atomic_write(path))
    return stack.enter_context(open(partial, "w", encoding=encoding, newline="\n"))
