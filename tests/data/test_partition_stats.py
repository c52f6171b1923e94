"""Chunks that wait on disk: shared out among shards, and gone when the last of them is written."""

import pyarrow as pa
import pytest

from raysq.data.partition_stats import Cleanup, all_stats, load_stats, record_stats, share_out
from raysq.data.preprocessor import Chunk
from raysq.errors import DataError, SourceError


@pytest.mark.parametrize("shard_rows", [1, 4, 100])
def test_tables_go_with_the_last_shard_that_reads_them(tmp_path, shard_rows):
    sizes = [3, 7, 0, 1, 9]
    with record_stats(tmp_path, 0, "a") as recorder:
        for index, size in enumerate(sizes):
            recorder.store(
                Chunk(pa.table({"row": range(size)}), {"index": index}, {"words": pa.table({"word": ["x"]})})
            )
    (tmp_path / "ranks").write_text("")
    chunks = []
    (stats,) = all_stats(tmp_path, ["a"], chunks)
    assert chunks == stats.chunks and stats.partition == "a"
    assert [(chunk.rows, chunk.stats) for chunk in chunks] == [(size, {"index": n}) for n, size in enumerate(sizes)]
    shards = share_out(chunks, shard_rows)
    rows = [
        (part.chunk.stats["index"], row) for shard in shards for part in shard for row in part.read()["row"].to_pylist()
    ]
    assert rows == [(index, row) for index, size in enumerate(sizes) for row in range(size)]
    assert {sum(part.end - part.begin for part in shard) for shard in shards[:-1]} <= {shard_rows}
    assert chunks[0].pop("words").to_pylist() == [{"word": "x"}]
    cleanup = Cleanup(tmp_path, shards)
    for number in range(len(shards)):
        cleanup(number)
        waiting = {part.chunk.name for shard in shards[number + 1 :] for part in shard}
        tables = {f"{name}.rows" for name in waiting} | {f"{name}.words" for name in waiting - {chunks[0].name}}
        assert {path.name for path in tmp_path.iterdir()} == {"ranks", "000000.json", *tables}


def test_an_error_comes_after_what_was_read_before_it(tmp_path):
    with record_stats(tmp_path, 0, "a") as recorder:
        recorder.add(Chunk(pa.table({"row": [1]}), {"seen": 1}))
        raise DataError("line 2 of a is damaged")
    with record_stats(tmp_path, 1, "b.csv"):
        raise PermissionError(13, "Permission denied")
    chunks = []
    stats = all_stats(tmp_path, ["a", "b.csv"], chunks)
    assert next(stats).chunks[0].stats == {"seen": 1}
    with pytest.raises(DataError, match="^line 2 of a is damaged$"):
        next(stats)
    unread = load_stats(tmp_path, 1, "b.csv")
    assert not unread.chunks and isinstance(unread.error, SourceError)
    assert str(unread.error) == "b.csv cannot be read: Permission denied"
