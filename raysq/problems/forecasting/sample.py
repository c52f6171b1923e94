"""Built-in synthetic weather: a csv in the layout of the Jena file, to try raysq without any data."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from raysq.data.durations import DAY, WEEK, YEAR, parse
from raysq.errors import UsageError
from raysq.storage.atomic import atomic_write

VERSION = 1  # increased when the same length would give other values
DEFAULT = "4y"  # so that the shares of the default split hold whole years
ROWS_A_DAY = 144

_START = np.datetime64("2009-01-01T00:10:00", "s")
_DAYS = {DAY: 1.0, WEEK: 7.0, YEAR: 365.25}  # days in each unit
_LONGEST = 100 * 365.25  # days
_LEAD = 20  # hours by which a front shows in pressure and wind before it shows in temperature


def sample(directory: Path, spec: str = "") -> Path:
    """Write synthetic weather, unless it has been written before. The same length gives the same values everywhere.

    Temperature has yearly and daily cycles and follows passing fronts. Pressure, wind and humidity announce the fronts
    most of a day ahead, so that a model can do better than persistence. The other columns follow from temperature,
    pressure and relative humidity by the laws of physics.

    Args:
        directory: folder for the csv.
        spec: length in days, weeks or years, such as "60d", "26w" or "8y"; four years when empty.

    Returns:
        Path of the csv, with the columns and the format of `jena_climate_2009_2016.csv`: one row every 10 minutes.

    Raises:
        UsageError: an invalid length.
        SourceError: the directory cannot be written.
    """
    return _written(directory, spec, "sample", _text)


def hourly_sample(directory: Path, spec: str = "") -> Path:
    """Write the same weather in the layout of the Beijing file: hourly rows, whole numbers, the time in columns.

    The length is given as for `sample`.

    Raises:
        UsageError: an invalid length.
        SourceError: the directory cannot be written.
    """
    return _written(directory, spec, "sample-hourly", _hourly)


def _written(directory: Path, spec: str, name: str, layout: Callable[[dict[str, np.ndarray]], pa.Table]) -> Path:
    """Return the csv of weather of this length, written once."""
    spec = spec.strip().lower() or DEFAULT
    length = parse(spec) if spec.isalnum() else None  # the spec names the file
    days = length.number * _DAYS.get(length.unit, 0.0) if length and length.unit else 0.0
    if not 1 <= days <= _LONGEST:
        raise UsageError(
            f"the sample's length is days, weeks or years up to 100y, such as sample:60d, sample:26w or sample:8y; "
            f"received {spec!r}"
        )
    path = Path(directory) / f"{name}-{spec}-v{VERSION}.csv"
    if path.exists():
        return path
    table = layout(weather(int(days * ROWS_A_DAY)))
    with atomic_write(path) as partial, open(partial, "wb") as file:
        # In the original file, names are quoted and values are not.
        file.write((",".join(f'"{name}"' for name in table.column_names) + "\n").encode())
        pa.csv.write_csv(table, file, pa.csv.WriteOptions(include_header=False, quoting_style="none"))
    return path


def weather(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Return synthetic weather: `Date Time` as datetime64[s], and Jena's 14 columns as float64 rounded to two decimals.

    Args:
        rows: number of rows, one every 10 minutes.
        seed: seed of the random numbers.
    """
    hours = np.arange(rows) / 6.0
    day = 2 * np.pi * (hours / 24 - 0.6)  # warmest at about 14:30
    year = 2 * np.pi * (hours / (24 * 365.25) - 0.55)  # warmest in the second half of July

    # Fronts are smooth and last for days; air masses drift over a week. Both are hourly autoregressions.
    length = rows // 6 + _LEAD + 2
    front = _smooth(length, hours=14, seed=seed)
    mass = _drift(length, hours=90, seed=seed + 1)
    clouds = _drift(length, hours=18, seed=seed + 2)
    gusts = _drift(length, hours=6, seed=seed + 3)
    sway = _drift(length, hours=30, seed=seed + 4)
    ahead = np.interp(hours + _LEAD, np.arange(length), front)  # as pressure and wind show them
    here, mass, clouds, gusts, sway = (
        np.interp(hours, np.arange(length), values) for values in (front, mass, clouds, gusts, sway)
    )
    noise = np.random.RandomState(seed + 5).standard_normal((6, rows))
    passing = np.abs(np.gradient(ahead, hours)) * 14  # about 1 while a front passes

    cover = 1 / (1 + np.exp(-(0.9 * ahead + clouds)))  # 0 (clear) to 1 (overcast); damps the daily cycle
    swing = (5.5 + 2.5 * np.cos(year)) * (1.25 - 0.75 * cover)
    temperature = 9.0 + 9.2 * np.cos(year) + swing * np.cos(day) + 2.5 * here + 3.0 * mass + 0.12 * noise[0]
    pressure = 989.0 - 5.0 * ahead + 1.5 * mass - 0.4 * np.cos(2 * day) + 3.5 * sway + 0.04 * noise[1]
    humidity = 74.0 - 13 * np.cos(day) * (1.2 - 0.7 * cover) - 7 * np.cos(year) + 9 * clouds + 5 * here + 0.6 * noise[2]
    wind = np.exp(0.35 + 0.45 * gusts + 0.3 * passing + 0.18 * np.cos(day) + 0.12 * noise[3]) - 0.3
    bearing = 205.0 + 45 * ahead + 30 * sway + 14 * noise[4]

    t = np.round(temperature, 2)
    p = np.round(pressure, 2)
    rh = np.round(np.clip(humidity, 12.0, 100.0), 1)
    wv = np.round(np.clip(wind, 0.0, 25.0), 2)
    highest = wv * (1.35 + 0.12 * np.abs(noise[5])) + 0.3
    vp_max = np.round(magnus(t), 2)
    vapour = vp_max * rh / 100
    vp = np.round(vapour, 2)
    humidity_ratio = 622 * vapour / (p - 0.378 * vapour)  # g of water per kg of air
    virtual = (t + 273.15) * (1 + 0.608e-3 * humidity_ratio)
    return {
        "Date Time": _START + np.arange(rows) * np.timedelta64(600, "s"),
        "p (mbar)": p,
        "T (degC)": t,
        "Tpot (K)": np.round((t + 273.15) * (1000 / p) ** 0.286, 2),
        "Tdew (degC)": np.round(dew_point(vapour), 2),
        "rh (%)": rh,
        "VPmax (mbar)": vp_max,
        "VPact (mbar)": vp,
        "VPdef (mbar)": np.round(vp_max - vp, 2),
        "sh (g/kg)": np.round(humidity_ratio, 2),
        "H2OC (mmol/mol)": np.round(1000 * vapour / p, 2),
        "rho (g/m**3)": np.round(1e5 * p / (287.05 * virtual), 2),
        "wv (m/s)": wv,
        "max. wv (m/s)": np.round(highest, 2),
        "wd (deg)": np.round(bearing, 1) % 360.0,
    }


def magnus(temperature: np.ndarray) -> np.ndarray:
    """Return the saturation vapor pressure over water in mbar, from degrees Celsius (Magnus formula, Sonntag 1990)."""
    return 6.112 * np.exp(17.62 * temperature / (243.12 + temperature))


def dew_point(vapour: np.ndarray) -> np.ndarray:
    """Return the dew point in degrees Celsius of a vapor pressure in mbar: the inverse of `magnus`."""
    ratio = np.log(vapour / 6.112)
    return 243.12 * ratio / (17.62 - ratio)


def _drift(length: int, hours: float, seed: int) -> np.ndarray:
    """Return a first-order autoregression of unit deviation with a time constant in hours, one value an hour."""
    keep = float(np.exp(-1 / hours))
    shocks = np.random.RandomState(seed).standard_normal(length)
    shocks[1:] *= np.sqrt(1 - keep * keep)
    return np.array(list(itertools.accumulate(shocks.tolist(), lambda value, shock: keep * value + shock)))


def _smooth(length: int, hours: float, seed: int) -> np.ndarray:
    """Return a second-order autoregression, which has no kinks, so that its direction persists."""
    keep = float(np.exp(-1 / hours))
    drift = _drift(length, hours, seed).tolist()
    drift[0] = 0.0
    smooth = itertools.accumulate(drift, lambda value, push: keep * value + (1 - keep) * push)
    values: np.ndarray = np.sqrt(2.0) * np.array(list(smooth))
    return values


def _text(columns: dict[str, np.ndarray]) -> pa.Table:
    """Return the columns with Jena's timestamps and exactly two decimals."""
    timestamps = pa.array(columns["Date Time"], pa.timestamp("s"))
    arrays = {"Date Time": pc.strftime(timestamps, format="%d.%m.%Y %H:%M:%S")}
    for name, values in columns.items():
        if name != "Date Time":
            # Build decimals from rounded whole numbers: a cast from float would truncate ...4999.
            hundredths = pa.array(np.rint(values * 100).astype(np.int64)).cast(pa.decimal128(21, 0))
            arrays[name] = pa.Array.from_buffers(pa.decimal128(12, 2), len(hundredths), hundredths.buffers())
    return pa.table(arrays)


def _hourly(columns: dict[str, np.ndarray]) -> pa.Table:
    """Return the columns at whole hours in Beijing's layout; wind speed accumulates while its direction lasts."""
    every = slice(5, None, ROWS_A_DAY // 24)  # the first row is at ten past the hour
    hours = {name: values[every] for name, values in columns.items()}
    timestamps = pa.array(hours["Date Time"], pa.timestamp("s"))
    wind = np.where(
        hours["wv (m/s)"] < 1, "cv", np.array(["NE", "SE", "SE", "NW"])[(hours["wd (deg)"] // 90).astype(int)]
    )
    turned = np.r_[True, wind[1:] != wind[:-1]]
    total = np.cumsum(hours["wv (m/s)"])
    before = np.maximum.accumulate(np.where(turned, np.r_[0.0, total[:-1]], 0.0))
    wet, cold = hours["rh (%)"] > 97, hours["T (degC)"] < 0
    return pa.table(
        {
            "No": np.arange(1, len(timestamps) + 1),
            **{part: getattr(pc, part)(timestamps) for part in ("year", "month", "day", "hour")},
            "pm2.5": np.rint(20 + 4 * np.maximum(hours["p (mbar)"] - 985, 0)).astype(int),
            "DEWP": np.rint(hours["Tdew (degC)"]).astype(int),
            "TEMP": np.rint(hours["T (degC)"]).astype(int),
            "PRES": np.rint(hours["p (mbar)"]).astype(int),
            "cbwd": wind,
            "Iws": np.round(total - before, 2),
            "Is": (wet & cold).astype(int),
            "Ir": (wet & ~cold).astype(int),
        }
    )
