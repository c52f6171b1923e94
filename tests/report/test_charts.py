"""Charts are well-formed whatever their texts and numbers; the kind's sections hold what they say; models are drawn."""

import itertools
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from training.series import write_series

from raysq import kinds
from raysq.kinds.charts import (
    Band,
    Bars,
    Figure,
    Figures,
    Histogram,
    Line,
    LineChart,
    Mark,
    Matrix,
    Points,
    Quotes,
    Section,
    Table,
    Text,
    digits3,
    unit_name,
)
from raysq.kinds.forecast.settings import WindowSettings
from raysq.report.axes import text_width
from raysq.report.graph import Node, node_of, read_graph
from raysq.report.layout import place
from raysq.report.lines import draw_lines
from raysq.report.matrix import draw_matrix, matrix_names
from raysq.report.model import draw_model
from raysq.report.parallel import Parallel, draw_parallel
from raysq.report.points import draw_points
from raysq.report.sections import draw_section
from raysq.report.strokes import thinned
from raysq.report.tables import column_texts

BAD = "<script>alert('x')</script>&\x00\"]]>\ud800"


def element(markup: str) -> ET.Element:
    """The markup as XML; nothing of a hostile text may have become an element."""
    root = ET.fromstring(f"<body>{markup}</body>")
    assert not list(root.iter("script"))
    return root


def test_texts_stay_texts_in_every_chart():
    x = np.array([1.0, 2.0, 3.0])
    items = [
        LineChart(BAD, [Line(BAD, x, x)], BAD, BAD, [Band(BAD, x, x, x + 1)], [Mark(2, BAD, 2.0)], {BAD: 2.5}),
        Matrix(BAD, [BAD, "b"], np.array([[1, 2], [3, 4]]), BAD, BAD),
        Quotes([(BAD, BAD)]),
        Bars(BAD, [BAD, "b"], [1.0, 2.0], BAD, BAD, BAD, [3, 4], {BAD: [1.0, 2.0]}),
        Histogram(BAD, [0.0, 1.0, 2.0], [3, 4], BAD, [Mark(1.0, BAD)], BAD),
        Points(BAD, [BAD, "b"], [1.0, None], BAD, BAD, highlight=0, names=[BAD, BAD]),
        Table([BAD, BAD], [[BAD, 1.0], [BAD, None]], BAD),
        Text(BAD),
        Figures([Figure(BAD, BAD, BAD)]),
    ]
    markup = draw_section(Section(BAD, items, BAD))
    markup += draw_parallel(Parallel([BAD], [[BAD], ["b"]], [0.1, None], choices={BAD: [BAD]}, score=BAD))
    markup += draw_model([Node(BAD, BAD, BAD, BAD, 3, (BAD,), (Node(BAD, BAD),))], BAD)
    root = element(markup)
    assert len(list(root.iter("svg"))) >= 8
    assert "alert('x')" in "".join(root.itertext())


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1], [0.5]),
        ([1, 2, 3], [0.5, np.nan, 0.25]),
        ([1, 2], [np.nan, np.nan]),
        ([1, 2], [np.inf, 1.0]),
        ([5, 5], [1.0, 1.0]),
        ([], []),
        (np.array(["2014-05-05", "2014-05-06"], "datetime64[D]"), [-3.0, 1e9]),
        (np.arange(50_000), np.sin(np.arange(50_000) / 900)),
    ],
)
@pytest.mark.parametrize("log", [False, True])
def test_lines_of_any_numbers_are_drawn_within_their_picture(x, y, log):
    chart = LineChart("any", [Line("a", x, y), Line("", x, y, "quiet")], y_label="y", log_y=log)
    markup = draw_section(Section("s", [chart]))
    assert len(markup) < 250_000
    for picture in element(markup).iter("svg"):
        wide = float(picture.get("viewBox").split()[2])
        for path in picture.iter("path"):
            assert "inf" not in path.get("d") and "nan" not in path.get("d")
            numbers = [float(number) for number in re.findall(r"[ML](-?[\d.]+)", path.get("d"))]
            assert all(-1 <= number <= wide + 1 for number in numbers)


def loss_by_epoch(shape):
    """Curves that pass where the label of the best epoch would stand, below it and above it."""
    epochs = np.arange(1, 21)
    falling = {"steep": 2.0 * np.exp(-epochs / 2.0), "late": 1.0 / epochs, "flat": 0.5 + 0.02 * np.sin(epochs)}[shape]
    validation = falling + 0.03 + 0.004 * np.abs(epochs - 9) ** 1.5
    return LineChart(
        title="Loss by epoch",
        lines=[Line("training", epochs, falling), Line("validation", epochs, validation)],
        marks=[Mark(epochs[validation.argmin()], "best: 0.1234 in epoch 9", validation.min())],
        levels={"baseline, validation": float(validation.mean())},
        whole_x=True,
    )


@pytest.mark.parametrize("shape", ["steep", "late", "flat"])
@pytest.mark.parametrize("size", [(440, 280), (920, 330)])
def test_labels_cover_no_curve_and_no_other_label(shape, size):
    root = element(draw_lines(loss_by_epoch(shape), *size))
    labels = [text for text in root.iter("text") if "halo" in (text.get("class") or "")]
    assert len(labels) == 2
    boxes = []
    for text in labels:
        half = 3.3 * len(text.text)  # half the width of the text, less what its place was reckoned with
        middle, foot = float(text.get("x")), float(text.get("y"))
        boxes.append((middle - half, middle + half, foot - 10, foot + 3))
        assert boxes[-1][0] >= 0 and boxes[-1][1] <= size[0] and boxes[-1][2] >= 0 and boxes[-1][3] <= size[1]
    (a, b, c, d), (e, f, g, h) = boxes
    assert b < e or f < a or d < g or h < c
    for path in root.iter("path"):
        points = np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d")), float)
        x = np.arange(points[0, 0], points[-1, 0], 0.5)
        y = np.interp(x, points[:, 0], points[:, 1])
        for left, right, top, bottom in boxes:
            assert not ((x > left) & (x < right) & (y > top) & (y < bottom)).any()


def test_long_lines_keep_their_peaks():
    y = np.zeros(100_000)
    y[[77, 50_123]] = 5.0, -5.0
    x, kept = thinned(np.arange(100_000.0), y, 900)
    assert len(x) < 2000 and {5.0, -5.0} <= set(kept.tolist()) and (x[0], x[-1]) == (0, 99_999)


def test_labels_below_bars_do_not_touch():
    labels = [f"a long label {number}" for number in range(24)]
    root = element(draw_section(Section("s", [Bars("bars", labels, np.arange(24.0), "x", "y")])))
    picture = next(iter(root.iter("svg")))
    shown = [text for text in picture.iter("text") if (text.text or "").startswith("a long")]
    at = [float(text.get("x")) for text in shown]
    assert 2 <= len(shown) <= 6 and min(np.diff(at)) > 6 * len(labels[0])


def test_numbers_of_a_column_have_one_precision():
    assert column_texts([0.2032, 0.21, None, 0.3]) == ["0.2032", "0.2100", "\u2013", "0.3000"]
    assert column_texts([1234.5, 20.0]) == ["1,234", "20"]
    assert column_texts([1e-5, 0.5]) == ["1.000e-05", "0.5000"]
    assert [digits3(value) for value in (2.685, 12.0, 1234.0, 0.0, -0.251)] == [
        "2.69",
        "12.0",
        "1,234",
        "0.00",
        "\u22120.251",
    ]
    assert unit_name("degC") == "°C" and unit_name("ug/m^3") == "ug/m^3" and unit_name(None) == ""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("charts") / "waves")


def kind_sections(data, predict, **settings):
    kind = kinds.get("forecast")
    resolved = WindowSettings(targets=("T (degC)",), lookback=24, step=2, **settings)
    return kind.report(data, kind.facts(data, resolved), resolved, predict)


def items_of(sections, kind):
    return {item.title: item for section in sections for item in section.items if isinstance(item, kind)}


def test_a_model_that_repeats_the_latest_value_is_as_good_as_as_now(data):
    place = [name for name in data.columns if name != "time"].index("T (degC)")

    def predict(x):
        latest = x[:, -1, place]
        spread = [latest - 0.5, latest, latest + 0.5]
        return np.stack(spread * 2, 1)

    sections = kind_sections(data, predict, delay=(6, 12), quantiles=(0.1, 0.5, 0.9))
    charts = items_of(sections, LineChart)
    assert len(charts) == 2 and all(len(chart.bands) == 1 for chart in charts.values())
    for chart in charts.values():
        now, _, forecast = chart.lines
        assert np.allclose(now.y, forecast.y, atol=1e-4, equal_nan=True)
        assert now.name.removeprefix("as now") == forecast.name.removeprefix("forecast")
    bars = items_of(sections, Bars)
    assert set(bars) == {"Error by horizon", "Error by hour of day"}  # two days of January
    for chart in bars.values():
        assert np.allclose(chart.values, chart.references["as now"], atol=1e-4, equal_nan=True)
    # By hand: rows 900 to 1200 are the test split.
    series = data.column("T (degC)").slice(0, 1200).astype(float)
    rows = np.arange(900 + 24, 1200 - 12)
    by_hand = [np.abs(series[rows + ahead] - series[rows - 2]).mean() for ahead in (6, 12)]
    assert np.allclose(bars["Error by horizon"].values, by_hand, rtol=1e-4)
    hours = bars["Error by hour of day"]
    assert sum(hours.counts) == 2 * len(rows)
    (figures,) = [item for item in sections[1].items if isinstance(item, Figures)]
    assert figures.figures[0].value == f"{digits3(float(np.mean(by_hand)))} °C"
    assert next(one for one in figures.figures if one.label.startswith("Nearer")).value == "0 %"
    histogram = items_of(sections, Histogram)["Distribution of errors"]
    assert sum(histogram.counts) == 2 * len(rows)
    quantiles = items_of(sections, Table)["Quantiles against the truth"]
    assert [row[0] for row in quantiles.rows] == ["10 %", "50 %", "90 %", "between them: 80 %"]
    element("".join(draw_section(section) for section in sections))


def test_several_targets_have_a_section_each_and_what_is_left_out_is_said(data):
    targets = tuple(name for name in data.columns if name != "time")[:4]
    kind = kinds.get("forecast")
    settings = WindowSettings(targets=targets, lookback=24, step=2, delay=(6,))
    facts = kind.facts(data, settings)
    sections = kind.report(data, facts, settings, lambda x: np.zeros((len(x), 4), np.float32))
    assert [section.title for section in sections[1:]] == [f"Errors: {name}" for name in targets[:3]]
    assert any("3 of 4 targets" in item.text for item in sections[0].items if isinstance(item, Text))
    # Zero is the mean of the training rows: the bias is that mean less the mean of what came.
    figures = next(item for item in sections[1].items if isinstance(item, Figures)).figures
    rows = np.arange(900 + 24 + 6, 1200)
    bias = facts["target_mean"][0] - data.column(targets[0]).take(rows).astype(float).mean()
    assert float(figures[1].value.replace("\u2212", "-")) == pytest.approx(bias, rel=0.06)


def test_graphs_of_models_with_branches_and_models_inside():
    from raysq import backend

    backend.load()
    import keras

    layers = keras.layers
    window, calendar = keras.Input((12, 3), name="window"), keras.Input((4,), name="calendar")
    inner = keras.Sequential([keras.Input((12, 3)), layers.Bidirectional(layers.GRU(2)), layers.Dense(5)], name="inner")
    shared = layers.Dense(5, activation="relu", name="shared")
    # What is read through a slice or another operation is read from the layer before it.
    pooled = layers.GlobalMaxPooling1D(name="pool")(keras.ops.abs(window[:, 1:]))
    joined = layers.Concatenate()([inner(window), shared(calendar * 2.0), pooled])
    model = keras.Model([window, calendar], layers.Dense(1, name="out")(joined))
    nodes = read_graph(model)
    found = {node.name: node for node in nodes}
    (before,) = found["out"].inputs
    assert found[before].kind == "Concatenate" and {"inner", "shared"} <= set(found[before].inputs)
    assert found["shared"].inputs == ("calendar",) and found["pool"].inputs == ("window",)
    assert found["inner"].inputs == ("window",) and found["inner"].shape == "5"
    assert [node.kind for node in found["inner"].inner] == ["Input", "Bidirectional (GRU)", "Dense"]
    assert found["shared"].detail == "5 units, relu" and found["shared"].parameters == 25
    assert sum(node.parameters for node in nodes) == model.count_params()
    assert tuple(node_of(node.to_json()) for node in nodes) == nodes
    plan = place(nodes)
    boxes = {box.node.name: box for box in plan.boxes}
    for one in plan.boxes:
        assert one.x >= 0 and one.x + one.width <= plan.width + 0.1 and one.y + one.height <= plan.height + 0.1
        for other in plan.boxes:
            apart = one.x + one.width <= other.x or other.x + other.width <= one.x
            assert one is other or apart or one.y + one.height <= other.y or other.y + other.height <= one.y
        assert all(boxes[name].y + boxes[name].height < one.y for name in one.node.inputs)
    assert len(plan.arrows) == sum(len(node.inputs) for node in nodes)
    root = element(draw_model(nodes, "branches"))
    assert "inner" in "".join(root.itertext())


def test_a_model_class_of_ones_own_shows_its_parts():
    from raysq import backend

    backend.load()
    import keras

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = keras.layers.Dense(4), keras.layers.Dense(1)

        def call(self, x):
            return self.second(self.first(x))

    model = Own()
    model(keras.ops.ones((2, 3)))
    nodes = read_graph(model)
    assert [node.parameters for node in nodes] == [16, 5] and not any(node.inputs for node in nodes)
    first, second = place(nodes).boxes
    assert first.y + first.height < second.y


def test_a_matrix_says_its_counts_and_shades_by_the_share_of_the_row():
    chart = Matrix("Confusion", ["neg", "<pos>"], np.array([[90, 10], [0, 0]]))
    root = ET.fromstring(draw_matrix(chart, 440))
    titles = [one.text for one in root.iter("title")]
    assert titles == ["true neg, predicted neg: 90 of 100 (90.0 %)", "true neg, predicted <pos>: 10 of 100 (10.0 %)"]
    shades = [float(one.get("fill-opacity")) for one in root.iter("rect") if one.get("fill-opacity")]
    assert shades == [0.52, 0.17], "the root of the share"
    assert "90 of 100 lie on the diagonal; most others are true neg, predicted <pos>: 10" in root.get("aria-label")
    assert {"neg", "<pos>", "90", "10"} <= {one.text for one in root.iter("text")}


@pytest.mark.parametrize("width", [360, 920])
def test_a_matrix_of_many_classes_fits_and_is_numbered(width):
    names = [f"a.long.name.of.class.{number}" for number in range(20)]
    chart = Matrix("Confusion", names, np.eye(20, dtype=int) * 100 + 3, wide=True)
    root = ET.fromstring(draw_matrix(chart, width))
    for rect in root.iter("rect"):
        assert float(rect.get("x")) >= 0 and float(rect.get("x")) + float(rect.get("width")) <= width
    texts = [one.text for one in root.iter("text")]
    assert ("103" in texts) == (width == 920), "counts that do not fit are left out"
    heads = [one for one in root.iter("text") if one.get("text-anchor") == "middle" and len(one.text) < 3]
    places = [(float(one.get("x")), len(one.text)) for one in heads if one.get("class") is None]
    assert len(places) >= 7
    for (x, length), (beyond, other) in itertools.pairwise(places):
        assert beyond - x >= (length + other) / 2 * 6.5, "numbers touch each other"
    assert "20 a.long.name.of.class.19" in matrix_names(chart)


def test_names_in_a_picture_keep_a_gap():
    """Else two in a row read as one word."""
    places = np.random.RandomState(0).random_sample((150, 2))
    chart = Points("", places[:, 0].tolist(), places[:, 1].tolist(), "", "", names=["word"] * 150, named=True)
    texts = [one for one in element(str(draw_points(chart, 700, 300))).iter("text") if one.get("class") == "t halo"]
    boxes = [(float(one.get("x")), float(one.get("y"))) for one in texts]
    assert 20 < len(boxes) < 150
    for (x, y), (other, below) in itertools.combinations(boxes, 2):
        assert abs(y - below) >= 12 or abs(x - other) >= text_width("word") + 3
