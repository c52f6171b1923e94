"""What every pass over the pieces of raw files shares: the notes that tasks leave, errors in one line, progress."""

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raysq import errors
from raysq.atomic import write_text
from raysq.errors import RaysqError, ResourceError
from raysq.kinds.kind import Preparation

Note = dict[str, Any]

KEY = "__row"  # the column of a row's key: its piece, and its place in it
PIECE = 1 << 40  # keys of neighbouring pieces are so far apart


class Seen:
    """What a task has seen of a piece so far."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.rows = 0

    def add(self, note: Note, rows: int) -> None:
        """Adds the note of a table, and its rows."""
        self.notes.append(note)
        self.rows += rows


@contextlib.contextmanager
def noting(noted: Path, number: int, piece: Any) -> Iterator[Seen]:
    """Leaves a file with what was seen of a piece, or with the error that a person can mend.

    Notes go past Ray, which has no place for them, and so do errors, which it would wrap in its own words.
    """
    seen, failed = Seen(), None
    try:
        yield seen
    except RaysqError as error:
        failed = (type(error).__name__, str(error))
    except OSError as error:
        failed = ("SourceError", f"{getattr(piece, 'path', piece)} cannot be read: {error.strerror or error}")
    # A task that Ray runs again writes the same.
    found = json.dumps({"rows": seen.rows, "notes": seen.notes, "failed": failed})
    write_text(_note(noted, number), found, durable=False)


def read_note(noted: Path, number: int) -> tuple[list[Note], int, RaysqError | None]:
    """What was seen of one piece: its notes, its rows, and the error at which reading ended."""
    read = json.loads(_note(noted, number).read_text(encoding="utf-8"))
    error = None
    if read["failed"]:
        name, said = read["failed"]
        error = getattr(errors, name)(said)
    return read["notes"], read["rows"], error


def read_notes(noted: Path, pieces: int, preparation: Preparation) -> tuple[list[Note], list[int]]:
    """All notes in the order of the plan, and the rows of each piece. Raises the first error among them."""
    notes, counts = [], []
    for number in range(pieces):
        more, rows, error = read_note(noted, number)
        notes += more
        counts.append(rows)
        if error is not None:
            if notes:  # without any, it would be said that there is nothing to read
                preparation.check(notes)
            raise error
    preparation.check(notes)
    return notes, counts


def _note(noted: Path, number: int) -> Path:
    return noted / f"{number:06d}.json"


@contextlib.contextmanager
def unwrapped(doing: str = "preparing") -> Iterator[None]:
    """Turns what Ray itself raises (a lost node, no memory) into one line.

    Args:
        doing: what failed, for the message.
    """
    from ray.exceptions import RayError

    try:
        yield
    except RayError as error:
        cause = getattr(error, "cause", None)
        said = f"{type(cause).__name__}: {cause}" if cause is not None else str(error)
        lines = said.strip().splitlines() or [repr(error)]
        raise ResourceError(f"{doing} failed in Ray: {lines[0]}; run it again, or see `raysq doctor`") from error


@contextlib.contextmanager
def progress(pieces: list[Any], noted: Path, quiet: bool) -> Iterator[None]:
    """One line on standard error: what has been read so far."""
    from raysq.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    sizes = [getattr(piece, "size", 0) for piece in pieces]
    columns = (TextColumn("preparing"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        line = bar.add_task("", total=sum(sizes))
        stop = threading.Event()

        def watch() -> None:
            # Ray Data reports nothing that is cheap to ask for; a piece is done when its note is there.
            while not stop.wait(0.2):
                # Names that begin with a digit: the others are being written.
                done = [int(path.stem) for path in noted.glob("[0-9]*.json")]
                bar.update(line, completed=sum(sizes[number] for number in done))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
