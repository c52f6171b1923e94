"""Progress of preparation on a terminal."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from raysq.data.preprocessor import partition_bytes


@contextlib.contextmanager
def progress(partitions: Sequence[Any], folder: Path, quiet: bool) -> Iterator[None]:
    """Show the number of bytes read so far, in one line on standard error. `folder` is that of `record_stats`."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    from raysq.display.live import LiveOutput

    bar = Progress(TextColumn("preparing"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    sizes = [partition_bytes(partition) or 0 for partition in partitions]
    line = bar.add_task("", total=sum(sizes))
    with LiveOutput(bar, quiet=quiet) as output:
        if not output.is_live:
            yield
            return
        stop = threading.Event()

        def watch() -> None:
            # Ray Data offers no cheap progress query. A partition has been read once its statistics file exists.
            while not stop.wait(0.2):
                # Finished files have names that begin with a digit; others are still being written.
                done = [int(path.stem) for path in folder.glob("[0-9]*.json")]
                bar.update(line, completed=sum(sizes[number] for number in done))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()
