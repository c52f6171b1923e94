"""A JSON file is read as it was written, or named with the way out."""

import json
import os
import random
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pytest

from raysq.errors import DamagedError, DataError
from raysq.storage.atomic import write_json, write_json_lines
from raysq.storage.json_files import Version, check_schema, read_json, read_json_lines

VALUES = {
    "format_version": 2,
    "loss": 0.125,
    "name": "é\ud83d\ude00 \u2028",
    "best": None,
    "rows": [[1, 2.5], []],
    "3": True,
}


class Record(TypedDict):
    epoch: int
    loss: float | None
    name: NotRequired[str]


@dataclass
class Closed:
    file: str
    rows: int = 0


@pytest.mark.parametrize("values", [VALUES, [{"a": 1}, {"a": float("inf")}], {}, [], [1, "x"], {3: (1, 2)}])
def test_what_is_written_is_read(tmp_path, values):
    path = tmp_path / "made" / "values.json"
    write_json(path, values)
    assert read_json(path, Any, "") == json.loads(json.dumps(values))


def test_a_file_that_is_not_there(tmp_path):
    assert read_json(tmp_path / "none.json", dict[str, Any], "", missing=None) is None
    with pytest.raises(DamagedError, match="none.json is missing; do that"):
        read_json(tmp_path / "none.json", dict[str, Any], "do that")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b'{"epoch": 1, "lo', "not JSON: Unterminated string"),
        (b"[1]", r"expected an object, received \[1\]"),
        (b'"epoch"', "expected an object"),
        (b"null", "received null"),
        (b"{}", "'epoch' is missing"),
        (b'{"epoch": 1}', "'loss' is missing"),
        (b'{"epoch": 1.5, "loss": 1}', "epoch: expected a whole number, received 1.5"),
        (b'{"epoch": true, "loss": 1}', "epoch: expected a whole number, received true"),
        (b'{"epoch": 1, "loss": "1"}', 'loss: expected a number, received "1"'),
        (b'{"epoch": 1, "loss": 1, "name": 2}', "name: expected a text"),
        (b'{"epoch": 1, "loss": 1, "checksum": "0123456789abcdef"}', 'take "checksum" out'),
        (b'{"epoch": 1, "loss": 1, "name": "\xff"}', "byte 33 is not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"epoch": ' + b"9" * 5000 + b', "loss": 1}', "digits"),
    ],
)
def test_damage_is_one_line_with_the_file_and_the_way_out(tmp_path, content, reason):
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=reason) as caught:
        read_json(path, Record, "do that")
    assert str(caught.value).startswith(f"{path} is damaged (") and str(caught.value).endswith("); do that")


def test_every_flipped_bit_of_a_value_is_found(tmp_path):
    path = tmp_path / "values.json"
    write_json(path, VALUES)
    good, same = path.read_bytes(), read_json(path, Any, "")
    source = random.Random(0)
    detected = 0
    for bit in (source.randrange(8 * len(good)) for _ in range(200)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        path.write_bytes(bad)
        try:
            values = read_json(path, dict[str, Any], "", version=Version(2, oldest=2))
        except DataError:
            detected += 1
        else:  # of the checksum's own name, or of white space
            assert {key: value for key, value in values.items() if key in same} == same
    assert detected > 150


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(DamagedError, match="is not a file"):
        read_json(tmp_path / "config.json", Any, "")


def test_versions_name_both_and_what_to_do(tmp_path):
    path = tmp_path / "config.json"
    newer, older = "format_version 7, this raysq reads up to 3; update raysq", "reads 2 and later; again"
    for version, match in ((7, newer), (1, older)):
        write_json(path, {**VALUES, "format_version": version})
        with pytest.raises(DataError, match=match) as caught:
            read_json(path, Any, "again", version=Version(3, oldest=2))
        assert not isinstance(caught.value, DamagedError)
    path.write_text(json.dumps({"format_version": 2, "loss": 1, "checksum": "of another"}))
    with pytest.raises(DamagedError, match="its checksum is of other values"):
        read_json(path, Any, "", version=Version(3, oldest=2))
    path.write_text('{"format_version": "1"}')
    with pytest.raises(DamagedError, match="format_version: expected a whole number"):
        read_json(path, Any, "", version=Version(3, oldest=2))


def test_lines(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_json_lines(path, Record, "") == []
    records = [{"epoch": number, "loss": number / 3, "name": "a\u2028b"} for number in range(1, 4)]
    write_json_lines(path, records)
    assert read_json_lines(path, Record, "") == records
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[1].replace("0.66", "0.67") + lines[2][:20])
    with pytest.raises(DamagedError, match="metrics.jsonl is damaged .line 2: its checksum is of.*do that"):
        read_json_lines(path, Record, "do that")
    assert read_json_lines(path, Record, "", most=1) == records[:1]


def test_forms():
    for value, form in (
        ({"a": [1, 2.5]}, dict[str, list[float]]),
        ([1, "x"], tuple[int, str]),
        ([], tuple[int, ...]),
        ({"file": "a"}, Closed),
        (None, Closed | None),
        ([{"epoch": 1, "loss": None, "more": {}}], list[Record]),
    ):
        check_schema(value, form)
    for value, form, reason in (
        ({"a": [1, None]}, dict[str, list[float]], r"a\[1\]: expected a number, received null"),
        ([1], tuple[int, str], "expected 2 values, received 1"),
        ({"file": "a", "size": 1}, Closed, "'size' is unknown"),
        ({"rows": 1}, Closed, "'file' is missing"),
        ([{"epoch": 1, "loss": None}, {}], list[Record], r"\[1\]: 'epoch' is missing"),
    ):
        with pytest.raises(ValueError, match=reason):
            check_schema(value, form)
