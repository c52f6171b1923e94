"""Numbers that stand for words or classes are checked before arrays are made as long as they ask for."""

import dataclasses
import resource

import numpy as np
import pyarrow as pa
import pytest
from problems.text_classification import corpus

from raysq.data.columns import count_codes, validate_range
from raysq.data.dataset import Dataset, write_manifest, write_shard
from raysq.errors import DamagedError
from raysq.problems.text_classification.batches import EncodedDocuments
from raysq.problems.text_classification.settings import TextClassificationSettings


def test_codes_are_counted_where_they_are_chosen():
    codes = np.array([0, 2, -1, 2, 1, 2], np.int32)
    chosen = np.array([True, True, True, True, True, False])
    assert count_codes(codes, chosen, 4).tolist() == [1, 1, 1, 2, 0]
    assert count_codes(codes[:0], chosen[:0], 2).tolist() == [0, 0, 0]


@pytest.mark.parametrize("odd", [-2, 4, 1 << 30])
def test_a_code_of_no_word_is_named(odd):
    codes = np.array([0, odd, 3], np.int32)
    with pytest.raises(DamagedError, match=f"word number {odd:,} where there are 4"):
        count_codes(codes, np.zeros(3, bool), 4)
    validate_range(codes[[0, 2]], 0, 4, "class number")


@pytest.mark.parametrize(("column", "odd"), [("tokens", 1 << 30), ("label", 7)])
def test_a_data_set_made_to_do_harm_takes_no_memory(tmp_path, column, odd):
    dataset = corpus.write_corpus(tmp_path / "texts")
    batch = pa.ipc.open_file(str(tmp_path / "texts" / "shard-00000.arrow")).get_batch(0)
    table = pa.Table.from_batches([batch])
    values = [[odd], *table.column(column).to_pylist()[1:]] if column == "tokens" else [odd] * table.num_rows
    index = table.schema.get_field_index(column)
    table = table.set_column(index, column, pa.array(values, table.schema.field(column).type))
    shards = [write_shard(tmp_path / "texts", 0, table), *dataset.manifest.shards[1:]]
    write_manifest(tmp_path / "texts", dataclasses.replace(dataset.manifest, shards=shards))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DamagedError, match=f"number {odd:,} where there are"):
        assert EncodedDocuments(Dataset.open(tmp_path / "texts"), TextClassificationSettings()).counts is not None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10
