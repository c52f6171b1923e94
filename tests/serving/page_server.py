"""Serve the page of `raysq serve` with canned answers in the form of the server's, on port 8765 if run as a program."""

import base64
import datetime
import http.server
import io
import json
import math
import threading
import time
from importlib import resources
from urllib.parse import parse_qs, urlsplit

HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
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
    more = dict(more)
    methods = more.pop("methods", ["predict"])
    synthetic = more.pop("synthetic", False)
    entry = {"kind": kind, "example": example, "columns": [], "rows": 1, "shape": None, "maximum_bytes": 2_000_000}
    about = {"name": name, "run": f"{name}-1", "task": name, "problem": problem, "model": "small"}
    output = {"classes": [], "targets": [], "quantiles": {}, "unit": None} | output
    return about | {"synthetic": synthetic, "methods": methods, "input": entry | more, "output": output}


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
        {"kind": "forecast", "targets": ["T (degC)"], "quantiles": QUANTILES, "unit": "degC"}, ROWS,
        columns=[{"name": "time", "type": "time", "values": []}, *number("T (degC)")], rows=LOOKBACK),
    run("penguins", "arrays", "rows", {"kind": "classes", "classes": ["Adelie", "Gentoo"], "targets": ["species"]},
        [{"island": "Biscoe", "bill": 39.1, "mass": 3750}], columns=[ISLANDS, *number("bill", "mass")]),
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


def predict(entry: dict, sent: bytes, kind: str) -> dict:
    inputs = inputs_of(sent, kind)
    if entry["problem"] == "forecasting":
        if len(inputs) < LOOKBACK:
            raise ValueError(f"a forecast needs {LOOKBACK} rows of history, received {len(inputs)}")
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


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as `raysq serve`. A text "slow" takes as long as `server.released` is not set."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *parts: object) -> None:
        self.server.requests.append(self.path)

    def reply(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        headers = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body))}
        headers |= {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def reply_json(self, value: object, status: int = 200) -> None:
        self.reply(status, json.dumps(value).encode(), "application/json")

    def refuse(self, status: int, message: str, hint: str | None = None) -> None:
        self.reply_json({"error": {"message": message, "hint": hint}}, status)

    def allowed(self) -> bool:
        token = self.server.token
        if token is None or self.headers.get("Authorization") == f"Bearer {token}":
            return True
        self.refuse(401, "the token is not that of this server", "raysq serve printed it")
        return False

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        name = "index.html" if path == "/" else path.removeprefix("/page/")
        file = resources.files("raysq.serving") / "page" / name
        if "/" not in name and file.is_file():
            self.reply(200, file.read_bytes(), TYPES[name.rpartition(".")[2]])
        elif path == "/runs" and self.allowed():
            self.reply_json({"runs": [BY_NAME[name] for name in self.server.runs or BY_NAME], "version": "0.0"})
        elif path != "/runs":
            self.refuse(404, f"there is nothing at {path}")

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.allowed():
            return
        parts = urlsplit(self.path)
        entry = BY_NAME[parse_qs(parts.query)["run"][0]]
        if sent == b'{"inputs":["slow"]}':
            self.server.released.wait(30)
        if sent == b'{"inputs":["wrong"]}':
            self.refuse(400, f"the text {HOSTILE} cannot be used", "try another")
            return
        try:
            if parts.path == "/predict":
                answer = predict(entry, sent, self.headers["Content-Type"])
            else:
                answer = METHODS[parts.path[1:]](json.loads(sent))
        except ValueError as error:
            self.refuse(400, str(error))
            return
        self.server.sent.append(sent)
        self.reply_json({"run": entry["name"], **answer})


def start(runs: list[str] | None = None, token: str | None = None, port: int = 0) -> http.server.ThreadingHTTPServer:
    """Start a server on loopback, of some of the runs or of all."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.runs, server.token, server.requests, server.sent = runs, token, [], []
    server.released = threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


if __name__ == "__main__":
    print(f"http://127.0.0.1:{start(port=8765).server_port}/")
    time.sleep(1e6)
