"""Beijing weather: the forecast of the Jena task on an hourly series (UCI "Beijing PM2.5 Data", CC BY 4.0)."""

from raysq.problems.forecasting.sample import hourly_sample
from raysq.tasks.spaces import RECURRENT
from raysq.tasks.task import Source, Task

TASK = Task(
    name="beijing",
    problem="forecasting",
    title="Beijing weather: temperature 24 hours ahead from the last 5 days, hourly records",
    source=Source(
        url="https://archive.ics.uci.edu/ml/machine-learning-databases/00381/PRSA_data_2010.1.1-2014.12.31.csv",
        sha256="77b185392c567d67bf0ddaa27cf57f6f1198e463a665d86360f3910c313719bd",
        about="Song Xi Chen, Peking University; UCI Machine Learning Repository: 43,824 rows, 2010-2014",
        rows=43_824,
    ),
    sample=hourly_sample,
    preparation={
        "time": ("year", "month", "day", "hour"),
        "columns": ("DEWP", "TEMP", "PRES", "Iws", "Is", "Ir"),
    },
    settings={
        "targets": ("TEMP",),
        "lookback": 120,
        "step": 1,
        "anchor": "oldest",
        "delay": 24,
        # Splits by rows apply to the published file only. Other files have the default shares.
        "known_splits": ("43824:24000/10000/rest",),
        "unit": "degC",
        "steps_per_epoch": 200,
        "patience": 5,
    },
    model_settings={"gru_bidirectional": {"epochs": 40}},  # as in the book
    search_model="rnn",
    search={
        **RECURRENT,
        "lookback": ["3d", "5d", "10d"],
        "calendar": ["", "hour", "hour,yearday"],
    },
)
