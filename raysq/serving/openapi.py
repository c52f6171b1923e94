"""OpenAPI document of a server, with the schemas of the runs that it serves."""

from collections.abc import Mapping, Sequence
from typing import Any

from raysq.problems.capabilities import SeriesContinuation
from raysq.problems.interface import Input, InputColumn
from raysq.serving.description import ServedRun
from raysq.serving.inputs import file_types
from raysq.serving.messages import ARROW, JSON
from raysq.serving.text_methods import METHODS, PARAMETERS, Parameter

_TITLES = {
    "predict": "Predict for inputs",
    "generate": "Continue a text",
    "translate": "Translate sentences",
    "neighbors": "Find the nearest words",
}
_RUNS = {"runs": {"type": "array"}, "max_body": {"type": "integer"}, "version": {"type": "string"}}
_ERRORS = {
    "400": "the body cannot be used",
    "401": "the token is missing or wrong",
    "404": "there is no such run",
    "413": "the body is too large",
    "415": "the run does not take this media type",
    "503": "too many requests are waiting; Retry-After says when to try again",
}


def document(
    runs: Sequence[ServedRun], columns: Mapping[str, Sequence[tuple[str, str]]], max_body: int, token: bool
) -> dict[str, Any]:
    """Return the document.

    Args:
        runs: served runs.
        columns: names and Arrow types of the columns of predictions, by the run's name.
        max_body: most bytes of a body.
        token: whether requests need a token.
    """
    from raysq import __version__

    schemas: dict[str, Any] = {
        "Error": _object(
            {"error": _object({"message": {"type": "string"}, "hint": {"type": ["string", "null"]}})}, ["error"]
        )
    }
    for served in runs:
        schemas[f"{served.name}.inputs"] = _inputs(served.interface.input)
        continued = isinstance(served.run.problem, SeriesContinuation)
        schemas[f"{served.name}.predictions"] = _predictions(columns.get(served.name, ()), continued)
    posted = ("predict", *METHODS)
    paths = {f"/{method}": {"post": _operation(method, able)} for method in posted if (able := _able(runs, method))}
    for path, (summary, schema) in {
        "/runs": ("The served runs, what they take and what they give", _object(_RUNS)),
        "/healthz": ("Whether the server runs", _object({"status": {"type": "string"}})),
        "/readyz": ("Whether all runs can answer; 503 until then", _object({"status": {"type": "string"}})),
    }.items():
        paths[path] = {"get": {"summary": summary, "responses": {"200": _response("the answer", schema)}}}
    whole: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "raysq",
            "version": __version__,
            "description": f"Predictions of trained runs. A body has {max_body:,} bytes at most.",
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if token:
        whole["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        whole["security"] = [{"token": []}]
    return whole


def _able(runs: Sequence[ServedRun], method: str) -> list[ServedRun]:
    return [served for served in runs if method in served.methods]


def _operation(method: str, runs: Sequence[ServedRun]) -> dict[str, Any]:
    names = [served.name for served in runs]
    if method == "predict":
        bodies = [_reference(f"{name}.inputs") for name in names]
        answers = [_reference(f"{name}.predictions") for name in names]
        content: dict[str, Any] = {JSON: {"schema": _any_of(bodies)}, ARROW: {}}
        content |= {media_type: {} for served in runs for media_type in file_types(served.interface.input.kind)}
        example = next((served.interface.input.example for served in runs if served.interface.input.example), None)
        if example is not None and len(example) == 1:
            content[JSON]["example"] = {"inputs": example}
        response = {"description": "the predictions", "content": {JSON: {"schema": _any_of(answers)}, ARROW: {}}}
    else:
        parameters = {name: _parameter(parameter) for name, parameter in PARAMETERS[method].items()}
        content = {JSON: {"schema": _object(parameters, additional=False)}}
        response = _response("the answer", _object({"run": {"type": "string"}}))
    error = {"content": {JSON: {"schema": _reference("Error")}}}
    return {
        "summary": _TITLES[method],
        "operationId": method,
        "parameters": [
            {
                "name": "run",
                "in": "query",
                "description": "name of the run; may be left out where one run is served",
                "schema": {"type": "string", "enum": names},
            }
        ],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": response, **{status: {"description": text, **error} for status, text in _ERRORS.items()}},
    }


def _inputs(input: Input) -> dict[str, Any]:
    """Return the schema of a JSON body."""
    items: dict[str, Any] = {"type": "string"}
    if input.kind == "image":
        items = {"type": "string", "contentEncoding": "base64", "description": "an image file"}
    elif input.kind == "rows":
        columns = {column.name: _cell(column) for column in input.columns}
        items = _object(columns, [] if len(columns) == 0 else list(columns))
    inputs = {"type": "array", "items": items, "minItems": input.rows}
    return _object({"inputs": inputs}, ["inputs"])


def _cell(column: InputColumn) -> dict[str, Any]:
    kinds: dict[str, list[str]] = {
        "number": ["number", "null"],
        "text": ["string", "null"],
        "time": ["string", "number"],
        "list": ["array", "null"],
        "tensor": ["array"],
    }
    examples = {"examples": list(column.values[:10])} if column.values else {}
    return {"type": kinds[column.type], **examples}


def _predictions(columns: Sequence[tuple[str, str]], continued: bool) -> dict[str, Any]:
    row = _object({name: _of_arrow(kind) for name, kind in columns}, [name for name, _ in columns])
    answer: dict[str, Any] = {"run": {"type": "string"}, "predictions": {"type": "array", "items": row}}
    if continued:
        about = "the latest rows of each series, which the predictions continue"
        answer["history"] = {"type": "array", "items": _object({}), "description": about}
    return _object(answer, list(answer))


def _of_arrow(kind: str) -> dict[str, Any]:
    if kind.startswith(("fixed_size_list", "list", "large_list")):
        return {"type": "array"}
    if kind.startswith(("int", "uint")):
        return {"type": ["integer", "null"]}
    if kind in ("float", "double", "halffloat"):
        return {"type": ["number", "null"]}
    return {"type": ["boolean" if kind == "bool" else "string", "null"]}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    kinds = {int: "integer", float: "number", bool: "boolean", str: "string", list: "array"}
    schema: dict[str, Any] = {"type": kinds[parameter.type], "default": parameter.default}
    if parameter.type is list:
        schema["items"] = {"type": "string"}
    if parameter.default is None:
        schema["type"] = [schema["type"], "null"]
    most = "maxItems" if parameter.type is list else "maximum"
    limits = {"minimum": parameter.least, most: parameter.most, "enum": list(parameter.values) or None}
    return schema | {name: value for name, value in limits.items() if value is not None}


def _response(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": schema}}}


def _object(
    properties: Mapping[str, Any], required: Sequence[str] = (), additional: bool | None = None
) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = list(required)
    return schema if additional is None else schema | {"additionalProperties": additional}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _any_of(schemas: list[dict[str, str]]) -> dict[str, Any]:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
