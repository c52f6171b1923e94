"""Write files of series, and infer settings from them."""

from pathlib import Path

import numpy as np

from raysq import tasks
from raysq.config import make_settings
from raysq.problems.forecasting.preprocessor import SeriesPreprocessor


def make_preprocessor(**settings) -> SeriesPreprocessor:
    return make_settings(SeriesPreprocessor, {**tasks.get("forecast").preparation, **settings})


def infer_file(path: Path, text: str | bytes | None = None, **settings) -> tuple[SeriesPreprocessor, str]:
    """Infer the settings of a file, and return them and the messages in one text."""
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    inferred, messages = make_preprocessor(**settings).infer([path])
    return inferred, "\n".join(messages)


def make_times(begin: str, step: str, count: int) -> np.ndarray:
    return np.arange(count) * np.timedelta64(int(step[:-1]), step[-1]) + np.datetime64(begin)


def format_rows(form: str, when: np.ndarray, *columns, sign: str = ",") -> str:
    import pandas as pd

    texts = pd.to_datetime(when).strftime(form)
    cells = columns or (range(len(when)),)
    return "".join(sign.join(map(str, row)) + "\n" for row in zip(texts, *cells, strict=True))


def write_text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
