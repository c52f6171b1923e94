"""Serve the page of `raysq serve` with canned answers in the form of the server's, on port 8765 if run as a program."""

import asyncio
import base64
import datetime
import io
import json
import math
import time
from types import SimpleNamespace

from raysq.serving.access import Access
from raysq.serving.application import Application, Backend
from raysq.serving.messages import Answer, HttpError, Request, json_answer
from raysq.serving.server import HttpServer, listen

HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"
START = datetime.datetime(2020, 12, 30)
LOOKBACK = 48


def png() -> str:
    from PIL import Image

    file = io.BytesIO()
    pixels = [max(0, 255 - abs((x - 14) ** 2 + (y - 14) ** 2 - 64) * 6) for y in range(28) for x in range(28)]
    image = Image.new("L", (28, 28))
    image.putdata(pixels)
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def degrees(hour: int) -> float:
    return round(6 + 5 * math.sin((hour - 9) * math.tau / 24) + 1.5 * math.sin(hour / 7), 2)


def run(name: str, problem: str, kind: str, output: dict, example: list, **more: object) -> dict:
    """Return what `GET /runs` tells of a run."""
    input = {"kind": kind, "example": example, "columns": [], "rows": 1, "shape": None}
    about = {"name": name, "run": f"{name}-1", "task": name, "problem": problem, "model": "small"}
    about |= {"synthetic": more.pop("synthetic", False), "methods": more.pop("methods", ["predict"])}
    output = {"classes": [], "targets": [], "quantiles": {}, "unit": None} | output
    return about | {"input": input | more, "output": output}


def number(*names: str) -> list[dict]:
    return [{"name": name, "type": "number", "values": []} for name in names]


ISLANDS = {"name": "island", "type": "text", "values": ["Biscoe", "Dream", HOSTILE]}
ROWS = [{"time": str(START + datetime.timedelta(hours=hour)), "T (degC)": degrees(hour)} for hour in range(LOOKBACK)]
QUANTILES = {"T (degC)": [f"T (degC) q{level:g}" for level in (0.1, 0.5, 0.9)]}
DIGITS = [str(digit) for digit in range(10)]
RUNS = [
    run("reviews", "text_classification", "text", {"kind": "classes", "classes": ["neg", "pos"], "targets": ["label"]},
        ["a moving film with a fine cast"]),
    run("topics", "text_classification", "text",
        {"kind": "classes", "classes": [HOSTILE, *(f"topic {n}" for n in range(39))], "targets": ["label"]},
        [HOSTILE], synthetic=True),
    run("digits", "images", "image", {"kind": "classes", "classes": DIGITS, "targets": ["label"]}, [png()]),
    run("weather", "forecasting", "rows",
        {"kind": "forecast", "targets": ["T (degC)"], "quantiles": QUANTILES, "unit": "°C"}, ROWS,
        columns=[{"name": "time", "type": "time", "values": []}, *number("T (degC)")], rows=LOOKBACK),
    run("shops", "forecasting", "rows", {"kind": "forecast", "targets": ["sold", "visits"]}, [{"day": "2024-01-01"}],
        columns=[{"name": "day", "type": "time", "values": []}, *number("sold", "visits")]),
    run("penguins", "arrays", "rows", {"kind": "classes", "classes": ["Adelie", "Gentoo"], "targets": ["species"]},
        [{"island": "Biscoe", "bill": 39.1, "mass": 3750}], columns=[ISLANDS, *number("bill", "mass")]),
    run("flats", "arrays", "rows", {"kind": "values", "targets": ["price", "kind"]}, [{"rooms": 2}],
        columns=number("rooms")),
    run("houses", "arrays", "rows", {"kind": "values", "targets": ["price"], "unit": "EUR"},
        [{"rooms": 4, HOSTILE: 1}], columns=number("rooms", HOSTILE)),
    run("alice", "language_modeling", "prompt", {"kind": "text", "targets": ["next"]}, ["the queen"],
        methods=["predict", "generate", "neighbors"]),
    run("german", "translation", "sentence", {"kind": "text", "targets": ["translation"]}, ["ein hund läuft ."],
        methods=["predict", "translate"]),
    run("words", "word_vectors", "word", {"kind": "neighbors", "targets": ["nearest"]}, ["king"],
        methods=["predict", "neighbors"]),
]  # fmt: skip
BY_NAME = {each["name"]: each for each in RUNS}


def inputs_of(sent: bytes, kind: str) -> list:
    if kind == "application/json":
        return json.loads(sent)["inputs"]
    if kind == "text/csv":
        names, *lines = sent.decode().splitlines()
        return [dict(zip(names.split(","), line.split(","), strict=True)) for line in lines]
    return [sent]


def shares(classes: list[str], seed: int) -> dict:
    raw = [math.exp(-abs(index - seed % len(classes))) for index in range(len(classes))]
    return {f"p_{name}": value / sum(raw) for name, value in zip(classes, raw, strict=True)}


def classified(entry: dict, inputs: list) -> list[dict]:
    (target,) = entry["output"]["targets"]
    rows = []
    for row, each in enumerate(inputs):
        found = shares(entry["output"]["classes"], row + len(str(each)))
        best = max(found, key=found.get)
        rows.append({"row": row, target: best[2:], "probability": found[best], **found, "remark": None})
    return rows


def forecast(inputs: list) -> tuple[list[dict], list[dict]]:
    latest, rows = len(inputs) - 1, []
    for hour in range(1, 25):
        value, wide = degrees(latest + hour) + 0.3, 0.4 + hour / 8
        about = {"row": latest + hour, "time": str(START + datetime.timedelta(hours=latest + hour))}
        about |= {"from": str(START + datetime.timedelta(hours=latest)), "horizon": f"{hour}h", "T (degC)": value}
        rows.append(about | dict(zip(QUANTILES["T (degC)"], (value - wide, value, value + wide), strict=True)))
    return rows, [{"time": row["time"], "T (degC)": float(row["T (degC)"])} for row in inputs]


def shops() -> dict:
    """Return the forecasts of two shops, one day ahead, of rows that are observed and of one that is not."""
    days = [str(datetime.date(2024, 1, 1) + datetime.timedelta(days=day)) for day in range(31)]
    history, rows = [], []
    for shop, level in (("north", 10), (HOSTILE, 500)):
        history += [
            {"shop": shop, "time": day, "sold": level + n % 7, "visits": None if n == 9 else 3.5 * level}
            for n, day in enumerate(days[:-1])
        ]
        rows += [
            {"shop": shop, "row": n, "time": days[n], "from": days[n - 1], "sold": level + 3.5, "visits": 4.0 * level}
            for n in range(20, 31)
        ]
    return {"predictions": rows, "history": history}


def predict(entry: dict, sent: bytes, kind: str) -> dict:
    if entry["name"] == "shops":
        return shops()
    inputs = inputs_of(sent, kind)
    if entry["name"] == "flats":
        share = {"kind": "loft", "kind_probability": 0.75, "kind_p_loft": 0.75, "kind_p_studio": 0.25}
        return {"predictions": [{"row": row, "price": 1250.5, **share} for row in range(len(inputs))]}
    if entry["problem"] == "forecasting":
        if len(inputs) < LOOKBACK:
            raise HttpError(400, f"a forecast needs {LOOKBACK} rows of history, received {len(inputs)}")
        rows, history = forecast(inputs)
        return {"predictions": rows, "history": history}
    if entry["output"]["kind"] == "classes":
        return {"predictions": classified(entry, inputs)}
    if entry["name"] == "houses":
        rows = [{"row": row, "price": 1000.0 * float(each.get("rooms") or 0)} for row, each in enumerate(inputs)]
        return {"predictions": [each | {"remark": f"{HOSTILE} is new"} for each in rows]}
    if entry["name"] == "alice":
        one = {"words": 2, "unknown": 0, "log_probability": -7.1, "perplexity": 34.8, "remark": None}
        one["next"] = "said 0.201, of 0.093, . 0.051, and 0.044, to 0.031"
        return {"predictions": [{"row": row, **one} for row in range(len(inputs))]}
    vector = {f"v{number}": number / 64 for number in range(1, 65)}
    one = {"nearest": "queen prince throne", "known": 1.0, **vector, "remark": None}
    return {"predictions": [{"row": row, **one} for row in range(len(inputs))]}


def generate(values: dict) -> dict:
    sample = " ".join(["said to the hatter"] * max(1, values["words"] // 4))
    prompt, count = values["prompt"], values["samples"]
    about = {"unknown": [], "seconds": 0.2, "words_per_second": 812.5}
    return {"prompt": prompt, "samples": [sample] * count, "texts": [f"{prompt} {sample}"] * count, **about}


def translate(values: dict) -> dict:
    one = {"translation": "a dog runs .", "score": -0.21, "remark": None}
    return {"translations": [{"source": each, **one} for each in values["inputs"]]}


def neighbors(values: dict) -> dict:
    found = [{"word": word, "cosine": 0.8 - 0.1 * n} for n, word in enumerate(("queen", "prince", HOSTILE, "throne"))]
    both = {name: dict.fromkeys(values.get(name, []), found) for name in ("inputs", "analogies")}
    return {"neighbors": both["inputs"], "analogies": both["analogies"]}


METHODS = {"generate": generate, "translate": translate, "neighbors": neighbors}


class PageServer:
    """Server of runs with canned answers, which come through the HTTP application of `raysq serve`.

    A text "slow" is answered once `released` is set; a text "wrong" is refused.

    Args:
        names: names of the runs; all without any.
        token: token that requests must have, or None.
        port: port; 0 for a free one.

    Attributes:
        address: address of the page.
        paths: paths that were asked for, with their queries.
        bodies: bodies that were answered.
    """

    def __init__(self, names: tuple[str, ...] = (), token: str | None = None, port: int = 0):
        runs = [BY_NAME[name] for name in names or BY_NAME]
        served = [SimpleNamespace(name=run["name"], methods=run["methods"], description=run) for run in runs]
        backends = {run["name"]: Backend(_Canned(self, run), self._columns) for run in runs}
        self.application = Application(served, backends, Access(token, None), self._missing)
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self.released = False
        sock = listen("127.0.0.1", port)
        self.address = f"http://127.0.0.1:{sock.getsockname()[1]}/"
        self._http = HttpServer(self, sock)
        self._http.start()

    def stop(self) -> None:
        self.released = True
        self._http.stop()

    async def __call__(self, scope: dict, receive: object, send: object) -> None:
        self.paths.append(f"{scope['path']}?{scope['query_string'].decode()}")
        await self.application(scope, receive, send)

    async def _columns(self) -> list:
        return []

    async def _missing(self) -> list[str]:
        return []


class _Canned:
    """Answers of a run in place of its queue."""

    def __init__(self, server: PageServer, run: dict):
        self._server, self._run = server, run

    async def answer(self, request: Request) -> Answer:
        while request.body == b'{"inputs":["slow"]}' and not self._server.released:
            await asyncio.sleep(0.02)
        if request.body == b'{"inputs":["wrong"]}':
            raise HttpError(400, f"the text {HOSTILE} cannot be used", "try another")
        if request.method == "predict":
            answer = predict(self._run, request.body, request.media_type)
        else:
            answer = METHODS[request.method](json.loads(request.body))
        self._server.bodies.append(request.body)
        return json_answer({"run": self._run["name"], **answer})


if __name__ == "__main__":
    print(PageServer(port=8765).address)
    time.sleep(1e6)
