"""Graphs of texts in TensorFlow and ONNX: words and trimmed cells as Arrow and the tokenizer give them, or refused."""

import itertools
import sys
import unicodedata
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from raysq.data import time_zones
from raysq.inference.formats.onnx_graph import DOMAINS, OnnxOps, OnnxTensor
from raysq.inference.formats.tensorflow_graph import TensorFlowOps
from raysq.problems.forecasting.calendar_graph import calendar_features, outside
from raysq.problems.forecasting.cyclical_features import CALENDAR, cyclical_features
from raysq.problems.graph import as_texts
from raysq.problems.text_graph import ODD_TEXTS, is_uncomposed, split_words, trimmed
from raysq.text.tokenizer import Tokens, tokenize


def in_tensorflow(build, x):
    """The outputs of a graph of one input."""
    import tensorflow as tf

    ops = TensorFlowOps()
    outputs = tf.function(lambda x: build(ops, x), autograph=False)(tf.constant(x))
    found = [output.numpy() for output in outputs]
    return [np.vectorize(bytes.decode, otypes=[object])(of) if of.dtype == object else of for of in found]


def in_onnx(build, x):
    """The same of the graph in ONNX."""
    pytest.importorskip("onnx", reason="ONNX is optional")
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX is optional")
    from onnx import TensorProto, helper

    ops = OnnxOps()
    kind = "string" if x.dtype == object else str(x.dtype)
    outputs = build(ops, OnnxTensor("x", kind))
    types = {"string": TensorProto.STRING, "bool": TensorProto.BOOL, "int64": TensorProto.INT64}
    types["float32"] = TensorProto.FLOAT
    graph = helper.make_graph(
        ops.nodes,
        "graph",
        [helper.make_tensor_value_info("x", types[kind], [None] * x.ndim)],
        [helper.make_tensor_value_info(of.name, types[of.dtype], None) for of in outputs],
        ops.initializers,
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in DOMAINS.items()]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})


BUILDERS = pytest.mark.parametrize("run", [in_tensorflow, in_onnx])


def texts():
    """Odd texts, every capital letter, every mark behind a letter and a syllable, and texts of random characters."""
    random = np.random.RandomState(0)
    letters = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]
    capitals = [one for one in letters if one.lower() != one]
    marks = [one for one in letters if unicodedata.combining(one)]
    drawn = random.choice(as_texts([*capitals, *marks[::9], *" .,'\t\u03a3\u00ad\u03c3aZ" * 200]), (100, 12))
    return as_texts(
        [
            *ODD_TEXTS,
            *("".join(capitals[begin : begin + 100]) for begin in range(0, len(capitals), 100)),
            *(f"{first}{mark}" for mark in marks[::23] for first in ("a", "\uac00")),
            *("".join(row) for row in drawn.tolist()),
            "x" * 300,
        ]
    )


@BUILDERS
@pytest.mark.parametrize(
    "tokens", [Tokens(), Tokens(level="char"), Tokens(lower=False, filters="ab\u00e9", split="-", normalize="none")]
)
def test_words_are_those_of_the_tokenizer(run, tokens):
    x = texts()
    composing = tokens.normalize == "NFC"

    def build(ops, x):
        words, uncomposed = split_words(ops, x, tokens)
        return [words, uncomposed] if composing else [words]

    words, *refused = run(build, x)
    codes, offsets, distinct = tokenize(pa.array(x.tolist(), pa.large_string()), tokens)
    wanted = [distinct.take(pa.array(codes[begin:end])).to_pylist() for begin, end in itertools.pairwise(offsets)]
    kept = np.ones(len(x), bool)
    if composing:
        np.testing.assert_array_equal(refused[0], [is_uncomposed(text) for text in x])
        kept = ~refused[0]
        # Whatever is let through is composed, and few composed texts are refused.
        assert all(unicodedata.is_normalized("NFC", text) for text in x[kept])
        assert sum(unicodedata.is_normalized("NFC", text) for text in x[~kept]) < 20
    assert kept.sum() > 60
    for row in np.flatnonzero(kept).tolist():
        assert [word for word in words[row] if word] == wanted[row], x[row]


@BUILDERS
def test_a_batch_of_empty_texts_has_no_words(run):
    words, refused = run(lambda ops, x: split_words(ops, x, replace(Tokens())), as_texts(["", ""]))
    assert not any(word for row in words for word in row) and not refused.any()


@BUILDERS
def test_cells_are_trimmed_as_arrow_does(run):
    cells = ["", " ", "\u3000a b\u00a0", "\ta\n", "a", "\u200bb", "\u2028c\u1680 d  ", "x" * 300 + " "]
    (found,) = run(lambda ops, x: [trimmed(ops, x)], as_texts(cells))
    assert found.tolist() == pc.utf8_trim_whitespace(pa.array(cells)).to_pylist()


@BUILDERS
@pytest.mark.parametrize("zone", [None, "Europe/Berlin", "America/St_Johns"])
def test_the_calendar_is_that_of_local_times(run, zone):
    random = np.random.RandomState(0)
    begin, end = (int(np.datetime64(f"{year}-01-01", "us").astype(np.int64)) for year in (1900, 2100))
    days = np.array([f"{year}-02-{day}" for year in (1900, 2000, 2023, 2024) for day in (28, 27)], "datetime64[us]")
    hours = np.arange(-4, 5) * 1_800_000_000 + int(np.datetime64("2023-10-29T01:00", "us").astype(np.int64))
    moments = np.concatenate([random.randint(begin, end, 200), days.astype(np.int64) + 86_399_999_999, hours, [end]])

    def build(ops, x):
        return [calendar_features(ops, x, CALENDAR, zone), outside(ops, x)]

    found, out = run(build, moments[None])
    assert out[0].tolist() == [False] * (len(moments) - 1) + [True]
    local = time_zones.utc_to_local(moments, zone)
    np.testing.assert_allclose(found[0, :-1], cyclical_features(local, CALENDAR)[:-1], rtol=0, atol=1e-6)
