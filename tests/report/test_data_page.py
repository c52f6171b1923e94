"""What data look like before anything is trained: prepared ones, and raw files, of which nothing is prepared."""

import json
from pathlib import Path

import pytest

import raysq
from raysq import problems, tasks
from raysq.cli import main
from raysq.errors import DataError, RaysqError, UsageError
from raysq.tasks.preview import task_of

SAMPLES = {  # task: the length of its sample, and titles of sections
    "jena": ("20d", ["Columns", "All rows", "Ten days", "Values"]),
    "images": ("100", ["Images by class", "Counts and brightness"]),
    "classify": ("200", ["Labels and lengths", "A text as the model sees it", "Most frequent words"]),
    "text": ("100", ["How it begins", "As the model sees it", "Most frequent words"]),
    "pairs": ("200", ["Lengths", "Pairs of sentences", "Most frequent words"]),
    "skipgram": ("300", ["Words and lengths", "Most frequent words"]),
    "arrays": ("200", ["Columns as they are understood", "Values of each column", "Some rows"]),
}


def write_series(path: Path, rows: int = 600) -> Path:
    lines = [f"2020-01-{1 + hour // 24:02d} {hour % 24:02d}:00,{hour % 24},{hour * 7 % 31}.5" for hour in range(rows)]
    path.write_text("time,load,level\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("task", SAMPLES)
def test_raw_data_are_shown_and_nothing_is_prepared(task, raysq_home, tmp_path):
    length, titles = SAMPLES[task]
    page = raysq.show_data(f"sample:{length}", task=task, output=tmp_path / "page.html")
    assert set(titles) <= set(page.sections) and not page.prepared and not page.cut
    assert not (raysq_home / "data").exists()
    text = page.path.read_text()
    assert "Nothing is prepared." in text and "Synthetic sample data" in text
    assert all(f">{title}</h2>" in text for title in (*titles, "Columns of the data set", "How it is read"))
    assert "http" not in text.partition("<style")[0]


@pytest.mark.parametrize("name", problems.REGISTRY.builtin)
def test_every_problem_has_an_overview_of_its_own(name):
    assert "overview" in vars(problems.get(name))
    assert any(tasks.get(task).problem == name for task in SAMPLES)


def test_a_data_set_is_shown_by_task_name_and_directory(raysq_home, capsys):
    data = raysq.prepare("arrays", "sample:200", name="small", quiet=True)
    for target in ("arrays", "small", "arrays/small", str(data.directory)):
        assert main(["show", target, "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown["prepared"] and shown["rows"] == 200 and shown["task"] == "arrays"
        assert Path(shown["path"]) == raysq_home / "reports" / "data-arrays-small.html"
    assert main(["show", "small", "--set", "target=age"]) == 2
    assert "settings and --rows are for raw data, and small is prepared: leave target out" in capsys.readouterr().err


def test_the_first_rows_of_a_long_file_are_enough(tmp_path):
    """Of two files of 100 rows each, one is read for 50 rows: chunks are read whole."""
    (tmp_path / "both").mkdir()
    for name in ("a", "b"):
        write_series(tmp_path / "both" / f"{name}.csv", 100)
    page = raysq.show_data(tmp_path / "both", rows=50, output=tmp_path / "page.html")
    assert page.cut and page.rows == 100
    assert "the first 100 rows; there are more" in page.path.read_text()
    whole = raysq.show_data(tmp_path / "both", rows=101, output=tmp_path / "page.html")
    assert not whole.cut and whole.rows == 200


def test_a_table_needs_no_target_and_a_series_neither(tmp_path, capsys):
    path = write_series(tmp_path / "load.csv")
    assert main(["show", str(path), "--output", str(tmp_path / "a.html")]) == 0
    out = capsys.readouterr().out
    assert "task arrays" in out and "target: the last column, 'level', on this page alone" in out
    assert main(["show", str(path), "--target", "load", "--output", str(tmp_path / "a.html")]) == 0
    assert "The outermost bars count the values beyond them too" in (tmp_path / "a.html").read_text()
    assert "'level', on this page alone" not in capsys.readouterr().out
    assert main(["show", str(path), "--task", "forecast", "--output", str(tmp_path / "b.html")]) == 0
    assert "All rows, Ten days" in capsys.readouterr().out


def test_missing_cells_are_counted(tmp_path):
    path = write_series(tmp_path / "load.csv")
    lines = path.read_text().splitlines()
    lines[5] = lines[5].rsplit(",", 1)[0] + ","
    path.write_text("\n".join(lines) + "\n")
    page = raysq.show_data(path, task="forecast", output=tmp_path / "page.html")
    row = page.path.read_text().partition('scope="row">level</th>')[2].partition("</tr>")[0]
    assert row.endswith('<td class="d">1</td>'), "level was missing once in the file"


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("nothing", {}, "nothing is no task, no data set and no file"),
        ("a.bin", {}, "does not say how to read it: --task NAME does, such as text, images, arrays"),
        ("a.json", {}, "a.json does not say how to read it"),
        ("https://me:secret@localhost:1/x?sig=secret", {}, r"the name of https://localhost:1/x\?sig=\.\.\. does not"),
        ("load.csv", {"rows": 0}, "--rows must be at least 1, received 0"),
        ("load.csv", {"output": "page.txt"}, "--output must end in .html, received 'page.txt'"),
        ("load.csv", {"task": "forcast"}, "did you mean forecast"),
        ("load.csv", {"settings": {"taget": "load"}}, "unknown setting 'taget' of prepare: did you mean target"),
    ],
)
def test_what_cannot_be_shown_is_refused(target, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_series(tmp_path / "load.csv")
    for name in ("a.bin", "a.json"):
        (tmp_path / name).write_bytes(b"1")
    with pytest.raises(UsageError, match=message):
        raysq.show_data(target, **options)


def test_the_path_of_a_url_says_how_to_read_it():
    assert task_of("https://example.org/x.csv?sig=a.txt").name == "arrays"
    assert task_of("s3://bucket/folder/x.txt").name == "text"


def test_a_page_runs_nothing_that_the_data_hold_and_lists_no_empty_settings(tmp_path):
    script = "<script>alert(1)</script>"
    lines = [f"{number},{number * 7 % 31}.5,{script}" if number % 2 else f"{number},1.5,b" for number in range(80)]
    (tmp_path / "x.csv").write_text(f"number,<img src=x onerror=alert(1)>,{script}\n" + "\n".join(lines) + "\n")
    text = raysq.show_data(tmp_path / "x.csv", output=tmp_path / "page.html").path.read_text()
    assert "&lt;script&gt;alert(1)" in text and script not in text and "<img src=x" not in text
    settings = text.partition("setting of prepare")[2]
    assert ">test</th>" in settings and ">ignore</th>" not in settings


def test_errors_name_what_show_takes(tmp_path, raysq_home):
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(RaysqError, match=r"x\.csv is empty \(0 bytes\); show another file$"):
        raysq.show_data(tmp_path / "x.csv")
    raysq.prepare("arrays", "sample:200", name="small", quiet=True)
    with pytest.raises(UsageError, match="--task is for raw data, and small is prepared: leave --task out"):
        raysq.show_data("small", task="arrays")


def test_a_damaged_file_is_one_line(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK no archive")
    with pytest.raises(DataError, match=r"a\.npz"):
        raysq.show_data(tmp_path / "a.npz")


def test_rows_in_memory_are_shown(tmp_path):
    page = raysq.show_data({"size": [1, 2, 3, 4] * 5, "label": ["a", "b"] * 10}, output=tmp_path / "page.html")
    assert page.task == "arrays" and page.rows == 20


def test_sets_of_labels_are_counted_as_they_are(tmp_path):
    lines = [f"word{number % 7} some text,{('a', 'a|b', '')[number % 3]}" for number in range(90)]
    (tmp_path / "x.csv").write_text("text,labels\n" + "\n".join(lines) + "\n")
    settings = {"label": "labels", "label_separator": "|"}
    page = raysq.show_data(tmp_path / "x.csv", task="classify", settings=settings, output=tmp_path / "page.html")
    text = page.path.read_text()
    for name in ("a", "a + b", "(none)"):
        assert f'scope="row">{name}</th><td class="d">30</td>' in text, name
