"""A person's own series: categories, several series, and the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from problems.forecasting.series_files import infer_file, make_preprocessor, make_times, write_text

from raysq import tasks
from raysq.cli import main
from raysq.config import make_settings
from raysq.data.dataset import read_manifest
from raysq.data.pipeline import read_table
from raysq.errors import DataError, RaysqError, UsageError
from raysq.problems.forecasting import row_durations
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor
from raysq.tasks.datasets import find_dataset
from raysq.tasks.prepare import prepare
from raysq.tasks.task import Task


def test_categories_become_columns(tmp_path):
    text = "date,v,sky,zone\n2020-01-01,1,rain,10\n2020-01-02,2, sun ,2\n2020-01-03,3,,2.0\n2020-01-04,4,rain,10\n"
    settings, messages = infer_file(tmp_path / "x.csv", text, categories=["sky", "zone"])
    assert settings.levels == {"sky": ["rain", "sun"], "zone": ["2", "10"]}
    assert "category sky: 2 values (rain, sun)" in messages
    assert "1 missing cell of 4 in sky (first line 4): no value of the category" in messages
    table, report = read_table(settings, [tmp_path / "x.csv"])
    assert table.column_names == ["time", "v", "sky=rain", "sky=sun", "zone=2", "zone=10"]
    assert {str(kind) for kind in table.schema.types[1:]} == {"float"}
    assert table.column("sky=rain").to_pylist() == [1, 0, 0, 1]
    assert table.column("sky=sun").to_pylist() == [0, 1, 0, 0]
    assert table.column("zone=2").to_pylist() == [0, 1, 1, 0]
    assert report["categories"] == settings.levels

    # Another file: a value that was never seen is none of those that were.
    (tmp_path / "y.csv").write_text("date,v,sky,zone\n2021-01-01,1,hail,10\n2021-01-02,1,sun,3\n")
    reading = json.loads(json.dumps(settings.reading()))
    again, report = read_table(SeriesPreprocessor(**reading), [tmp_path / "y.csv"])
    assert again.column_names == table.column_names
    assert again.column("sky=sun").to_pylist() == [0, 1]
    assert again.column("sky=rain").to_pylist() == again.column("zone=2").to_pylist() == [0, 0]
    assert report["unknown_values"]["sky"]["count"] == report["unknown_values"]["zone"]["count"] == 1


def test_too_many_values_of_a_category(tmp_path):
    text = "date,v,sky\n" + "".join(f"{stamp},1,s{n}\n" for n, stamp in enumerate(make_times("2020-01-01", "1D", 51)))
    with pytest.raises(DataError, match="category 'sky' has more than 50 values"):
        infer_file(tmp_path / "x.csv", text, categories="sky")


def test_files_may_lack_columns_that_are_not_needed(tmp_path):
    text = "date,a,b,sky\n" + "".join(
        f"{s},{n},{n},x{n % 2}\n" for n, s in enumerate(make_times("2020-01-01", "1D", 9))
    )
    settings, _ = infer_file(tmp_path / "x.csv", text, categories="sky")
    (tmp_path / "y.csv").write_text("extra,b,date\n7,5,2021-01-01\n")
    reading = json.loads(json.dumps(settings.reading(["b"])))
    table, report = read_table(SeriesPreprocessor(**reading), [tmp_path / "y.csv"])
    assert table.column_names == ["time", "b"]
    assert table.num_rows == report["rows_read"] == 1
    both = SeriesPreprocessor(**settings.reading(["sky=x1", "b"]))
    assert read_table(both, [tmp_path / "x.csv"])[0].column_names == ["time", "b", "sky=x0", "sky=x1"]
    with pytest.raises(DataError, match="lacks columns 'a'"):
        read_table(SeriesPreprocessor(**settings.reading(["a", "b"])), [tmp_path / "y.csv"])


def test_series_are_kept_apart(tmp_path):
    text = (
        "shop,date,v\nB,2020-01-03,3\nA,2020-01-02,20\nB,2020-01-01,1\nA,2020-01-01,10\nB,2020-01-02,\nA,2020-01-03,30\n"
        "C,2019-06-01,7\n"
    )
    table, report = read_table(make_preprocessor(id="shop"), [write_text(tmp_path / "x.csv", text)])
    assert table.column_names == ["time", "v"]
    assert table.column("v").to_pylist() == [1, 1, 3, 10, 20, 30, 7]
    assert report["series"] == [
        {"id": "B", "keys": ["B"], "rows": 3, "from": "2020-01-01T00:00:00", "to": "2020-01-03T00:00:00"},
        {"id": "A", "keys": ["A"], "rows": 3, "from": "2020-01-01T00:00:00", "to": "2020-01-03T00:00:00"},
        {"id": "C", "keys": ["C"], "rows": 1, "from": "2019-06-01T00:00:00", "to": "2019-06-01T00:00:00"},
    ]
    assert (report["from"], report["to"]) == ("2019-06-01T00:00:00", "2020-01-03T00:00:00")
    assert report["cadence_seconds"] == 86400
    assert report["gaps"]["count"] == report["repeated_stamps"]["count"] == 0
    assert report["repairs"]["cells_filled"] == {"v": 1}
    _, messages = infer_file(tmp_path / "x.csv", id="shop")
    assert "3 series by shop (B, A, C) of 1 to 3 rows" in messages
    assert "1 series with fewer than 3 rows (C)" in messages
    with pytest.raises(DataError, match="stamp 2020-01-01T00:00:00 is before that of the row above"):
        read_table(make_preprocessor(id="shop", order="error"), [tmp_path / "x.csv"])
    with pytest.raises(DataError, match="series 'B': column 'v' has no value at all"):
        read_table(
            make_preprocessor(id="shop"),
            [write_text(tmp_path / "y.csv", "shop,date,v\nA,2020-01-01,1\nB,2020-01-01,\n")],
        )


def test_several_series_without_an_id_are_noticed(tmp_path):
    rows = [f"{s},{name},{n}" for name in ("north", "south") for n, s in enumerate(make_times("2020-01-01", "1D", 20))]
    path = write_text(tmp_path / "x.csv", "date,region,v\n" + "\n".join(rows) + "\n")
    with pytest.raises(DataError, match=r"rows repeat the stamp.*'region' tells them apart .*give --id region"):
        infer_file(path)
    settings, _ = infer_file(path, id="region")
    reading = json.loads(json.dumps(settings.reading()))
    assert read_table(SeriesPreprocessor(**reading), [path])[1]["series"][1]["id"] == "south"


def weather(path: Path, days: int = 120) -> Path:
    random = np.random.RandomState(0)
    rows = [
        f"{stamp},{10 + 5 * np.sin(n / 58):.2f},{random.rand():.3f},{('dry', 'wet')[n % 2]}"
        for n, stamp in enumerate(make_times("2020-01-01", "1D", days))
    ]
    return write_text(path, "date,temp,wind,sky\n" + "\n".join(rows) + "\n")


def call(*arguments: str) -> int:
    return main(["prepare", "forecast", *map(str, arguments)])


def test_prepare_and_only_change_the_settings(cluster, tmp_path, capsys, monkeypatch):
    path = weather(tmp_path / "weather.csv")
    options = ("--source", path, "--target", "temp", "--category", "sky", "--features", "temp,sky", "--name", "w")
    assert call(*options, "--delay", "1d", "--lookback", "1w", "--split", "0.6/0.2/0.2") == 0
    said = capsys.readouterr()
    assert said.out.strip().endswith("/forecast/w")
    assert "time: column 'date' (ISO 8601)" in said.err
    assert said.err.count("a row every 1d") == 1  # told before, not again after
    data = find_dataset("forecast")
    assert data.columns == ("time", "temp", "wind", "sky=dry", "sky=wet")
    assert data.manifest.settings == {
        "targets": "temp",
        "features": ["temp", "sky=dry", "sky=wet"],
        "delay": "1d",
        "lookback": "1w",
        "split": "0.6/0.2/0.2",
    }
    assert data.manifest.preparation["settings"]["levels"] == {"sky": ["dry", "wet"]}
    before = (data.directory / "shard-00000.arrow").stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr("raysq.tasks.prepare.build", lambda *_, **__: pytest.fail("prepared again"))
        assert call(*options, "--delay", "2d", "--lookback", "1w") == 0
        said = capsys.readouterr().err
        assert "its settings are changed: delay 1d -> 2d, split 0.6/0.2/0.2 -> default" in said
        assert call(*options, "--delay", "2d", "--lookback", "1w") == 0
        assert "nothing to do" in capsys.readouterr().err
        assert call(*options, "--delay", "6h") == 2
        assert "delay=6h is not a multiple of the series' 1d between rows" in capsys.readouterr().err
    changed = read_manifest(data.directory)
    assert changed.settings == {
        "targets": "temp",
        "features": ["temp", "sky=dry", "sky=wet"],
        "delay": "2d",
        "lookback": "1w",
    }
    assert changed.fingerprint == data.fingerprint
    assert (data.directory / "shard-00000.arrow").stat().st_mtime_ns == before


def test_settings_that_do_not_fit_leave_no_data_set(cluster, tmp_path, raysq_home):
    path = weather(tmp_path / "weather.csv")
    with pytest.raises(UsageError, match="delay=6h is not a multiple"):
        prepare("forecast", path, settings={"targets": "temp", "delay": "6h"}, quiet=True)
    assert [file.name for file in (raysq_home / "data" / "forecast").iterdir()] == [".lock"]


def test_several_series_through_the_pipeline(cluster, tmp_path, capsys):
    rows = [f"{name},{s},{n}" for name in "ab" for n, s in enumerate(make_times("2020-01-01T00", "1h", 600))]
    path = write_text(tmp_path / "x.csv", "shop,date,v\n" + "\n".join(rows[::-1]) + "\n")
    assert call("--source", path, "--id", "shop", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["settings"] == {"targets": "v"}
    assert "target: v, the only column of values" in result["messages"]
    assert [series["id"] for series in result["report"]["series"]] == ["b", "a"]
    data = find_dataset("forecast")
    assert data.column("v").slice(0, 1200).tolist() == 2 * list(range(600))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (
            (),
            "which column is to be forecast? --target NAME says it, several parted by commas, or all; "
            "there are temp, wind",
        ),
        (("--target", "temperature"), "target 'temperature' is no column of values: did you mean temp?"),
        (("--target", "temp", "--features", "tem"), "feature 'tem' is no column of values: did you mean temp?"),
        (("--target", "temp", "--calendar", "weekdays"), "did you mean weekday"),
        (("--target", "temp", "--set", "lokback=3"), "unknown setting 'lokback' of prepare: did you mean lookback"),
    ],
)
def test_usage_errors_come_before_anything_long(tmp_path, capsys, monkeypatch, arguments, match):
    monkeypatch.setattr("raysq.tasks.prepare.build", lambda *_, **__: pytest.fail("began"))
    assert call("--source", weather(tmp_path / "w.csv"), *arguments) == 2
    said = capsys.readouterr().err
    assert match in said
    assert said.count("\n") == 1


def test_a_source_is_needed(capsys):
    assert call() == 2
    assert "give --source PATH" in capsys.readouterr().err


def test_other_tasks_keep_their_own_settings():
    for name in tasks.names():
        task: Task = tasks.get(name)
        if task.problem != "forecast":
            continue
        settings = make_settings(SeriesPreprocessor, dict(task.preparation))
        assert (settings.layout == "infer") == (name == "forecast")
        if name != "forecast":
            assert settings.infer([]) == (settings, [])


def test_real_beijing_with_its_wind(real):
    path = real("beijing_pm25/PRSA_data_2010.1.1-2014.12.31.csv")
    settings, messages = make_preprocessor(categories="cbwd").infer([path])
    assert settings.time == ("year", "month", "day", "hour")
    assert settings.columns == ("pm2.5", "DEWP", "TEMP", "PRES", "Iws", "Is", "Ir")
    assert settings.levels == {"cbwd": ["NE", "NW", "SE", "cv"]}
    assert any(line.startswith("2,067 missing cells of 43,824 in pm2.5") for line in messages)
    table, report = read_table(settings, [path])
    assert table.num_rows == 43_824
    assert sum(np.asarray(table.column(f"cbwd={value}")).sum() for value in settings.levels["cbwd"]) == 43_824
    assert report["repairs"]["cells_filled"] == {"pm2.5": 2043}
    assert report["repairs"]["leading"] == {"pm2.5": 24}
    assert report["repairs"]["unobserved"] == {"pm2.5": 2067}


@pytest.mark.parametrize(
    ("name", "settings", "every", "rows"),
    [
        ("co2", {}, row_durations.WEEK, 2284),
        ("sunspots", {}, row_durations.YEAR, 309),
        ("macrodata", {}, 3 * row_durations.MONTH, 203),
        ("grunfeld", {"id": "firm"}, row_durations.YEAR, 220),
    ],
)
def test_real_series_of_statsmodels(tmp_path, name, settings, every, rows):
    datasets = pytest.importorskip("statsmodels.datasets")
    frame = getattr(datasets, name).load_pandas().data
    frame.to_csv(tmp_path / f"{name}.csv", index=name == "co2")
    inferred, _ = make_preprocessor(**settings).infer([tmp_path / f"{name}.csv"])
    table, report = read_table(inferred, [tmp_path / f"{name}.csv"])
    assert (table.num_rows, report["cadence_seconds"]) == (rows, every)
    assert not report["gaps"]["count"]
    if name == "grunfeld":
        with pytest.raises(RaysqError, match="repeat the stamp of another row.*give --id firm"):
            make_preprocessor().infer([tmp_path / "grunfeld.csv"])
