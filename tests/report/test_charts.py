"""Charts are well-formed with any texts and numbers; a problem's sections hold what they say; models are drawn."""

import itertools
import json
import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import numpy as np
import pytest
from training.series import write_series

from raysq.display.numbers import number
from raysq.problems.charts import (
    Band,
    Bars,
    Figure,
    Figures,
    Histogram,
    Line,
    LineChart,
    Mark,
    Matrix,
    Quotes,
    Scatter,
    Section,
    Table,
    Text,
    Weights,
    digits3,
    unit_name,
)
from raysq.problems.forecasting.problem import Forecasting
from raysq.problems.forecasting.settings import ForecastingSettings
from raysq.report.charts import vega
from raysq.report.charts.line_styles import legend
from raysq.report.charts.lines import draw_lines, thinned
from raysq.report.charts.parallel import Parallel, draw_parallel, parallel_legend
from raysq.report.charts.scatter import draw_scatter
from raysq.report.graph import Node, node_of, read_graph
from raysq.report.layout import arrange
from raysq.report.markup import join
from raysq.report.model import draw_model
from raysq.report.sections import draw_chart, draw_section
from raysq.report.tables import column_texts

BAD = "<script>alert('x')</script>&\x00\"]]>\ud800"


def element(markup: str) -> ET.Element:
    """The markup as XML, without what is for scripts; nothing of a hostile text may have become an element."""
    root = ET.fromstring(f"<body>{markup}</body>")
    for parent in root.iter():
        for script in parent.findall("script"):
            assert script.get("type") == "application/json" and json.loads(script.text)
            parent.remove(script)
    assert not list(root.iter("script"))
    return root


def specs(markup: str) -> list[dict]:
    """What the page's script draws."""
    return [json.loads(one.text) for one in ET.fromstring(f"<body>{markup}</body>").iter("script")]


def rows(spec: dict) -> list[dict]:
    """The data of a chart."""
    return spec["data"][[one["name"] for one in spec["data"]].index("source_0")]["values"]


def texts(picture: ET.Element) -> list[tuple[str, float, float]]:
    """Texts of a picture, with their places in their own groups."""
    found = []
    for one in picture.iter("text"):
        at = re.match(r"translate\(([-\d.]+),([-\d.]+)\)", one.get("transform", "translate(0,0)"))
        x, y = map(float, at.groups())
        found.append((one.text, x, y))
    return found


def test_texts_stay_texts_in_every_chart():
    x = np.array([1.0, 2.0, 3.0])
    items = [
        LineChart(BAD, [Line(BAD, x, x)], BAD, BAD, [Band(BAD, x, x, x + 1)], [Mark(2, BAD, 2.0)], {BAD: 2.5}),
        Matrix(BAD, [BAD, "b"], np.array([[1, 2], [3, 4]]), BAD, BAD),
        Quotes([(BAD, BAD)]),
        Bars(BAD, [BAD, "b"], [1.0, 2.0], BAD, BAD, BAD, [3, 4], {BAD: [1.0, 2.0]}),
        Histogram(BAD, [0.0, 1.0, 2.0], [3, 4], BAD, [Mark(1.0, BAD)], BAD),
        Scatter(BAD, [BAD, "b"], [1.0, None], BAD, BAD, highlight=0, names=[BAD, BAD]),
        Table([BAD, BAD], [[BAD, 1.0], [BAD, None]], BAD),
        Text(BAD),
        Figures([Figure(BAD, BAD, BAD)]),
    ]
    markup = draw_section(Section(BAD, items, BAD))
    parallel = Parallel([BAD], [[BAD], ["b"]], [0.1, None], choices={BAD: [BAD]}, score=BAD)
    drawings = [draw_parallel(parallel, upright=upright) for upright in (True, False)]
    markup += join(parallel_legend(parallel), *(vega.static_svg(one, 400) for one in drawings))
    markup += join(*(vega.live_chart(one, 400) for one in drawings))
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
    assert len(markup) < 350_000
    for picture in element(markup).iter("svg"):
        for path in picture.iter("path"):
            assert not re.search("inf|nan", path.get("d", ""), re.IGNORECASE)
    (spec,) = specs(markup)
    values = [row[line] for row in rows(spec) for line in ("l0", "l1") if row.get(line) is not None]
    assert values == [value for value in values if np.isfinite(value) and (value > 0 or not log)]
    assert log or len(set(values)) == len({f"{v:.6g}" for v in np.asarray(y, float) if np.isfinite(v)}) or len(x) > 1400


def test_no_line_is_drawn_where_nothing_was_measured():
    y = [1.0, 2.0, np.nan, 3.0, 2.0]
    drawn = vega.static_svg(draw_lines(LineChart("gap", [Line("a", range(5), y)]), 200), 440)
    (line,) = [one.get("d") for one in ET.fromstring(drawn).iter("path") if one.get("stroke") == "var(--k0)"]
    assert re.findall("[ML]", line) == ["M", "L", "M", "L"]
    # A point that another line has is no gap of this one.
    others = [Line("a", [0, 2, 4], [1.0, 2.0, 3.0]), Line("b", [1, 3], [2.0, 1.0], color=1)]
    drawn = vega.static_svg(draw_lines(LineChart("two", others), 200), 440)
    lines = {
        one.get("stroke"): one.get("d") for one in ET.fromstring(drawn).iter("path") if one.get("d", "").count("L")
    }
    assert [re.findall("[ML]", lines[f"var(--k{place})"]) for place in (0, 1)] == [["M", "L", "L"], ["M", "L"]]


def losses(level):
    """MNIST's: the baseline guesses."""
    epochs, loss = np.arange(1, 9), np.linspace(0.4, 0.1, 8)
    marks = [Mark(8, "best: 0.1000 in epoch 8", 0.1)]
    lines = [Line("training", epochs, loss + 0.05), Line("validation", epochs, loss)]
    return LineChart("Loss by epoch", lines, marks=marks, levels={"baseline, validation": level}, whole_x=True)


@pytest.mark.parametrize(("level", "where"), [(2.3, ", above the chart"), (0.5, ""), (-1.0, ", below the chart")])
def test_a_level_far_away_leaves_the_curves_their_room_and_labels_cover_nothing(level, where):
    chart = losses(level)
    spec = draw_lines(chart, 200).spec
    (low, high) = spec["layer"][-1]["encoding"]["y"]["scale"]["domain"]
    assert (high - low) < 3 * 0.35 and (low <= level <= high) == (not where)
    root = element(draw_chart(chart))
    names = "".join(next(root.iter("ul")).itertext())
    assert "best: 0.1000 in epoch 8" in names and names.count(f"baseline, validation {number(level)}{where}") == 1
    inside = [text for picture in root.iter("svg") for text, _, _ in texts(picture)]
    assert "8" in inside and not [text for text in inside if "best" in text or "baseline" in text]


def test_whole_numbers_have_whole_ticks():
    for epochs in (1, 2, 3, 30, 500):
        x = np.arange(1, epochs + 1)
        chart = LineChart("t", [Line("a", x, x * 1.0)], x_label="epoch", whole_x=True)
        ticks = draw_lines(chart, 200).spec["layer"][0]["encoding"]["x"]["axis"]["values"]
        assert ticks == sorted({int(tick) for tick in ticks}) and min(2, epochs) <= len(ticks) <= 21


def test_moments_are_those_of_utc_whatever_the_machine():
    x = np.array(["2014-06-09", "2014-06-10", "2014-06-11"], "datetime64[h]")
    markup = draw_chart(LineChart("t", [Line("a", x, [1.0, 2.0, 1.5])]))
    inside = [text for picture in element(markup).iter("svg") for text, _, _ in texts(picture)]
    assert {"9 Jun", "10 Jun", "11 Jun"} <= set(inside)
    (spec,) = specs(markup)
    assert spec["usermeta"]["time"] and rows(spec)[0]["x"] == 1402272000000
    assert next(scale for scale in spec["scales"] if scale["name"] == "x")["type"] == "utc"


def test_the_same_chart_is_the_same_text_whatever_was_drawn_before():
    chart = Bars("bars", ["a", "b"], [1.0, 2.0], "x", "y")
    first = draw_chart(chart)
    draw_chart(losses(2.3))
    assert draw_chart(chart) == first


def test_long_lines_keep_their_peaks():
    y = np.zeros(100_000)
    y[[77, 50_123]] = 5.0, -5.0
    x, kept = thinned(np.arange(100_000.0), y, 900)
    assert len(x) < 2000 and {5.0, -5.0} <= set(kept.tolist()) and (x[0], x[-1]) == (0, 99_999)


def test_labels_below_bars_do_not_touch():
    labels = [f"a long label {number}" for number in range(24)]
    root = element(draw_chart(Bars("bars", labels, np.arange(24.0), "x", "y")))
    at = [x for text, x, _ in texts(next(root.iter("svg"))) if text.startswith("a long")]
    assert 2 <= len(at) <= 6 and min(np.diff(at)) > 5 * len(labels[0])


def test_a_label_that_looks_like_an_attribute_is_kept():
    label = '1.23456 class="x" opacity="1"'
    (picture,) = element(draw_chart(Bars("bars", [label], [1.0]))).iter("svg")
    assert label in [text for text, _, _ in texts(picture)]


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


def forecasting_sections(data, predict, targets=("T (degC)",), **settings):
    settings = ForecastingSettings(targets=targets, lookback=24, step=2, **settings)
    problem = Forecasting(settings, Forecasting.make_metadata(data, settings))
    return problem, problem.report(data, SimpleNamespace(predict=predict), {})


def items_of(sections, item_type):
    return {item.title: item for section in sections for item in section.items if isinstance(item, item_type)}


def test_a_model_that_repeats_the_latest_value_is_as_good_as_as_now(data):
    place = [name for name in data.columns if name != "time"].index("T (degC)")

    def predict(x):
        latest = x[:, -1, place]
        spread = [latest - 0.5, latest, latest + 0.5]
        return np.stack(spread * 2, 1)

    _, sections = forecasting_sections(data, predict, delay=(6, 12), quantiles=(0.1, 0.5, 0.9))
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
    problem, sections = forecasting_sections(data, lambda x: np.zeros((len(x), 4), np.float32), targets, delay=(6,))
    assert [section.title for section in sections[1:]] == [f"Errors: {name}" for name in targets[:3]]
    assert any("3 of 4 targets" in item.text for item in sections[0].items if isinstance(item, Text))
    # Zero is the mean of the training rows: the bias is that mean less the mean of what came.
    figures = next(item for item in sections[1].items if isinstance(item, Figures)).figures
    rows = np.arange(900 + 24 + 6, 1200)
    bias = problem.metadata.target_mean[0] - data.column(targets[0]).take(rows).astype(float).mean()
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
    plan = arrange(nodes)
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
    first, second = arrange(nodes).boxes
    assert first.y + first.height < second.y


def test_a_matrix_says_its_counts_and_shades_by_the_share_of_the_row():
    markup = draw_chart(Matrix("Confusion", ["neg", "<pos>"], np.array([[90, 10], [0, 0]])))
    (spec,) = specs(markup)
    assert [(row["n"], row["text"], row["o"]) for row in rows(spec)] == [
        ("90", "90 of 100 (90.0 %)", 0.52),
        ("10", "10 of 100 (10.0 %)", 0.17),
    ], "the root of the share"
    assert spec["usermeta"]["hover"]["r"] == ["true", ["neg", "<pos>"]]
    (picture,) = element(markup).iter("svg")
    assert "90 of 100 lie on the diagonal; most others are true neg, predicted <pos>: 10" in picture.get("aria-label")
    shown = [text for text, _, _ in texts(picture)]
    assert {"90", "10"} <= set(shown) and shown.count("neg") == shown.count("<pos>") == 2


def test_the_columns_of_a_matrix_have_the_names_of_the_classes():
    digits = [str(number) for number in range(10)]
    markup = draw_chart(Matrix("Confusion", digits, np.eye(10, dtype=int) * 1000, wide=True))
    for picture in element(markup).iter("svg"):
        shown = [text for text, _, _ in texts(picture)]
        assert all(shown.count(digit) == 2 for digit in digits) and "10" not in shown


@pytest.mark.parametrize("count", [20, 100])
def test_a_matrix_of_many_classes_fits(count):
    names = [f"a.long.name.of.a.class.{number}" for number in range(count)]
    markup = draw_chart(Matrix("Confusion", names, np.eye(count, dtype=int) * 103, wide=True))
    assert len(markup) < 300_000
    broad, narrow = element(markup).iter("svg")
    for picture, width, numbers in ((broad, 920, count == 20), (narrow, 360, False)):
        assert float(picture.get("width")) <= width
        shown = texts(picture)
        assert ("103" in {text for text, _, _ in shown}) == numbers, "counts that do not fit are left out"
        across = [x for text, x, y in shown if text.startswith("a.long") and y < 0]
        assert len(across) > 4 and min(np.diff(sorted(across))) >= 13, "names of columns touch each other"


def test_words_that_come_twice_have_a_column_each():
    values = np.array([[0.9, 0.0, 0.1], [0.0, 1.0, 0.0]])
    markup = draw_chart(Weights("", ["le", "le"], ["the", "cat", "the"], values, "translation", "source"))
    (spec,) = specs(markup)
    assert [(row["r"], row["c"], row["text"]) for row in rows(spec)] == [(0, 0, "0.90"), (0, 2, "0.10"), (1, 1, "1.00")]
    shown = [text for picture in element(markup).iter("svg") for text, _, _ in texts(picture)]
    assert shown.count("the") == shown.count("le") == 2


def test_names_in_a_picture_keep_a_gap():
    """Else two in a row read as one word."""
    places = np.random.RandomState(0).random_sample((150, 2))
    chart = Scatter("", places[:, 0].tolist(), places[:, 1].tolist(), "", "", names=["word"] * 150, named=True)
    drawing = draw_scatter(chart, 300)
    for width, least in ((920, 20), (360, 8)):
        shown = [(x, y) for text, x, y in texts(ET.fromstring(vega.static_svg(drawing, width))) if text == "word"]
        assert least < len(shown) < 150
        for (x, y), (other, below) in itertools.combinations(shown, 2):
            assert abs(y - below) >= 11 or abs(x - other) >= 22


def test_points_without_a_value_are_crosses_and_the_best_one_is_on_top():
    chart = Scatter(
        "t", [1e-4, 1e-3, 1e-2], [0.5, None, 0.3], "rate", "loss", log_x=True, highlight=0, names=list("abc")
    )
    drawing = draw_scatter(chart, 200)
    assert [row["text"] for row in drawing.spec["data"]["values"]] == [
        "b: 0.001, no score",
        "c: 0.01, 0.3000",
        "a: 0.0001, 0.5000",
    ]
    assert "1 without a value at the upper edge; the marked one at 0.0001" in drawing.label
    picture = ET.fromstring(vega.static_svg(drawing, 300))
    assert len([one for one in picture.iter("path") if one.get("stroke") == "var(--soft)"]) == 1
    assert {"0.0001", "0.001", "0.01"} <= {text for text, _, _ in texts(picture)}


def test_parallel_coordinates_have_a_line_for_each_trial_from_axis_to_axis():
    rows = [["a", 1e-3], ["b", 1e-2], ["a", 1e-4], ["b", 2e-3]]
    chart = Parallel(["kind", "rate"], rows, [0.1, 0.2, 0.3, None], frozenset(["rate"]), {"kind": ["b", "a"]})
    for upright, width in ((True, 920), (False, 360)):
        drawing = draw_parallel(chart, upright=upright)
        picture = ET.fromstring(vega.static_svg(drawing, width))
        curves = [one for one in picture.iter("path") if one.get("d", "").count("L") > 20]
        strokes = sorted(one.get("stroke") for one in curves)
        assert strokes == ["var(--k0)", "var(--k1)", "var(--k3)", "var(--quiet)"]
        assert {"kind", "rate", "validation loss", "a", "b"} <= {text for text, _, _ in texts(picture)}
    names = "".join(parallel_legend(chart).split("<li>"))
    assert "failed: no score" in names and legend([]) is None
