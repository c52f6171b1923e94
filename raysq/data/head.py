"""The first rows of raw files as a data set in a temporary folder, read as `prepare` reads all of them."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from raysq.data.dataset import Dataset
from raysq.data.pipeline import manifest_of, rows_of_shard, run
from raysq.data.preprocessor import Chunk, Partition, Preprocessor, Transform
from raysq.data.sources import ResolvedSource
from raysq.distributed.executor import ThreadExecutor

ROWS = 100_000  # default of `--rows`
BYTES = 128 << 20  # of rows in memory; chunks are read whole


class Head:
    """Preprocessor that reads no more chunks once enough rows were read.

    Args:
        preprocessor: the preprocessor that reads them.
        rows: number of rows that are enough.

    Attributes:
        cut: whether rows were left out.
    """

    def __init__(self, preprocessor: Preprocessor, rows: int):
        self._preprocessor = preprocessor
        self._most, self._rows, self._bytes = rows, 0, 0
        self.cut = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._preprocessor, name)

    def read(self, partition: Partition) -> Iterator[Chunk]:
        """Yield the chunks of a partition until there are enough rows of all partitions."""
        if self._is_full():
            self.cut = True
            return
        for chunk in self._preprocessor.read(partition):
            if self._is_full():
                self.cut = True
                return
            self._rows += chunk.table.num_rows
            self._bytes += chunk.table.nbytes
            yield chunk

    def _is_full(self) -> bool:
        return self._rows >= self._most or self._bytes >= BYTES

    def fit_stats(self, *arguments: Any) -> Transform:
        """Return the transform of the rows that were read; a preprocessor that reads them again is limited too."""
        transform = self._preprocessor.fit_stats(*arguments)
        if transform.preprocessor is None:
            return transform
        self._preprocessor, self._rows, self._bytes = transform.preprocessor, 0, 0
        limited: Any = self
        return replace(transform, preprocessor=limited)


@contextlib.contextmanager
def open_head(
    preprocessor: Preprocessor,
    source: ResolvedSource,
    identity: Mapping[str, str],
    rows: int = ROWS,
    *,
    settings: Mapping[str, Any] | None = None,
    messages: Sequence[str] = (),
) -> Iterator[tuple[Dataset, bool]]:
    """Yield the data set of the first rows of raw files, and whether rows were left out.

    The data set is in a temporary folder, which is removed at the end of the block. Its fingerprint is empty: nothing
    can be trained on it.

    Args:
        preprocessor: the preprocessor, with inferred settings.
        source: the raw files.
        identity: `task` and `problem` for the manifest.
        rows: number of rows after which no further chunk is read.
        settings: settings of the batch source.
        messages: messages about what was inferred.

    Raises:
        DataError: the raw data cannot be used.
    """
    head: Any = Head(preprocessor, rows)
    shard_rows = rows_of_shard(preprocessor)
    with tempfile.TemporaryDirectory(prefix="raysq-show-") as folder:
        written = run(head, preprocessor.partition(source.files), Path(folder), shard_rows, ThreadExecutor(1))
        entry = {
            "label": source.label,
            "synthetic": source.synthetic,
            "files": [{"name": file.name, "bytes": file.bytes} for file in source.raw],
        }
        named = {**identity, "name": source.label}
        manifest = manifest_of(written, head, named, entry, shard_rows, "", settings, messages)
        yield Dataset(Path(folder), manifest, checked=True), head.cut
