"""A frame in Python gives what a file of the same rows gives, repaired and refused alike."""

import numpy as np
import pandas as pd
import pytest

import raysq
from raysq.errors import DataError


def test_a_frame_is_read_as_a_file_is(tmp_path):
    random = np.random.RandomState(0)
    parts = []
    for site, level, count in (("n", 20, 200), ("s", 50, 150)):
        frame = pd.DataFrame({"when": pd.date_range("2023-03-01", periods=count, freq="h")})
        frame["load"] = (level + 5 * np.sin(np.arange(count) / 4) + random.normal(size=count)).round(3)
        frame["kind"] = np.where(np.arange(count) % 24 < 8, "night", "day")
        parts.append(frame.assign(site=site, code=7))
    frame = pd.concat(parts)
    settings = {"targets": "load", "categories": "kind", "id": "site,code", "lookback": 12}
    raysq.prepare("forecast", frame, settings=settings, name="d", quiet=True)
    run = raysq.train("forecast", data="d", model="baseline", name="run")
    model = raysq.load(run)
    frame.to_csv(tmp_path / "load.csv", index=False)
    raysq.predict_file(run, tmp_path / "load.csv", tmp_path / "out.parquet")
    expected = pd.read_parquet(tmp_path / "out.parquet")
    assert list(expected)[:2] == ["site", "code"] and len(expected) == 200 + 150 + 2 - 24
    for given in (frame, frame[::-1], frame.sample(frac=1, random_state=3), frame.set_index("when")):
        found = model.predict(given).sort_values(["site", "row"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected)
    # The newest value is a sentinel, so the one before it goes on.
    broken = frame.copy().reset_index(drop=True)
    broken.loc[199, "load"] = -9999
    last = model.predict(broken).query("site == 'n'").iloc[-1]
    assert last["from"] == pd.Timestamp("2023-03-09 07:00") and last["load"] == pytest.approx(frame["load"].iloc[198])
    with pytest.raises(DataError, match="the rows are 15min apart, those that the run was trained on 1h"):
        model.predict(frame.assign(when=frame["when"].iloc[0] + (frame["when"] - frame["when"].iloc[0]) / 4))
    with pytest.raises(DataError, match="the frame has no column 'code'; frames for predict have the form"):
        model.predict(frame.drop(columns="code"))
