"""Windows: equal to the book's generator, row by row, inside their split."""

import numpy as np
import pytest
from training.series import write_series

from raysq import tasks
from raysq.errors import DataError, UsageError
from raysq.kinds.forecast.examples import WindowSettings
from raysq.preparation import prepare


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
    begin, end = settings.bounds(dataset.rows)["train"]
    raw = np.stack([dataset.column(name).slice(0, dataset.rows) for name in names], 1).astype(np.float64)
    normalised = (raw - raw[begin:end].mean(0)) / raw[begin:end].std(0)
    for split, windows in settings.open(dataset).items():
        begin, end = settings.bounds(dataset.rows)[split]
        seen = 0
        places = windows.arrays()
        last = end - settings.delay
        for rows, samples, targets in generator(
            normalised, settings.lookback, settings.delay, begin, last, 128, settings.step, names.index("T (degC)")
        ):
            indices = np.arange(seen, seen + len(rows))
            seen += len(rows)
            x, y = windows.gather(indices, places, lambda array, at: array[at])
            assert np.array_equal(windows.rows(indices), rows)
            np.testing.assert_allclose(x, samples, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(y[:, 0], targets, rtol=1e-5, atol=1e-5)
            assert rows[-1] + settings.delay < end
        assert seen == len(windows) == end - begin - settings.lookback - settings.delay


def test_windows_equal_the_books_generator_on_made_rows(tmp_path):
    dataset = write_series(tmp_path / "waves", rows=1500, shard_rows=400)
    check_against_generator(dataset, WindowSettings(targets=("T (degC)",), lookback=50, step=3, delay=20))


def test_windows_equal_the_books_generator_on_real_rows(cluster, real):
    dataset = prepare("jena", str(real("jena/jena_climate_2020.csv.zip")), quiet=True, shard_rows=20_000)
    assert dataset.rows == 52_696
    task = tasks.get("jena")
    settings = WindowSettings(targets=("T (degC)",), lookback=720, step=6, delay=144, split=task.settings["split"])
    assert settings.steps == 120
    check_against_generator(dataset, settings)


def test_reversed_stride_and_host_gather(tmp_path):
    dataset = write_series(tmp_path / "waves", rows=1500, shard_rows=400)
    plain = WindowSettings(targets=("T (degC)",), lookback=48, step=2, delay=6).open(dataset)["val"]
    turned = WindowSettings(targets=("T (degC)",), lookback=48, step=2, delay=6, reversed=True, stride=5)
    turned = turned.open(dataset)["val"]
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
    settings = WindowSettings(targets=("p (mbar)", "T (degC)"), features=features, lookback=24, step=2, delay=6)
    x, y = settings.open(dataset)["train"].gather(
        np.arange(5), settings.open(dataset)["train"].arrays(), lambda array, at: array[at]
    )
    assert x.shape == (5, 12, 3) and y.shape == (5, 2)
    assert settings.inputs(dataset).targets == (1, 0)


def test_statistics_come_from_the_training_rows_only(tmp_path):
    dataset = write_series(tmp_path / "waves", rows=1500, shard_rows=400)
    settings = WindowSettings(targets=("T (degC)",), lookback=24, step=2, delay=6)
    series = settings.open(dataset)["val"].series
    begin, end = settings.bounds(1500)["train"]
    assert (begin, end) == (0, 750)
    train = dataset.column("rh (%)").slice(0, 750).astype(np.float64)
    number = series.names.index("rh (%)")
    assert series.mean[number] == pytest.approx(train.mean(), rel=1e-12)
    assert series.std[number] == pytest.approx(train.std(), rel=1e-12)


def test_the_published_file_has_the_books_rows():
    settings = WindowSettings(targets=("T (degC)",), known_splits=tasks.get("jena").settings["known_splits"])
    assert settings.bounds(420_551) == {"train": (0, 200_000), "val": (200_000, 300_000), "test": (300_000, 420_551)}
    assert settings.bounds(1000) == {"train": (0, 500), "val": (500, 750), "test": (750, 1000)}


@pytest.mark.parametrize("split", ["0.5/0.25", "a/b/c", "0.9/0.9/rest", "600/600/rest", "-5/10/rest"])
def test_splits_that_do_not_fit_are_errors(split):
    with pytest.raises((UsageError, DataError), match="split"):
        WindowSettings(targets=("x",), split=split).bounds(1000)
