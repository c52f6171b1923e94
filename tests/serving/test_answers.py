"""Answers of the server are the predictions of the run, for every problem and every form of the inputs."""

import base64
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import requests
from PIL import Image

import raysq
from raysq.serving.messages import ARROW, Request

NAMES = ("reviews", "series", "words", "pairs", "shapes", "table", "vectors")
TEXTS = ["a wonderful film", "dull and far too long", "", "zzz unheard", "the plot, the cast, the end"]


def inputs_of(every, name: str) -> list:
    example = every.answerers[name]._interface.input.example
    if name in ("reviews", "words", "pairs", "vectors"):
        return [*example, *TEXTS]
    if name == "shapes":
        return [*example, base64.b64encode(png(3)).decode()]
    if name == "table":
        return [*example, {**example[0], "age": None}, {**example[0], "city": "Nowhere"}]
    return example


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.RandomState(seed).randint(0, 255, (28, 28)).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def ask(every, name: str, **body):
    answer = requests.post(f"{every.address}/predict", params={"run": name}, **body)
    assert answer.status_code == 200, answer.text
    return answer


def direct(every, name: str, inputs: list) -> pa.Table:
    """What `raysq.load(run).predict` gives."""
    predictor = raysq.load(every.runs[name])
    if name == "shapes":
        return predictor.predict({"image": pa.array(map(base64.b64decode, inputs), pa.binary())})
    return predictor.predict(inputs)


@pytest.mark.parametrize("name", NAMES)
def test_json_holds_the_numbers_of_the_run(every, name):
    inputs = inputs_of(every, name)
    expected = direct(every, name, inputs)
    found = ask(every, name, json={"inputs": inputs}).json()
    assert found["run"] == name
    rows = expected.to_pylist()
    assert len(found["predictions"]) == len(rows) > 0
    for row, wanted in zip(found["predictions"], rows, strict=True):
        assert list(row) == list(wanted)
        for column, value in wanted.items():
            if isinstance(value, float):
                # Every bit: JSON holds all digits of the number.
                assert row[column] is None if value != value else row[column] == value, column
            elif value is None or isinstance(value, (str, int)):
                assert row[column] == value
            else:
                assert row[column] == str(value)  # a time
    described = requests.get(f"{every.address}/openapi.json").json()["components"]["schemas"][f"{name}.predictions"]
    named = set(described["properties"]["predictions"]["items"]["properties"])
    assert named == set(rows[0])


@pytest.mark.parametrize("name", NAMES)
def test_arrow_is_taken_and_given(every, name):
    inputs = inputs_of(every, name)
    expected = direct(every, name, inputs)
    column = {"pairs": "source"}.get(name, "text")
    if name in ("reviews", "words", "pairs", "vectors"):
        rows = pa.table({column: inputs})
    elif name == "shapes":
        rows = pa.table({"image": pa.array(map(base64.b64decode, inputs), pa.binary())})
    else:
        rows = pa.table({key: [row[key] for row in inputs] for key in inputs[0]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    headers = {"Content-Type": ARROW, "Accept": ARROW}
    answer = ask(every, name, data=sink.getvalue().to_pybytes(), headers=headers)
    assert answer.headers["content-type"] == ARROW
    found = pa.ipc.open_stream(answer.content).read_all()
    if name == "vectors":  # NaN is not equal to itself
        assert found.schema == expected.schema
    assert found.equals(expected)


@pytest.mark.parametrize("name", ["reviews", "series", "table"])
def test_a_csv_is_predicted_as_by_the_command(every, name, tmp_path):
    path = tmp_path / "input.csv"
    inputs = inputs_of(every, name)
    if name == "reviews":
        path.write_text("text\n" + "\n".join(f'"{text}"' for text in inputs if text) + "\n")
    else:
        lines = [",".join("" if cell is None else str(cell) for cell in row.values()) for row in inputs]
        path.write_text("\n".join([",".join(f'"{name}"' for name in inputs[0]), *lines]) + "\n")
    raysq.predict_file(every.runs[name], path, tmp_path / "out.parquet")
    expected = pa.parquet.read_table(tmp_path / "out.parquet")
    headers = {"Content-Type": "text/csv; charset=utf-8", "Accept": ARROW}
    answer = ask(every, name, data=path.read_bytes(), headers=headers)
    assert pa.ipc.open_stream(answer.content).read_all().to_pydict() == expected.to_pydict()


@pytest.mark.parametrize("name", ["reviews", "words", "pairs", "vectors"])
def test_plain_text_is_one_text(every, name):
    text = "a wonderful film\n\nwith a second paragraph, \u00e4"
    found = ask(every, name, data=text.encode(), headers={"Content-Type": "text/plain; charset=utf-8"}).json()
    assert found == ask(every, name, json={"inputs": [text]}).json()
    headers = {"Content-Type": "text/plain"}
    answer = requests.post(f"{every.address}/predict?run={name}", data=b"\xff\xfe", headers=headers)
    assert answer.status_code == 400 and "the body is not UTF-8" in answer.text


def test_half_characters_are_replaced_as_by_predict(every):
    body = b'{"inputs": ["a \\ud83d film", "\\uD83D\\uDE00"]}'
    found = ask(every, "reviews", data=body, headers={"Content-Type": "application/json"}).json()["predictions"]
    assert found == direct(every, "reviews", ["a \ud83d film", "\U0001f600"]).to_pylist()
    body = b'{"inputs": [{"age": 1, "city": "\\udfff", "\\ud800": 1}]}'
    answer = requests.post(
        f"{every.address}/predict?run=table", data=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400 and "the rows lack columns" in answer.json()["error"]["message"]


def test_an_image_file_is_predicted_as_an_image_of_json(every):
    for suffix, media_type in (("PNG", "image/png"), ("JPEG", "image/jpeg")):
        file = io.BytesIO()
        Image.open(io.BytesIO(png(5))).save(file, suffix)
        found = ask(every, "shapes", data=file.getvalue(), headers={"Content-Type": media_type}).json()
        inputs = [base64.b64encode(file.getvalue()).decode()]
        assert found == ask(every, "shapes", json={"inputs": inputs}).json()


@pytest.mark.parametrize("name", NAMES)
def test_requests_of_a_batch_are_answered_as_alone(every, name):
    """A request that is wrong takes no other one with it, and each has rows from 0 on."""
    inputs = inputs_of(every, name)
    bodies = [{"inputs": inputs}, {"inputs": inputs[:1] if name != "series" else inputs}, {"inputs": [1]}, {}]
    batch = [Request("predict", json.dumps(body).encode()) for body in bodies]
    answerer = every.answerers[name]
    together = answerer.answer(batch)
    assert [answer.status for answer in together] == [200, 200, 400, 400]
    assert together == [answerer.answer([request])[0] for request in batch]


def test_a_fault_of_one_prediction_leaves_the_others(every, monkeypatch):
    answerer = every.answerers["reviews"]
    predict = answerer._predictor.problem.predict

    def fails(model, rows, context=None):
        if "bad" in rows.column("text").to_pylist():
            raise RuntimeError("a secret of the server")
        return predict(model, rows, context)

    monkeypatch.setattr(answerer._predictor.problem, "predict", fails)
    batch = [Request("predict", json.dumps({"inputs": [text]}).encode()) for text in ("good", "bad", "fine")]
    good, bad, fine = answerer.answer(batch)
    assert good.status == fine.status == 200 and bad.status == 500
    assert b"secret" not in bad.body and b"log" in bad.body


def test_methods_of_texts(every):
    def post(method, name, body):
        return requests.post(f"{every.address}/{method}", params={"run": name}, json=body)

    body = {"prompt": "the", "words": 5, "seed": 3, "samples": 2}
    found = post("generate", "words", body).json()
    assert found["run"] == "words"
    assert found["samples"] == raysq.generate(every.runs["words"], **body)["samples"]
    found = post("translate", "pairs", {"inputs": ["a dog runs", ""], "beam": 2}).json()["translations"]
    expected = raysq.translate(every.runs["pairs"], ["a dog runs", ""], beam=2)
    assert [each["translation"] for each in found] == [each.text for each in expected]
    assert found[1]["score"] is None
    word = every.answerers["vectors"]._interface.input.example[0]
    found = post(
        "neighbors", "vectors", {"inputs": [word], "top": 3, "analogies": [f"{word} - {word} + {word}"]}
    ).json()
    nearest = raysq.word_vectors(every.runs["vectors"]).neighbors(word, 3)
    assert [(each["word"], each["cosine"]) for each in found["neighbors"][word]] == nearest
    assert len(found["analogies"]) == 1
    for method, name, body, message in (
        ("generate", "words", {"words": 0}, "words must be from 1 to 1,000, received 0"),
        ("generate", "words", {"words": True}, "words must be a whole number, received True"),
        ("generate", "words", {"temprature": 1}, "unknown parameter 'temprature'"),
        ("generate", "words", {"temperature": 10**400}, "temperature must be a finite number, received inf"),
        ("translate", "pairs", {"inputs": ["x"] * 1001}, "inputs must have 1,000 texts at most, received 1,001"),
        ("neighbors", "vectors", {"analogies": ["x"] * 1001}, "analogies must have 1,000 texts at most"),
        ("translate", "pairs", {"inputs": ["x"], "unknown": "skip"}, "unknown must be one of never, copy"),
        ("translate", "pairs", {}, "inputs must be a list with an input at least"),
        ("neighbors", "vectors", {"inputs": ["zzzz"]}, "the word 'zzzz' is not among the"),
        ("neighbors", "vectors", {}, "neither words in inputs nor analogies"),
        ("neighbors", "vectors", {"analogies": ["king +"]}, "an analogy is words with + and - between"),
        ("generate", "reviews", {}, "is a text classifier and has no /generate"),
    ):
        answer = post(method, name, body)
        assert answer.status_code == 400 and message in answer.json()["error"]["message"], answer.text


def test_runs_tell_what_works_when_it_is_sent(every):
    runs = requests.get(f"{every.address}/runs").json()["runs"]
    assert [run["name"] for run in runs] == list(NAMES)
    kinds = {run["name"]: run["input"]["kind"] for run in runs}
    assert kinds == {
        "reviews": "text",
        "series": "rows",
        "words": "prompt",
        "pairs": "sentence",
        "shapes": "image",
        "table": "rows",
        "vectors": "word",
    }
    for run in runs:
        ask(every, run["name"], json={"inputs": run["input"]["example"]})
        if run["input"]["kind"] == "rows":
            assert list(run["input"]["example"][0]) == [column["name"] for column in run["input"]["columns"]]
            assert len(run["input"]["example"]) == run["input"]["rows"]
    by_name = {run["name"]: run for run in runs}
    assert by_name["reviews"]["output"]["classes"] == ["neg", "pos"]
    assert "generate" in by_name["words"]["methods"] and "translate" in by_name["pairs"]["methods"]
