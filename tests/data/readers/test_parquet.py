"""Text in Parquet files may hold bytes that are not UTF-8, which Arrow's reader does not look at."""

import pyarrow as pa
import pytest
from data.readers.sources import parquet

from raysq.errors import DataError
from raysq.tasks.prepare import prepare

GOOD = ["a b", "c d"] * 20


def column(values: list[bytes]) -> pa.Array:
    """Bytes that Arrow takes for text."""
    raw = pa.array(values, pa.binary())
    return pa.StringArray.from_buffers(len(raw), raw.buffers()[1], raw.buffers()[2])


def wrong(values: list[str], index: int) -> pa.Array:
    """Texts of which one is not UTF-8."""
    raw = [value.encode() for value in values]
    raw[index] = b"caf\xe9 " + raw[index]
    return column(raw)


def test_a_text_with_other_bytes_is_replaced_and_told(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(parquet(pa.table({"text": wrong(GOOD, 3), "label": ["x", "y"] * 20})))
    dataset = prepare("classify", path, quiet=True)
    assert dataset.manifest.report["undecodable"] == {"count": 1, "names": ["x.parquet:4"]}
    # Also where texts that are stored as bytes are in another encoding.
    other = prepare("classify", path, settings={"encoding": "latin-1"}, quiet=True)
    assert other.manifest.report["undecodable"] == {"count": 1, "names": ["x.parquet:4"]}


def test_a_label_with_other_bytes_is_replaced(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(parquet(pa.table({"text": GOOD, "label": column([b"x\xff", b"y"] * 20)})))
    assert prepare("classify", path, quiet=True).manifest.report["classes"] == ["x\ufffd", "y"]


@pytest.mark.parametrize("settings", [{}, {"categories": "c"}, {"id": "c"}])
@pytest.mark.parametrize("damaged", ["time", "c"])
def test_a_series_with_other_bytes_is_named(tmp_path, settings, damaged):
    columns = {"time": [f"2020-01-01 {hour:02d}:00" for hour in range(24)], "c": ["red", "blue"] * 12}
    columns[damaged] = wrong(columns[damaged], 3)
    path = tmp_path / "x.parquet"
    path.write_bytes(parquet(pa.table({**columns, "a": [float(number) for number in range(24)]})))
    with pytest.raises(DataError, match=f"x.parquet: column '{damaged}' holds text that is not UTF-8"):
        prepare("forecast", path, settings={"targets": "a", **settings}, quiet=True)
