"""Rows that the source says to train, to validate and to test on: a column, a second source, weights."""

import numpy as np
import pandas as pd
import pytest

import raysq
from raysq.errors import DataError, UsageError
from raysq.problems.forecasting.problem import Forecasting
from raysq.training.run_config import resolve_config

WINDOW = {"targets": "load", "features": "load,temp", "lookback": 12, "horizon": 1}


def frame(rows=400, begin="2020-01-01", **columns):
    """An hourly series whose load rises from row to row, with weights."""
    number = np.arange(rows)
    values = {"time": pd.date_range(begin, periods=rows, freq="h"), "load": number % 24 + number / rows}
    return pd.DataFrame({**values, "temp": np.sin(number), "w": 0.5 + number / rows, **columns})


def prepare(source, validation=None, **settings):
    return raysq.prepare("forecast", source, validation=validation, settings={**WINDOW, **settings}, quiet=True)


def bound(dataset, **settings):
    problem = Forecasting.from_dataset(dataset, {**WINDOW, **settings})
    return problem, problem.splits(dataset)


def lengths(splits):
    return [len(splits[name]) for name in ("train", "val", "test")]


def test_a_later_source_validates_and_touches_no_statistics():
    later = frame(150, "2020-02-01")
    dataset = prepare(frame(), later.assign(load=later.load + 1000))
    problem, splits = bound(dataset)
    assert lengths(splits) == [388, 138, 0]
    assert problem.metadata.mean == pytest.approx(frame()[["load", "temp"]].mean().tolist(), abs=1e-5)
    x, _ = splits["val"].gather(np.arange(2), splits["val"].mapped(), lambda array, rows: array.take(rows))
    assert x[0, 0, 0] > 100 and dataset.column("load").take(splits["val"].rows(np.arange(1))) > 1000
    assert prepare(frame(), later.assign(load=later.load + 1)).fingerprint != dataset.fingerprint


def test_a_column_says_stretches_that_windows_do_not_leave():
    part = np.repeat(["train", "val", "train", "test"], [200, 60, 80, 60])
    dataset = prepare(frame(part=part), split_column="part")
    assert [(one["part"], one["rows"]) for one in dataset.manifest.report["stretches"]] == [
        ("train", 200), ("validation", 60), ("train", 80), ("test", 60),
    ]  # fmt: skip
    _, splits = bound(dataset)
    assert lengths(splits) == [188 + 68, 48, 48]
    begins = {"train": [0, 260], "val": [200], "test": [340]}
    for name, windows in splits.items():
        rows = windows.rows(np.arange(len(windows)))
        seen = np.unique(rows[:, None] + windows.settings.offsets)
        assert set(part[np.concatenate([seen, rows])]) == {name}
        assert all(begin + 12 in rows for begin in begins[name])
    assert "part" not in dataset.columns


def test_one_series_that_is_divided_as_split_does_gives_the_same_windows():
    """The same rows as parts and as a split in rows: the same statistics and batches."""
    part = np.repeat(["train", "val", "test"], [200, 100, 100])
    _, said = bound(prepare(frame(part=part), split_column="part"))
    _, divided = bound(prepare(frame()), split="200/100/rest")
    for name, windows in said.items():
        indices = np.arange(len(windows))
        take = lambda array, rows: array.take(rows)  # noqa: E731
        for one, other in zip(
            windows.gather(indices, windows.mapped(), take),
            divided[name].gather(indices, divided[name].mapped(), take),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


def test_series_by_id_have_parts_of_their_own():
    both = pd.concat([frame(200, plant="A"), frame(220, plant="B")])
    later = pd.concat([frame(90, "2020-02-01", plant="B"), frame(80, "2020-02-01", plant="A")])
    dataset = prepare(both, later, id="plant", weight="w")
    problem, splits = bound(dataset)
    assert lengths(splits) == [188 + 208, 68 + 78, 0] and problem.metadata.series == ["A", "B"]
    assert [one["rows"] for one in dataset.manifest.report["series"]] == [280, 310]
    assert [one["series"] for one in dataset.manifest.report["stretches"]] == [0, 1, 0, 1]
    expected = np.concatenate([0.5 + np.arange(12, rows) / rows for rows in (80, 90)])
    np.testing.assert_allclose(splits["val"].weights, expected, rtol=1e-6)


def test_gaps_are_filled_within_a_stretch_alone():
    part = np.repeat(["train", "val"], [200, 200])
    holes = frame(part=part).drop(index=[50, 51, 199, 200, 300])
    dataset = prepare(holes, split_column="part", gaps="fill")
    assert [one["rows"] for one in dataset.manifest.report["stretches"]] == [199, 199]


def test_a_window_weighs_what_its_target_rows_weigh():
    dataset = prepare(frame(), weight="w")
    _, splits = bound(dataset, split="0.5/0.25/0.25")
    np.testing.assert_allclose(splits["train"].weights, 0.5 + np.arange(12, 200) / 400, rtol=1e-6)
    _, splits = bound(dataset, split="0.5/0.25/0.25", horizon="1,3")
    np.testing.assert_allclose(splits["train"].weights, 0.5 + np.arange(13, 199) / 400, rtol=1e-6)
    assert "w" not in Forecasting.from_dataset(dataset, WINDOW).metadata.columns


def test_forecasts_need_no_parts_and_no_weights():
    part = np.repeat(["train", "val"], [200, 200])
    dataset = prepare(frame(part=part), split_column="part", weight="w")
    problem, _ = bound(dataset)
    reader = problem.prediction_preprocessor()
    assert reader.split_column is None and reader.weight is None and not reader.parted
    rows = [chunk.table for one in reader.partition([_arrow(frame(30))]) for chunk in reader.read(one)]
    assert rows[0].column_names == ["time", "load", "temp"]


def _arrow(table):
    import pyarrow as pa

    return pa.Table.from_pandas(table, preserve_index=False)


@pytest.mark.parametrize(
    ("source", "validation", "settings", "message"),
    [
        (frame(), frame(), {}, "the frame is given to train on and to validate on"),
        (frame(w=-1.0), None, {"weight": "w"}, "the frame, row 1: weight column 'w' holds '-1.0', and a weight"),
        (frame(w=[1.0, np.nan] * 200), None, {"weight": "w"}, "the frame, row 2: weight column 'w' holds"),
        (frame(w=0), None, {"weight": "w"}, "weight column 'w' holds 0 for all rows to train on"),
        (frame(), None, {"weight": "v"}, "no column 'v'; --weight names another"),
        (frame(), None, {"split_column": "v"}, "no column 'v'; --split-column names another"),
        (
            frame(part="x"),
            None,
            {"split_column": "part"},
            "row 1: column 'part' of --split-column says 'x', and not",
        ),
        (frame(part="val"), None, {"split_column": "part"}, "the source has no rows to train on"),
        (
            frame(part=["train", "val"] * 200),
            None,
            {"split_column": "part"},
            "parts of a series change from",
        ),
        (frame(), frame(90, "2020-02-01").drop(columns="temp"), {}, "frame to validate on lacks columns 'temp'"),
        (frame(), frame(0), {}, "--validation: the frame to validate on has columns and no rows; give another --vali"),
        (
            frame(part=np.repeat(["train", "val"], 200)),
            frame(90, "2020-02-01", part="val"),
            {"split_column": "part"},
            "the source says of 200 rows that they are to validate on, and another one is given for that",
        ),
        (
            frame(part=np.repeat(["train", "test"], 200)),
            frame(90, "2020-02-01", part="test"),
            {"split_column": "part"},
            "row 1: column 'part' of --split-column says 'test', and not val alone, as the source validates",
        ),
    ],
)
def test_what_cannot_be_is_one_line(source, validation, settings, message):
    with pytest.raises(DataError, match=message):
        prepare(source, validation, **settings)


def test_parts_without_validation_and_a_second_split_are_refused():
    dataset = prepare(frame(part=np.repeat(["train", "test"], 200)), split_column="part")
    with pytest.raises(DataError, match="says of no row that it is to validate on; .*--validation"):
        bound(dataset)
    with pytest.raises(DataError, match="setting split=0.5/0.25/0.25 divides rows, and .* leave it out"):
        bound(prepare(frame(), frame(90, "2020-02-01")), split="0.5/0.25/0.25")
    with pytest.raises(UsageError, match="setting split=0.5/0.25/0.25 divides rows, and the source says their parts"):
        prepare(frame(), frame(90, "2020-02-01"), split="0.5/0.25/0.25")


def test_a_backtest_of_parts_is_refused():
    dataset = prepare(frame(), frame(90, "2020-02-01"))
    with pytest.raises(DataError, match="a backtest divides rows in time, and .* says their parts; prepare it without"):
        bound(dataset)[0].folds(dataset, 2)


def test_the_split_of_the_task_gives_way_to_the_parts():
    dataset = prepare(frame(), frame(90, "2020-02-01"))
    assert resolve_config("forecast", "dense", dataset, 0, {}).settings["data"]["split"] is None


def test_rows_beside_and_before_those_to_train_on_are_told():
    lines = Forecasting.Preprocessor().describe(prepare(frame(), frame(150, "2020-01-10")).manifest.report)
    assert any(line.startswith("150 rows to validate on have the time of a row to train on") for line in lines)
    lines = Forecasting.Preprocessor().describe(prepare(frame(), frame(150, "2019-01-10")).manifest.report)
    assert any(line.startswith("150 rows to validate on lie before rows to train on") for line in lines)
    lines = Forecasting.Preprocessor().describe(prepare(frame(), frame(150, "2020-02-10")).manifest.report)
    assert "parts, as the source says: train 400 rows, validation 150 rows" in lines
    assert not any("to validate on" in line for line in lines)


@pytest.mark.parametrize(
    ("setting", "reason"),
    [("val_selection", "rows of a series follow each other in time"), ("group", "--id names the series")],
)
def test_what_has_no_meaning_for_series_has_a_reason(setting, reason):
    with pytest.raises(UsageError, match=f"^setting {setting}: .*{reason}"):
        prepare(frame(), **{setting: "stratified"})
