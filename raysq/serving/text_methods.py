"""Methods of language models, translation and word vectors: `generate`, `translate` and `neighbors`."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from raysq.errors import UsageError
from raysq.inference.neighbors import parse_analogy
from raysq.inference.predictor import Predictor
from raysq.serving.inputs import inputs_of, json_object, texts_of

_MOST_INPUTS = 1000  # texts of a request: a replica would answer nobody else while it works on many
# Each number of samples, and each beam, is compiled by itself and kept.
_MOST_WORDS, _MOST_SAMPLES, _MOST_BEAM = 1000, 16, 16
_MOST_NEIGHBORS = 1000
_TOO_LARGE = 10**300  # for a float


@dataclass(frozen=True)
class Parameter:
    """Parameter of a method, in the JSON object of a request.

    Attributes:
        type: type of the value; an int is taken for a float.
        default: value if it is left out; None where the method chooses.
        least: least number, or None.
        most: largest number, or most items of a list, or None.
        values: the possible values; empty for any.
    """

    type: type
    default: Any
    least: float | None = None
    most: float | None = None
    values: tuple[str, ...] = ()


GENERATE: Mapping[str, Parameter] = {
    "prompt": Parameter(str, ""),
    "words": Parameter(int, 30, 1, _MOST_WORDS),
    "temperature": Parameter(float, 1.0, 0),
    "top_k": Parameter(int, 0, 0),
    "top_p": Parameter(float, 1.0, 0, 1),
    "seed": Parameter(int, 0, 0, 2**31 - 1),
    "samples": Parameter(int, 1, 1, _MOST_SAMPLES),
    "stop": Parameter(bool, False),
}
TRANSLATE: Mapping[str, Parameter] = {
    "inputs": Parameter(list, [], most=_MOST_INPUTS),
    "beam": Parameter(int, 4, 1, _MOST_BEAM),
    "penalty": Parameter(float, 1.0),
    "unknown": Parameter(str, "never", values=("never", "copy")),
}
NEIGHBORS: Mapping[str, Parameter] = {
    "inputs": Parameter(list, [], most=_MOST_INPUTS),
    "analogies": Parameter(list, [], most=_MOST_INPUTS),
    "top": Parameter(int, 10, 1, _MOST_NEIGHBORS),
    "among": Parameter(int, None, 1),
}
PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "generate": GENERATE,
    "translate": TRANSLATE,
    "neighbors": NEIGHBORS,
}


def generate(predictor: Predictor, body: bytes) -> dict[str, Any]:
    """Continue a prompt. Returns the result of `Predictor.generate`."""
    return predictor.generate(**_values(body, GENERATE))


def translate(predictor: Predictor, body: bytes) -> dict[str, Any]:
    """Translate sentences. Returns the translations as `raysq translate --json` does."""
    values = _values(body, TRANSLATE)
    texts = texts_of(inputs_of({"inputs": values.pop("inputs")}))
    translations = predictor.translate(texts, **values)
    return {
        "translations": [
            {
                "source": text,
                "translation": translation.text,
                "score": None if math.isnan(translation.score) else translation.score,
                "remark": translation.remark,
            }
            for text, translation in zip(texts, translations, strict=True)
        ]
    }


def neighbors(predictor: Predictor, body: bytes) -> dict[str, Any]:
    """Find the words nearest to words, and solve analogies. Returns them as `raysq neighbors --json` does."""
    values = _values(body, NEIGHBORS)
    words, analogies, top, among = (values[name] for name in NEIGHBORS)
    if not words and not analogies:
        raise UsageError("the body has neither words in inputs nor analogies", 'send {"inputs": ["WORD"]}')
    vectors = predictor.word_vectors
    solved = {text: parse_analogy(text) for text in texts_of(analogies)}
    return {
        "neighbors": {word: _pairs(vectors.neighbors(word, top, among)) for word in texts_of(words)},
        "analogies": {text: _pairs(vectors.combine(*sum_, top, among)) for text, sum_ in solved.items()},
    }


METHODS: Mapping[str, Callable[[Predictor, bytes], dict[str, Any]]] = {
    "generate": generate,
    "translate": translate,
    "neighbors": neighbors,
}


def _pairs(words: list[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"word": word, "cosine": cosine} for word, cosine in words]


def _values(body: bytes, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return the values of the parameters in a body, or raise `UsageError` for another name, type or range."""
    given = json_object(body)
    for name in given:
        if name not in parameters:
            raise UsageError(f"unknown parameter {name!r}: there are {', '.join(parameters)}")
    return {name: _value(name, given.get(name), parameter) for name, parameter in parameters.items()}


def _value(name: str, value: Any, parameter: Parameter) -> Any:
    if value is None:
        return parameter.default
    if parameter.type is float and type(value) is int:
        value = float(value) if abs(value) < _TOO_LARGE else math.inf
    if type(value) is not parameter.type:
        kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", list: "a list"}
        raise UsageError(f"{name} must be {kinds[parameter.type]}, received {value!r}")
    if parameter.values and value not in parameter.values:
        raise UsageError(f"{name} must be one of {', '.join(parameter.values)}, received {value!r}")
    low, high = parameter.least, parameter.most
    if isinstance(value, list):
        if high is not None and len(value) > high:
            raise UsageError(f"{name} must have {high:,g} texts at most, received {len(value):,}", "send less at once")
        return value
    if isinstance(value, float) and not math.isfinite(value):  # JSON has numbers of any size
        raise UsageError(f"{name} must be a finite number, received {value}")
    if isinstance(value, (int, float)) and not (
        (-math.inf if low is None else low) <= value <= (math.inf if high is None else high)
    ):
        limits = f"from {low:g} to {high:,g}" if high is not None and low is not None else f"{low:g} or more"
        raise UsageError(f"{name} must be {limits}, received {value}")
    return value
