"""Windows: equal to the book's generator, row by row, inside their split."""

import dataclasses

import numpy as np
import pytest
from training.series import bind, write_series

from raysq import tasks
from raysq.config import make_settings
from raysq.errors import DataError, UsageError
from raysq.problems.forecasting import splits
from raysq.problems.forecasting.batches import open_splits
from raysq.problems.forecasting.resolve_settings import resolve_settings
from raysq.problems.forecasting.series import split_bounds
from raysq.problems.forecasting.settings import ForecastingSettings
from raysq.tasks.prepare import prepare
from raysq.training.run_config import resolve_config


def generator(data, lookback, delay, min_index, max_index, batch_size, step, target):
    """What listing 6.33 yields without shuffling, written anew: batches of windows and targets in row order."""
    row = min_index + lookback
    while row < max_index:
        rows = np.arange(row, min(row + batch_size, max_index))
        row += len(rows)
        samples = np.stack([data[r - lookback : r : step] for r in rows])
        yield rows, samples, np.array([data[r + delay][target] for r in rows])


def check_against_generator(dataset, settings):
    names = [name for name in dataset.columns if name != "time"]
    begin, end = split_bounds(dataset, settings)[0]["train"]
    raw = np.stack([dataset.column(name).slice(0, dataset.rows) for name in names], 1).astype(np.float64)
    normalized = (raw - raw[begin:end].mean(0)) / raw[begin:end].std(0)
    for split, windows in open_splits(dataset, settings).items():
        begin, end = split_bounds(dataset, settings)[0][split]
        seen = 0
        places = windows.arrays()
        (ahead,) = settings.delay
        last = end - ahead
        for rows, samples, targets in generator(
            normalized, settings.lookback, ahead, begin, last, 128, settings.step, names.index("T (degC)")
        ):
            indices = np.arange(seen, seen + len(rows))
            seen += len(rows)
            x, y = windows.gather(indices, places, lambda array, at: array[at])
            assert np.array_equal(windows.rows(indices), rows)
            np.testing.assert_allclose(x, samples, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(y[:, 0], targets, rtol=1e-5, atol=1e-5)
            assert rows[-1] + ahead < end
        assert seen == len(windows) == end - begin - settings.lookback - ahead


def test_windows_equal_the_books_generator_on_made_rows(tmp_path):
    dataset = write_series(tmp_path / "waves", rows=1500, shard_rows=400)
    check_against_generator(dataset, ForecastingSettings(targets=("T (degC)",), lookback=50, step=3, delay=(20,)))


def test_windows_equal_the_books_generator_on_real_rows(cluster, real):
    dataset = prepare("jena", str(real("jena/jena_climate_2020.csv.zip")), quiet=True, shard_rows=20_000)
    assert dataset.rows == 52_696
    settings = ForecastingSettings(targets=("T (degC)",), lookback=720, step=6, delay=(144,), split="0.5/0.25/0.25")
    assert settings.steps == 120
    check_against_generator(dataset, settings)


def test_reversed_stride_and_host_gather(tmp_path):
    dataset = write_series(tmp_path / "waves", rows=1500, shard_rows=400)
    plain = open_splits(dataset, ForecastingSettings(targets=("T (degC)",), lookback=48, step=2, delay=(6,)))["val"]
    turned = ForecastingSettings(targets=("T (degC)",), lookback=48, step=2, delay=(6,), reversed=True, stride=5)
    turned = open_splits(dataset, turned)["val"]
    assert len(turned) == -(-len(plain) // 5)
    indices = np.arange(len(turned))
    x, y = plain.gather(indices * 5, plain.arrays(), lambda array, at: array[at])
    for places in (turned.arrays(), turned.mapped()):
        take = (lambda array, at: array[at]) if isinstance(places["series"], np.ndarray) else lambda a, at: a.take(at)
        x_turned, y_turned = turned.gather(indices, places, take)
        assert np.array_equal(x_turned, x[:, ::-1]) and np.array_equal(y_turned, y)


def test_several_targets_and_chosen_features(tmp_path):
    dataset = write_series(tmp_path / "waves")
    features = ("T (degC)", "p (mbar)", "rh (%)")
    settings = ForecastingSettings(targets=("p (mbar)", "T (degC)"), features=features, lookback=24, step=2, delay=(6,))
    x, y = open_splits(dataset, settings)["train"].gather(
        np.arange(5), open_splits(dataset, settings)["train"].arrays(), lambda array, at: array[at]
    )
    assert x.shape == (5, 12, 3) and y.shape == (5, 2)
    assert bind(dataset, settings).input_spec(dataset).targets == (1, 0)


def test_statistics_come_from_the_training_rows_only(tmp_path):
    dataset = write_series(tmp_path / "waves", rows=1500, shard_rows=400)
    settings = ForecastingSettings(targets=("T (degC)",), lookback=24, step=2, delay=(6,))
    series = open_splits(dataset, settings)["val"].series
    begin, end = split_bounds(dataset, settings)[0]["train"]
    assert (begin, end) == (0, 750)
    train = dataset.column("rh (%)").slice(0, 750).astype(np.float64)
    number = series.names.index("rh (%)")
    assert series.mean[number] == pytest.approx(train.mean(), rel=1e-12)
    assert series.std[number] == pytest.approx(train.std(), rel=1e-12)


def test_the_published_file_has_the_books_rows(tmp_path):
    known = tasks.get("jena").settings["known_splits"]
    assert splits.bounds(known[0].split(":")[1], 420_551) == {
        "train": (0, 200_000),
        "val": (200_000, 300_000),
        "test": (300_000, 420_551),
    }
    dataset = write_series(tmp_path / "waves", rows=1000)
    settings = ForecastingSettings(targets=("T (degC)",), known_splits=(*known, "1000:700/200/rest"))
    assert split_bounds(dataset, settings) == [{"train": (0, 700), "val": (700, 900), "test": (900, 1000)}]
    settings = ForecastingSettings(targets=("T (degC)",), known_splits=known)
    assert split_bounds(dataset, settings) == [{"train": (0, 500), "val": (500, 750), "test": (750, 1000)}]
    asked = ForecastingSettings(targets=("T (degC)",), known_splits=("1000:700/200/rest",), split="0.2/0.2/0.2")
    assert split_bounds(dataset, asked) == [{"train": (0, 200), "val": (200, 400), "test": (400, 600)}]


@pytest.mark.parametrize(
    "split", ["0.5/0.25", "a/b/c", "0.9/0.9/rest", "600/600/rest", "-5/10/rest", "2013-01-01", "2014-01-01/2013-01-01"]
)
def test_splits_that_do_not_fit_are_errors(split):
    with pytest.raises((UsageError, DataError), match="split"):
        splits.bounds(ForecastingSettings(targets=("x",), split=split).split, 1000)


def test_a_split_by_dates(tmp_path):
    dataset = write_series(tmp_path / "waves", rows=1500, shard_rows=400)  # every ten minutes from 2020-01-01
    settings = ForecastingSettings(targets=("T (degC)",), split="2020-01-05/2020-01-08 12:00")
    assert split_bounds(dataset, settings) == [{"train": (0, 576), "val": (576, 1080), "test": (1080, 1500)}]
    with pytest.raises(DataError, match="the series is 2020-01-01T00:00:00 to 2020-01-11"):
        split_bounds(dataset, ForecastingSettings(targets=("T (degC)",), split="2019-01-05/2020-01-08"))


def test_several_horizons_are_outputs_in_their_order(tmp_path):
    dataset = write_series(tmp_path / "waves")
    several = ForecastingSettings(targets=("T (degC)", "rh (%)"), lookback=24, step=2, delay=(0, 6, 30))
    windows = open_splits(dataset, several)["val"]
    indices = np.array([0, 7, len(windows) - 1])
    for places in (windows.arrays(), windows.mapped()):
        take = (lambda a, at: a[at]) if isinstance(places["series"], np.ndarray) else (lambda a, at: a.take(at))
        _, y = windows.gather(indices, places, take)
        assert y.shape == (3, 6)
        for number, ahead in enumerate((0, 6, 30)):
            single = dataclasses.replace(several, delay=(ahead,))
            val = open_splits(dataset, single)["val"]
            _, alone = val.gather(indices, val.arrays(), lambda a, at: a[at])
            assert np.array_equal(y[:, 2 * number : 2 * number + 2], alone)
    assert windows.rows(indices)[-1] + 30 == windows.bounds[0][1] - 1, "the last window's last horizon is the last row"


def test_windows_never_cross_from_one_series_to_another(tmp_path):
    dataset = write_series(tmp_path / "waves", rows=900, shard_rows=400)
    lengths = {"a": 400, "b": 300, "c": 200}
    dataset.manifest.report["series"] = [{"id": name, "rows": rows} for name, rows in lengths.items()]
    settings = ForecastingSettings(targets=("T (degC)",), lookback=24, step=2, delay=(6,), split="0.5/0.25/0.25")
    found = open_splits(dataset, settings)
    assert [one["val"] for one in split_bounds(dataset, settings)] == [(200, 300), (550, 625), (800, 850)]
    edges = [0, 400, 700, 900]
    for split, windows in found.items():
        rows = windows.rows(np.arange(len(windows)))
        begins, ends = rows - 24, rows + 6
        assert (np.searchsorted(edges, begins, "right") == np.searchsorted(edges, ends, "right")).all()
        inside = [one[split] for one in split_bounds(dataset, settings)]
        assert all(any(low <= b and e < high for low, high in inside) for b, e in zip(begins, ends, strict=True))
        assert len(windows) == sum(max(0, high - low - 30) for low, high in inside)
        for places in (windows.arrays(), windows.mapped()):
            take = (lambda a, at: a[at]) if isinstance(places["series"], np.ndarray) else (lambda a, at: a.take(at))
            _, y = windows.gather(np.arange(len(windows)), places, take)
            raw = dataset.column("T (degC)").slice(0, 900)
            place = windows.series.names.index("T (degC)")
            np.testing.assert_allclose(
                y[:, 0] * windows.series.std[place] + windows.series.mean[place], raw[rows + 6], rtol=1e-4, atol=1e-4
            )
    train = np.concatenate([dataset.column("rh (%)").slice(*one["train"]) for one in split_bounds(dataset, settings)])
    series = found["train"].series
    assert series.mean[series.names.index("rh (%)")] == pytest.approx(train.astype(np.float64).mean(), rel=1e-9)
    assert series.std[series.names.index("rh (%)")] == pytest.approx(train.astype(np.float64).std(), rel=1e-9)


def test_calendar_waves_stand_beside_the_features(tmp_path):
    dataset = write_series(tmp_path / "waves")
    settings = ForecastingSettings(targets=("T (degC)",), lookback=24, step=2, delay=(6,), calendar=("hour",))
    windows = open_splits(dataset, settings)["train"]
    take = [lambda a, at: a[at], lambda a, at: a.take(at)]
    x, _ = windows.gather(np.arange(9), windows.arrays(), take[0])
    again, _ = windows.gather(np.arange(9), windows.mapped(), take[1])
    assert np.array_equal(x, again) and x.shape == (9, 12, 16)
    assert bind(dataset, settings).input_spec(dataset).shape == (12, 16)
    # Window 0 begins at midnight, a row every ten minutes.
    angle = 2 * np.pi * np.arange(0, 24, 2) / 144
    np.testing.assert_allclose(x[0, :, -2:], np.stack([np.sin(angle), np.cos(angle)], 1), atol=1e-6)


def test_spans_are_read_at_the_cadence_and_defaults_follow_from_it(tmp_path):
    dataset = write_series(tmp_path / "waves")
    dataset.manifest.report["cadence_seconds"] = 600.0
    said = {"targets": "T (degC)", "lookback": "1d", "step": "1h", "delay": "6h,24h"}
    found = resolve_settings(said, dataset)
    assert (found["lookback"], found["step"], found["delay"], found["season"]) == (144, 6, (36, 144), 144)
    with pytest.raises(UsageError, match="lookback=25min is not a multiple"):
        resolve_settings({"lookback": "25min"}, dataset)
    with pytest.raises(DataError, match=r"no column 'T \(degc\)'.*did you mean T \(degC\)"):
        resolve_settings({"targets": ("T (degc)",)}, dataset)
    for wrong in ({"delay": (6, 6)}, {"delay": (-1,)}, {"quantiles": (0.5, 0.1)}, {"quantiles": (1.0,)}):
        with pytest.raises(UsageError, match="must"):
            ForecastingSettings(targets=("T (degC)",), **wrong)


def test_the_newest_row_is_seen_whatever_the_step(tmp_path):
    dataset = write_series(tmp_path / "waves")
    settings = ForecastingSettings(targets=("T (degC)",), lookback=50, step=6, anchor="newest", horizon=(1, 12))
    assert list(settings.offsets) == [-49, -43, -37, -31, -25, -19, -13, -7, -1]
    assert settings.ahead == (0, 11) and settings.horizons == (1, 12)
    windows = open_splits(dataset, settings)["val"]
    x, y = windows.gather(np.arange(40), windows.arrays(), lambda array, at: array[at])
    series = windows.arrays()["series"]
    rows = windows.rows(np.arange(40))
    place = windows.series.names.index("T (degC)")
    assert np.array_equal(x[:, -1], series[rows - 1]) and np.array_equal(x[:, -2], series[rows - 7])
    assert np.array_equal(y, np.stack([series[rows, place], series[rows + 11, place]], 1))
    last = windows.rows(np.array([len(windows) - 1]))[0]
    assert last + 11 == windows.bounds[0][1] - 1, "the last window's last horizon is the last row"
    # The references repeat what the model sees: the newest row, and the row whole seasons before.
    seasonal = ForecastingSettings(
        targets=("T (degC)",), lookback=48, step=6, anchor="newest", horizon=(12, 24), season=24
    )
    extra = bind(dataset, seasonal).input_spec(dataset).extra
    assert extra["latest"] == [7, 7] and extra["seasonal"] == [5, 7]


def test_a_horizon_counts_from_the_last_row_seen_and_a_delay_from_the_first_not_seen(tmp_path):
    dataset = write_series(tmp_path / "waves")
    dataset.manifest.report["cadence_seconds"] = 600.0
    said = {"targets": ("T (degC)",), "lookback": "1d", "step": "1h"}
    newest = make_settings(ForecastingSettings, resolve_settings({**said, "horizon": "24h"}, dataset))
    assert newest.ahead == (143,) and bind(dataset, newest).horizons == ["24h"]
    delayed = make_settings(ForecastingSettings, resolve_settings({**said, "delay": "24h"}, dataset))
    assert delayed.ahead == (144,) and bind(dataset, delayed).horizons == ["1450min"]
    book = make_settings(ForecastingSettings, resolve_settings({**said, "delay": "24h", "anchor": "oldest"}, dataset))
    assert book.ahead == (144,) and bind(dataset, book).horizons == ["25h"]
    short = make_settings(ForecastingSettings, resolve_settings(said, dataset))
    assert bind(dataset, short).horizons == ["6h"], "the default horizon of so short a series"
    with pytest.raises(UsageError, match="either horizon.*or delay"):
        make_settings(ForecastingSettings, resolve_settings({**said, "delay": 0, "horizon": "24h"}, dataset))
    with pytest.raises(UsageError, match="horizon must be .* from 1 on, received 0"):
        make_settings(ForecastingSettings, resolve_settings({**said, "horizon": 0}, dataset))
    with pytest.raises(UsageError, match=r"horizon \(3\) ends inside the window.*a horizon from 6 on"):
        make_settings(ForecastingSettings, resolve_settings({**said, "horizon": 3, "anchor": "oldest"}, dataset))


def test_a_horizon_takes_the_place_of_the_tasks_delay_and_back(tmp_path):
    dataset = write_series(tmp_path / "waves")
    config = resolve_config("jena", "baseline", dataset, 0, {"lookback": 24, "horizon": 12})
    assert (config.settings["data"]["horizon"], config.settings["data"]["delay"]) == ([12], [])
    dataset.manifest.settings["horizon"] = "12"
    assert resolve_config("jena", "baseline", dataset, 0, {"lookback": 24}).settings["data"]["horizon"] == [12]
    again = resolve_config("jena", "baseline", dataset, 0, {"lookback": 24, "delay": 3})
    assert (again.settings["data"]["horizon"], again.settings["data"]["delay"]) == ([], [3])
    same = resolve_config("jena", "baseline", dataset, 0, {**again.settings["data"], **again.settings["training"]})
    assert same.settings == again.settings


def test_the_seasonal_step_is_whole_seasons_before_the_row_to_forecast(tmp_path):
    dataset = write_series(tmp_path / "waves")
    base = {"targets": ("T (degC)",), "lookback": 24, "season": 7}
    for ahead in range(12):
        for turned in (False, True):
            settings = ForecastingSettings(**base, delay=(ahead,), reversed=turned)
            windows = open_splits(dataset, settings)["train"]
            (index,) = settings.seasonal_steps
            row = windows.rows(np.array([5]))[0] + windows._offsets[index]
            target = windows.rows(np.array([5]))[0] + ahead
            assert (target - row) % 7 == 0 and 0 < windows.rows(np.array([5]))[0] - row <= 7
    assert ForecastingSettings(targets=("T (degC)",), lookback=5, season=7).seasonal_steps is None
