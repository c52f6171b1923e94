"""Nothing that comes from data, names or errors is markup on a page, whichever page shows it."""

import html.parser
import json
import shutil

import pytest

import raysq
from raysq.report.page import write_report

PROBE = '<xss-probe onprobe="1">'
# Ends every element that it may stand in, then begins one of its own. Of files and folders without slashes.
NAME = f"\"'>{PROBE}&amp;\u202e"
TEXT = f"x\"'>--></script></style></title></svg></td>{PROBE}&amp;]]>"


class Elements(html.parser.HTMLParser):
    """Which elements and attributes a browser finds, and all texts."""

    def __init__(self, page: str):
        super().__init__()
        self.names: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.update([tag, *(name for name, _ in attrs)])
        self.texts += [value or "" for _, value in attrs]

    def handle_data(self, data):
        self.texts.append(data)


def shown(page) -> str:
    """All texts of a page on which nothing of ours became markup."""
    found = Elements(page.read_text())
    assert "xss-probe" not in found.names and "onprobe" not in found.names
    return "\n".join(found.texts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("escaping")


def copied(run, folder, name):
    """The run in a folder of a hostile name, as somebody else may send one."""
    shutil.copytree(run.directory, folder / name)
    return folder / name


@pytest.fixture(scope="module")
def series(folder):
    """A forecast of a column of a hostile name, from a file of a hostile name."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAYSQ_HOME", str(folder / "home"))
        path = folder / f"{NAME}.csv"
        quoted = '"' + TEXT.replace('"', '""') + '"'
        rows = [f"2020-01-{1 + hour // 24:02} {hour % 24:02}:00,{hour % 24},{hour % 7}" for hour in range(600)]
        path.write_text("\n".join([f"time,{quoted},y", *rows]) + "\n")
        data = raysq.prepare("forecast", path, settings={"targets": [TEXT]}, quiet=True)
        small = {"epochs": 1, "steps_per_epoch": 2, "lookback": 6, "units": 2, "xla": "false"}
        run = raysq.train("forecast", data=data.directory, model="dense", settings=small, quiet=True)
        return copied(run, folder, f"series {NAME}")


@pytest.fixture(scope="module")
def texts(folder):
    """A classifier of classes of hostile names, with texts and words of such."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAYSQ_HOME", str(folder / "home"))
        source = folder / f"{NAME} texts"
        source.mkdir()
        rows = [{"text": f"{TEXT} word{number % 9}", "label": f"{number % 2}{TEXT}"} for number in range(200)]
        (source / f"{NAME}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        data = raysq.prepare("classify", source, settings={"text": "text", "label": "label"}, quiet=True)
        small = {"epochs": 1, "steps_per_epoch": 2, "xla": "false"}
        run = raysq.train("classify", data=data.directory, model="average", settings=small, quiet=True)
        return copied(run, folder, f"texts {NAME}")


def test_the_page_of_a_series(series):
    text = shown(write_report(series))
    assert TEXT in text and f"series {NAME}".replace("\u202e", "") in text.replace("\u202e", "")


def test_the_page_of_texts(texts):
    text = shown(write_report(texts))
    assert f"0{TEXT}" in text and f"1{TEXT}" in text


def test_the_page_of_several_runs(series, folder):
    other = folder / f"other {NAME}"
    shutil.copytree(series, other, dirs_exist_ok=True)
    text = shown(write_report(series, other, output=folder / "several.html"))
    assert PROBE in text


def test_the_page_of_a_search(series, folder):
    directory = folder / f"search {NAME}"
    (directory / "trials").mkdir(parents=True)
    shutil.copytree(series, directory / "trials" / NAME)
    config = json.loads((series / "config.json").read_text())
    best = {
        "number": 1,
        "settings": {"units": 2, TEXT: TEXT},
        "state": "finished",
        "epochs": 1,
        "val_loss": 0.5,
        "metrics": {},
        "seconds": 2.5,
        "run": f"/elsewhere/trials/{NAME}",
        "error": None,
    }
    failed = best | {"number": 2, "state": "failed", "epochs": 0, "val_loss": None, "error": f"DataError: {TEXT}"}
    about = {
        "format_version": 4,
        "id": TEXT,
        "task": "forecast",
        "problem": "forecasting",
        "model": "dense",
        "data": config["data"] + TEXT,
        "synthetic": False,
        "seed": 0,
        "space": {"units": [2, 4], TEXT: [TEXT, "x"]},
        "fixed": {"epochs": 1},
        "defaults": {"units": 4, TEXT: TEXT},
        "requested": {"trials": 2, "scheduler": "asha", "searcher": "random", "time": None, "workers": 1, "gpu": 0},
    }
    (directory / "experiment.json").write_text(json.dumps(about))
    (directory / "trials.json").write_text(json.dumps([best, failed]))
    text = shown(write_report(directory))
    assert TEXT in text and f"DataError: {TEXT}" in text
