"""The page of `raysq serve` in a browser, with canned answers: keys alone, a phone, hostile names, errors, charts."""

import base64
import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from serving import page_server
from serving.page_server import HOSTILE, LOOKBACK, PageServer

from raysq.report.style import sheet
from raysq.serving.access import Access

playwright = pytest.importorskip("playwright.sync_api", reason="playwright, which drives the browser, is missing")
pytest.importorskip("uvicorn", reason="uvicorn, of the extra serve, is missing")
expect = playwright.expect
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("there is no Chromium to open the page with")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """A function that opens the page of a server; nothing may go to another host, or wrong unnoticed."""
    contexts, servers, hosts, requested, faults = [], [], [], [], []

    def visit(
        *runs: str, address: str = "", token: str | None = None, fragment: str = "", width: int = 1100, **options
    ):
        server = None if address else PageServer(runs, token)
        servers.append(server)
        hosts.append(address or server.address)
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(8000)
        page.on("request", lambda request: requested.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if "Policy" in message.text else None)
        page.server = server
        page.goto(f"{hosts[-1]}{fragment}")
        if not (token and "token=" not in fragment):
            expect(page.locator("#work")).to_be_visible()
        return page

    yield visit
    for context in contexts:
        context.close()
    for server in filter(None, servers):
        server.stop()
    assert requested and [url for url in requested if not url.startswith((*hosts, "blob:"))] == []
    assert faults == []


def focused(page) -> str:
    """Return the name of what has the focus."""
    return page.evaluate(
        "() => { const e = document.activeElement; return e.labels?.[0]?.innerText.split('\\n')[0] || e.innerText; }"
    )


def sideways(page) -> int:
    return page.evaluate("Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)")


def example(page) -> None:
    page.click("#example")
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#code")).to_be_visible()


def test_keys_alone_ask_and_read(visit):
    page = visit("reviews")
    assert page.evaluate(BACKGROUND) == "rgb(255, 255, 255)"
    assert page.title() == "reviews \u2013 raysq"
    order = []
    for _ in range(6):
        page.keyboard.press("Tab")
        order.append(focused(page))
    assert order == ["Skip to the answer", "Choose a csv file", "Text", "Classify", "Example", "Clear"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#verdict")).to_have_text("neg \u00b7 73.1 %")
    expect(page.get_by_role("status").first).to_have_text("neg \u00b7 73.1 %")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#verdict")).to_be_empty()
    assert focused(page) == "Text"
    page.keyboard.type("a film of 5")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".bars li")).to_have_text(["pos 73.1 %", "neg 26.9 %"])
    assert json.loads(page.server.bodies[-1]) == {"inputs": ["a film of 5"]}
    assert focused(page) == "Text"  # so that the next text can be typed


def test_a_slow_answer_can_be_cancelled_and_nothing_jumps(visit):
    page = visit("reviews")
    boxes = """() => [...document.querySelectorAll("#ask *:not(.spinner), #answer")]
        .map(e => Object.values(e.getBoundingClientRect().toJSON()))"""
    page.fill("textarea", "slow")
    before = page.evaluate(boxes)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "true")
    expect(page.locator(".spinner")).to_be_visible()
    expect(page.locator("#cancel")).to_be_visible()
    expect(page.locator("#clear")).to_be_hidden()
    assert page.evaluate(boxes) == before
    page.keyboard.press("Escape")
    expect(page.locator("#verdict")).to_have_text("Cancelled.")
    expect(page.locator("#cancel")).to_be_hidden()
    page.click("#send")
    page.click("#cancel")
    expect(page.locator("#send")).to_be_focused()
    page.server.released = True
    page.click("#send")
    expect(page.locator(".bars li")).to_have_count(2)


def test_an_error_stands_beside_the_field(visit):
    page = visit("reviews", "penguins")
    page.click("#send")
    expect(page.get_by_role("alert").first).to_have_text("there is no text yet: type one, or try the example")
    expect(page.locator("textarea")).to_be_focused()
    example(page)
    page.fill("textarea", "wrong")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#error")).to_have_text(f"the text {HOSTILE} cannot be used: try another")
    expect(page.locator("textarea")).to_have_attribute("aria-invalid", "true")
    assert "error" in page.locator("textarea").get_attribute("aria-describedby")
    assert page.locator("img").count() == 0
    expect(page.locator("#answer")).to_have_text("Answer The answer appears here.")  # and no longer an old one
    page.fill("textarea", "right")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#error")).to_be_empty()
    expect(page.locator("[aria-invalid]")).to_have_count(0)
    page.select_option("#run", "penguins")
    page.get_by_label("mass").fill("heavy")
    page.keyboard.press("Enter")
    expect(page.locator("#error")).to_have_text('mass takes a number, received "heavy"')
    expect(page.get_by_label("mass")).to_be_focused()
    page.route("**/predict*", lambda route: route.abort())
    page.get_by_label("mass").fill("4000")
    page.keyboard.press("Enter")
    expect(page.locator("#error")).to_contain_text("the server cannot be reached: look whether")


def test_hostile_names_stay_texts(visit):
    page = visit("topics", "penguins", "houses", "alice", "words")
    page.evaluate(
        "() => { window.policy = null; try { document.body.innerHTML += ''; } catch (e) { window.policy = e.name; } }"
    )
    assert page.evaluate("window.policy") == "TypeError"  # trusted types: no text can become HTML at all
    for run in ("topics", "penguins", "houses", "alice", "words"):
        page.select_option("#run", run)
        example(page)
        if run == "topics":
            expect(page.locator("#banner")).to_contain_text("synthetic")
            page.get_by_role("button", name="Show all 40 classes").click()
        if run in ("houses", "topics", "words"):
            expect(page.get_by_text(HOSTILE).first).to_be_attached()
    page.select_option("#run", "topics")
    name = f"{HOSTILE.replace('/', '')}.csv"
    csv = "text\n" + "\n".join(f"{HOSTILE} {number}" for number in range(3))
    page.set_input_files("input[type=file]", {"name": name, "mimeType": "text/csv", "buffer": csv.encode()})
    page.click("#send")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.click("summary")
    assert page.locator("img").count() == 0 and "hacked" not in page.title()


def test_a_phone_shows_every_kind_without_sideways_scrolling(visit):
    page = visit(width=360, color_scheme="dark", is_mobile=True, has_touch=True)
    unnamed = """() => [...document.querySelectorAll(
        'button, input, select, textarea, summary, [tabindex="0"], svg[role]')].filter(e => e.checkVisibility() &&
        !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"""
    for run in page_server.BY_NAME:
        page.select_option("#run", run)
        modes = page.locator("#modes input").all()
        for mode in modes or [None]:
            if len(modes) > 1:
                mode.check()
            example(page)
            if not page.locator("#code details").get_attribute("open"):
                page.evaluate("document.querySelector('#code details').open = true")
            assert sideways(page) == 0, run
            assert page.evaluate(unnamed) == [], run
    assert page.evaluate(BACKGROUND) == "rgb(20, 23, 28)"


def test_a_forecast_is_drawn_beside_its_history(visit):
    page = visit("weather")
    example(page)
    expect(page.locator("#verdict")).to_have_text(
        re.compile(r"T \(degC\): 2.\d+ °C at 2021-01-01 23:00, 24h ahead \(10 % to 90 %: .+ to 6.\d+\)")
    )
    expect(page.locator("tbody tr").first).to_contain_text("2021-01-01 00:00")
    chart = page.locator("svg.chart")
    assert page.locator("svg.chart path.observed").get_attribute("d").count("L") == LOOKBACK - 1
    assert page.locator("svg.chart path.forecast").get_attribute("d").count("L") == 23
    assert page.locator("svg.chart path.band").count() == 1
    assert "31 Dec" in chart.text_content() and "10" in chart.text_content()
    assert "24 forecasts" in chart.get_attribute("aria-label")
    slider = page.get_by_label("Read the values of T (degC)")
    slider.press("ArrowLeft")
    expect(page.locator(".readout")).to_have_text(
        re.compile(r"2021-01-01 22:00: forecast .+ °C, 10 % to 90 % .+ to .+ °C")
    )
    slider.press("Home")
    expect(page.locator(".readout")).to_have_text(re.compile(r"2020-12-30 00:00: observed 2.46\d* °C"))
    assert slider.get_attribute("aria-valuetext") == page.locator(".readout").text_content()
    page.fill("textarea", "time,T (degC)\n2020-12-30,1.5")
    page.click("#send")
    expect(page.locator("#error")).to_have_text("a forecast needs 48 rows of history, received 1")


def test_several_series_targets_and_columns_are_told_apart(visit):
    page = visit("shops", "flats", "words")
    example(page)
    expect(page.locator("#verdict")).to_have_text("sold of north: 13.50 at 2024-01-31")
    expect(page.locator("figcaption")).to_have_text(["sold", "visits"])
    assert page.locator("svg.chart path.earlier").first.get_attribute("d").count("L") == 9
    assert page.locator("svg.chart path.observed").count() == 3  # a missing value ends a line
    expect(page.locator("tbody tr").first).to_contain_text("2024-01-31")
    page.get_by_label("Series").select_option(label=HOSTILE)
    page.get_by_label("Read the values of sold").focus()
    expect(page.locator(".readout").first).to_have_text("2024-01-31: forecast 503.5")
    assert page.locator("img").count() == 0 and sideways(page) == 0
    page.select_option("#run", "flats")
    example(page)
    expect(page.locator("#verdict")).to_have_text(re.compile("price: 1,25[01], kind: loft . 75.0 %"))
    expect(page.locator(".bars li")).to_have_text(["loft 75.0 %", "studio 25.0 %"])
    page.select_option("#run", "words")
    page.get_by_role("radio", name="Vector of a text").check()
    example(page)
    expect(page.locator(".table .note")).to_have_text("1 of 1 row, 16 of 68 columns shown")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as csv").click()
    assert Path(download.value.path()).read_text().startswith("row,nearest,known,v1,v2")


def test_a_csv_file_gives_a_table_and_all_its_rows(visit, tmp_path):
    page = visit("reviews", "penguins")
    lines = ["text", *(f"text {number}" for number in range(1200))]
    file = tmp_path / "many.csv"
    file.write_text("\n".join(lines))
    page.set_input_files("input[type=file]", file)
    expect(page.locator(".dropped")).to_contain_text("many.csv")
    page.click("#send")
    expect(page.locator("#verdict")).to_have_text("1,200 predictions")
    expect(page.locator("tbody tr")).to_have_count(10)
    page.get_by_role("button", name="Show 500 rows").click()
    expect(page.locator("tbody tr")).to_have_count(500)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all 1,200 rows as csv").click()
    saved = Path(download.value.path()).read_text().splitlines()
    assert download.value.suggested_filename == "reviews-predictions.csv"
    assert saved[0] == "row,label,probability,p_neg,p_pos,remark" and len(saved) == 1201
    page.click("#clear")
    expect(page.locator("textarea")).to_be_visible()
    page.set_input_files("input[type=file]", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"one text"})
    expect(page.locator("textarea")).to_have_value("one text")
    page.set_input_files("input[type=file]", {"name": "a.png", "mimeType": "image/png", "buffer": b"\x89PNG"})
    expect(page.locator("#error")).to_have_text("a.png is no text and no csv file")
    # Pasted rows are sent as they are.
    page.select_option("#run", "penguins")
    page.get_by_role("radio", name="Many rows").check()
    page.fill("textarea", "island,bill,mass\nDream,1,2\nDream,3,4")
    page.click("#send")
    expect(page.locator("#verdict")).to_have_text("2 predictions")
    assert page.server.bodies[-1] == b"island,bill,mass\nDream,1,2\nDream,3,4"


def test_images_are_dropped_pasted_and_removed(visit):
    page = visit("digits")
    png = page_server.png()
    drop = """([text, names, kind]) => {
        const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
        const data = new DataTransfer();
        for (const name of names) data.items.add(new File([bytes], name, {type: "image/png"}));
        const Event = kind === "drop" ? DragEvent : ClipboardEvent;
        const about = {bubbles: true, cancelable: true, dataTransfer: data, clipboardData: data};
        document.body.dispatchEvent(new Event(kind, about));
    }"""
    page.evaluate(drop, [png, ["a.png", "b.png"], "drop"])
    page.evaluate(drop, [png, ["c.png"], "paste"])
    expect(page.locator(".thumbnails li")).to_have_count(3)
    page.get_by_role("button", name="Remove a.png").click()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".gallery li")).to_have_count(2)
    assert json.loads(page.server.bodies[-1]) == {"inputs": [png, png]}
    page.get_by_role("button", name="Remove b.png").click()
    page.click("#send")
    expect(page.locator(".bars li")).to_have_count(10)
    assert page.server.bodies[-1] == base64.b64decode(png)
    page.click("#clear")
    page.set_input_files("input[type=file]", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"no image"})
    expect(page.locator("#error")).to_have_text("a.txt is no image")


def test_words_are_asked_by_a_click_and_texts_are_written(visit):
    page = visit("words", "alice", "german")
    example(page)
    page.get_by_role("button", name="prince").click()
    expect(page.locator("#verdict")).to_have_text("Nearest to prince: queen")
    page.get_by_role("textbox", name="Word").fill("king - man + woman")
    page.keyboard.press("Enter")
    expect(page.locator("#verdict")).to_contain_text("woman: queen")
    assert json.loads(page.server.bodies[-1]) == {"analogies": ["king - man + woman"], "top": 10}
    page.select_option("#run", "alice")
    page.fill("textarea", "the king")
    page.get_by_role("textbox", name="Words").fill("none")
    page.keyboard.press("Enter")
    expect(page.locator("#error")).to_have_text('Words takes a whole number from 1 to 1,000, received "none"')
    page.get_by_role("textbox", name="Words").fill("8")
    page.keyboard.press("Enter")
    expect(page.locator("blockquote")).to_have_text("the king said to the hatter said to the hatter")
    expect(page.get_by_role("status").first).to_contain_text("the king said")
    page.get_by_role("radio", name="Score a text").check()
    example(page)
    expect(page.locator(".bars li").first).to_have_text("said 20.1 %")
    page.select_option("#run", "german")
    page.fill("textarea", "ein hund .\n\neine katze .")
    page.click("#send")
    expect(page.locator("tbody tr")).to_have_count(2)
    assert json.loads(page.server.bodies[-1]) == {
        "inputs": ["ein hund .", "eine katze ."],
        "beam": 4,
        "unknown": "never",
    }


def test_the_token_comes_from_the_address_or_is_asked_for(visit):
    page = visit("reviews", token="secret", fragment="#token=secret&run=reviews")
    assert page.url == f"{page.server.address}#run=reviews"
    assert not any("secret" in path for path in page.server.paths)
    example(page)
    page.click("summary")
    assert "secret" not in page.content() and "$RAYSQ_SERVE_TOKEN" in page.locator("pre").first.text_content()
    page.server.application.access = Access("another", None)  # the server was started anew; the text must not be lost
    page.fill("textarea", "my text")
    page.click("#send")
    expect(page.get_by_role("dialog")).to_contain_text("the token is missing or wrong")
    page.keyboard.type("another")
    page.keyboard.press("Enter")
    expect(page.locator("#verdict")).to_have_text("pos \u00b7 73.1 %")
    assert json.loads(page.server.bodies[-1]) == {"inputs": ["my text"]}
    page = visit("reviews", token="secret")
    expect(page.get_by_role("textbox", name="Token")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#token-error")).to_have_text("The token is empty.")
    page.keyboard.press("Escape")
    expect(page.locator("#about")).to_contain_text("the token is missing or wrong")


def test_runs_of_every_problem_answer_their_examples(visit, every):
    """The answers of models, and not canned ones, are what the page expects."""
    page = visit(address=f"{every.address}/")
    shown = {}
    for run in every.runs:
        page.select_option("#run", run)
        modes = page.locator("#modes input").all()
        for mode in modes if len(modes) > 1 else [None]:
            if mode is not None:
                mode.check()
            page.click("#example")
            expect(page.locator("#code, #error:not(:empty)").first).to_be_visible(timeout=60_000)
            name = run if mode is None else f"{run} {mode.evaluate('e => e.labels[0].innerText')}"
            assert page.locator("#error").text_content() == "", name
            parts = ("ol.bars li", "path.observed", "path.forecast", "circle.forecast", "blockquote", "tbody tr", "dl")
            shown[name] = {part for part in parts if page.locator(f"#result {part}").count()}
            assert page.locator("#result").inner_text() or page.locator("#verdict").inner_text(), name
    bars, table = {"ol.bars li"}, {"tbody tr"}
    assert shown.pop("series") >= {"path.observed", "circle.forecast"} | table
    assert shown == {
        "reviews": bars,
        "words Write": {"blockquote"},
        "words Score a text": bars | {"dl"},
        "pairs": set(),
        "shapes": bars,
        "table": bars,
        "vectors Nearest words": bars,
        "vectors Vector of a text": table | {"dl"},
    }


@pytest.mark.parametrize("token", [None, "it's"])
def test_the_code_shown_makes_the_same_request(visit, token, tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    page = visit("reviews", "penguins", token=token, fragment=f"#token={token}" if token else "")
    page.click("summary", force=True) if page.locator("summary").is_visible() else None
    texts = ['it\'s "fine" \\ $HOME `x` \u00fc\u4e16\U0001f600', ""]
    for run in ("reviews", "penguins"):
        page.select_option("#run", run)
        if run == "reviews":
            page.fill("textarea", texts[0])
        else:
            page.get_by_label("mass").fill("1.5")
        page.click("#send")
        expect(page.locator("#code")).to_be_visible()
        made = json.loads(page.server.bodies[-1])
        curl, python = (page.locator("pre").nth(number).text_content() for number in (0, 1))
        for command in (["bash", "-c", curl], [sys.executable, "-c", python]):
            env = {"PATH": "/usr/bin:/bin", **({"RAYSQ_SERVE_TOKEN": token} if token else {})}
            done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=60)
            assert "predictions" in done.stdout, done.stderr
            assert json.loads(page.server.bodies[-1]) == made
        assert len(page.server.bodies) in (3, 6)
    # A text that begins with @ is no name of a file.
    request = "{body: '@a', type: 'text/csv'}"
    made = f"import('/page/code.js').then(({{ snippets }}) => snippets('predict', {request}, false)[0].textContent)"
    assert "--data-raw '@a'" in page.evaluate(made)


def test_the_page_looks_like_the_reports():
    page = (resources.files("raysq.serving") / "page" / "page.css").read_text()
    light, dark = re.findall(r":root\s*{(.*?)}", page, re.DOTALL)
    reports = [dict(re.findall(r"--([\w-]+):(#\w+)", part)) for part in re.findall(r":root{(.*?)}", sheet())[:2]]
    for mine, theirs in zip((light, dark), reports, strict=True):
        colors = dict(re.findall(r"--([\w-]+): (#\w+)", mine))
        assert len(colors) > 10
        own = {"danger", "edge", "on-primary"}
        assert {name: color for name, color in colors.items() if name not in own}.items() <= theirs.items()


def test_every_file_of_the_page_is_in_the_package():
    folder = ROOT / "raysq" / "serving" / "page"
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
        "raysq.serving"
    ]
    packed = {path for pattern in patterns for path in (ROOT / "raysq" / "serving").glob(pattern)}
    assert packed == {path for path in folder.iterdir() if path.is_file()}
    # None names another host.
    for path in packed:
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)[^\s\"']+", path.read_text()) == [], path
