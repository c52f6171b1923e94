"""What the first pass leaves: shared out among shards, and gone when the last of them is written."""

import numpy as np
import pytest

from raysq.corpus import scratch


@pytest.mark.parametrize("shard_rows", [1, 4, 100])
def test_tables_go_with_the_last_shard_that_reads_them(tmp_path, shard_rows):
    blocks = {"a": 3, "b": 7, "c": 1, "d": 9}
    for name in blocks:
        scratch.write_array(tmp_path / f"{name}.rows", np.arange(3))
    scratch.write_array(tmp_path / "ranks", np.arange(3))
    shards = scratch.share_out(blocks.items(), shard_rows)
    rows = [(part.block, row) for shard in shards for part in shard for row in range(part.begin, part.end)]
    assert rows == [(name, row) for name, count in blocks.items() for row in range(count)]
    assert {sum(part.end - part.begin for part in shard) for shard in shards[:-1]} <= {shard_rows}
    spent = scratch.Spent(tmp_path, shards)
    for number in range(len(shards)):
        spent(number)
        wanted = {f"{part.block}.rows" for shard in shards[number + 1 :] for part in shard}
        assert {path.name for path in tmp_path.iterdir()} == {"ranks", *wanted}
