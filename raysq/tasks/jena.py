"""Jena weather: forecast the temperature 24 hours ahead ("Deep Learning with Python", section 6.3)."""

from raysq.tasks.published import Published
from raysq.tasks.spaces import RECURRENT
from raysq.tasks.task import Source, Task

_BOOK = "Deep Learning with Python, section 6.3"

TASK = Task(
    name="jena",
    problem="forecasting",
    title="Jena weather: temperature 24 hours ahead from the last 5 days, 10-minute records",
    source=Source(
        url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/jena_climate_2009_2016.csv.zip",
        about="Max Planck Institute for Biogeochemistry, Jena: 420,551 rows, 2009-2016",
        rows=420_551,
    ),
    preparation={
        "time": ("Date Time",),
        "time_format": "%d.%m.%Y %H:%M:%S",
        "columns": (
            "p (mbar)",
            "T (degC)",
            "Tpot (K)",
            "Tdew (degC)",
            "rh (%)",
            "VPmax (mbar)",
            "VPact (mbar)",
            "VPdef (mbar)",
            "sh (g/kg)",
            "H2OC (mmol/mol)",
            "rho (g/m**3)",
            "wv (m/s)",
            "max. wv (m/s)",
            "wd (deg)",
        ),
    },
    settings={
        "targets": ("T (degC)",),
        "lookback": 720,
        "step": 6,
        "anchor": "oldest",
        "delay": 144,
        # The book's splits by rows apply to the published file only. Other files have the default shares.
        "known_splits": ("420551:200000/100000/rest",),
    },
    # As in the book: listing 6.49 reads every third row, and the bidirectional GRU (6.44) trains for 40 epochs.
    model_settings={"conv1d_gru": {"step": 3}, "gru_bidirectional": {"epochs": 40}},
    # In normalized units. Those of gru_dropout and gru_stacked were published as plots only.
    published=(
        Published("baseline", "val_mae", 0.29, _BOOK),
        Published("gru", "val_mae", 0.265, _BOOK, preset="keras2"),
    ),
    search_model="rnn",
    search={
        **RECURRENT,
        "lookback": ["3d", "5d", "10d"],
        "step": ["30min", "1h", "2h"],
        "calendar": ["", "hour", "hour,yearday"],
    },
)
