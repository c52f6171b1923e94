"""Quotes of a csv: those around cells, those that are text, and those that would swallow rows."""

import csv
import io

import numpy as np
import pytest

from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.csv.quotes import scan
from raysq.data.readers.csv.rows import blocks
from raysq.errors import DataError

TAB = CsvFormat(delimiter="tab")
CHATS = ["ham\tgo home", "spam\twin a prize", "ham\tsee you, later", "spam\tcall now"] * 10


def rows_of(text, form=TAB, size=1 << 20, columns=2):
    """The rows of a csv without a header, with the number of the line that each begins in."""
    data = text.encode()
    chunks = iter([data[begin : begin + 7] for begin in range(0, len(data), 7)])
    rows, above = [], 0
    for block in blocks(chunks, size, form, "x.tsv", columns=columns):
        for start, end, line in zip(block.starts, block.ends, block.lines, strict=True):
            rows.append((int(line) + above + 1, block.data[start : end + 1].decode().rstrip("\r\n")))
        above += block.data.count(b"\n")
    return rows


def with_lines(**changed):
    """The chats with some lines changed, by number from 1."""
    lines = list(CHATS)
    for name, line in changed.items():
        lines[int(name[1:]) - 1] = line
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("size", [16, 1 << 20])
@pytest.mark.parametrize(
    ("text", "match"),
    [
        # A quote that opens and closes some rows later, at the end of a cell, or at the beginning of one.
        (with_lines(_8='ham\t"six inch', _17='spam\tfoo bar"'), r"x\.tsv, line 8 opens a quote that closes in line 17"),
        (
            with_lines(_8='ham\t"six inch', _17='spam\t"foo bar'),
            r"line 8 opens a quote that closes in line 17 before text",
        ),
        (
            with_lines(_8='ham\t"six inch', _9='spam\tfoo bar"'),
            r"line 8 opens a quote that closes in line 9, and without",
        ),
        (with_lines(_8='"ham\tsix inch', _17='spam"\tfoo bar'), r"line 8 opens a quote that closes in line 17"),
        # The first that is wrong is named, whatever comes behind it, and whatever stood before it.
        (with_lines(_2='ham\t5" wide', _8='ham\t"six" inch'), r'line 8 opens a quote that closes there .*"six" inch'),
        (with_lines(_2='ham\t"a ""b"" c"', _8='ham\t"six" inch'), r"line 8 opens a quote that closes there before"),
        (with_lines(_8='ham\t"six inch'), r"line 8 opens a quote that no line closes; --set quoting=none"),
        (with_lines(_8='ham\t"six \\" inch\\" wide"'), r"line 8 opens .*--set escape=backslash reads"),
        # Beside cells that are quoted with good reason.
        (
            with_lines(_3='ham\t"a\nb\nc"', _8='ham\t"six inch', _17='spam\tfoo bar"'),
            r"line 10 opens a quote that closes in line 19",
        ),
        (
            with_lines(_3='ham\t"a\tb"', _8='ham\t"six inch', _12='ham\t"with\ttab"', _17='spam\tfoo"'),
            r"line 8 opens a quote that closes in line 12 before text",
        ),
    ],
)
def test_a_quote_that_is_no_mark_of_a_cell_is_named(text, match, size):
    with pytest.raises(DataError, match=match) as caught:
        rows_of(text, size=size if "swallow" not in match else 1 << 20)
    assert "\n" not in str(caught.value)
    assert len(rows_of(text, CsvFormat(delimiter="tab", quoting="none"))) == text.count("\n")


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (with_lines(_8='ham\tsay "hi" now', _9='spam\t5" wide', _10='ham\tends with"'), 40),
        (with_lines(_8='ham\t"all of it"', _9='spam\t""', _10='ham\t"one ""two"""', _11='ham\t"a" '), 40),
        (with_lines(_8='ham\t"two\nlines"', _9='spam\t"one\n\n\nfour\n"', _10='ham\t"a\n""b"""'), 40),
        (with_lines(_8='ham\t"a\nb\tc\nd"'), 40),
        (with_lines(_40='ham\t"the last\none"').rstrip("\n"), 40),
    ],
)
@pytest.mark.parametrize("size", [16, 1 << 20])
def test_cells_in_quotes_and_quotes_in_cells(text, rows, size):
    numbered = rows_of(text, size=size)
    assert len(numbered) == rows
    lines = text.split("\n")
    for number, row in numbered:
        assert row.split("\n")[0] == lines[number - 1]
    wanted = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t"))
    assert [next(csv.reader(io.StringIO(row, newline=""), delimiter="\t")) for _, row in numbered] == wanted


def test_reviews_with_commas_and_lines_are_no_rows():
    """Some lines of such cells look like rows by chance: in a file of many that says nothing."""
    source = np.random.RandomState(0)
    words = np.array(["good", "bad", "film,", "plot,", "was", "of", "the", "actor", "and"])
    for order in (1, -1):
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        for row in range(2000):
            lines = [" ".join(source.choice(words, source.randint(1, 6))) for _ in range(source.randint(1, 5))]
            writer.writerow(["\n".join(lines), ("pos", "neg")[row % 2]][::order])
        assert len(rows_of(text.getvalue(), CsvFormat())) == 2000
        # A row whose quotes are lost among them is still found.
        pos = ["well made,pos", "pos,well made"][order < 0]
        stray = ['"six inch,neg', 'neg,"six inch'][order < 0]
        end = ['foo bar",neg', 'neg,foo bar"'][order < 0]
        broken = text.getvalue() + "\n".join([stray, *[pos] * 8, end]) + "\n"
        with pytest.raises(DataError, match=r"opens a quote that closes in line \d+, and without it"):
            rows_of(broken, CsvFormat())


def test_a_table_of_numbers_with_notes():
    """Other cells of the swallowed rows are quoted for good reason."""
    rows = [f'2023-03-01 {hour:02}:00,"calm, dry",{hour}.5' for hour in range(24)]
    rows[7] = '2023-03-01 07:00,"gusty,7.5'
    rows[11] = '2023-03-01 11:00,gusty",11.5'
    rows[8:11] = [row.replace('"calm, dry"', "calm") for row in rows[8:11]]
    with pytest.raises(DataError, match="line 8 opens a quote that closes in line 12, and without it each .* 3 cells"):
        rows_of("\n".join(rows) + "\n", CsvFormat(), columns=3)
    assert len(rows_of("\n".join(rows) + "\n", CsvFormat(quoting="minimal"), columns=3)) == 20


def test_a_quote_that_stays_open_is_told_before_the_file_ends():
    """Whose rows would fill the memory."""
    read = 0

    def pieces():
        nonlocal read
        yield b'ham\tgo home\nham\t"six inch\n'
        for _ in range(1000):
            read += 1
            yield b"spam\twin a prize\n" * 100

    with pytest.raises(DataError, match="x.tsv, line 2 opens a quote that does not close in the next 1,000 lines"):
        list(blocks(pieces(), 10_000, TAB, "x.tsv", columns=2))
    assert read < 100
    with pytest.raises(DataError, match="x.tsv, line 2 opens a quote that no line closes"):
        list(blocks(pieces(), 10_000, TAB.trusted, "x.tsv", columns=2))


def test_one_column_is_text():
    text = 'a review\n"of two\nlines"\n' * 5
    assert len(rows_of(text, CsvFormat(), columns=1)) == 10
    with pytest.raises(DataError, match="line 16 opens a quote that closes in line 36"):
        rows_of(text + '"six inch\n' + "foo\n" * 19 + 'bar"\n', CsvFormat(), columns=1)


def test_escaped_signs_are_text():
    text = '"a \\"b\\", c",x\nplain \\, comma,y\n"ends in \\\\",x\n"line \\\nbreak",y\n'
    form = CsvFormat(escape="backslash")
    assert [number for number, _ in rows_of(text, form)] == [1, 2, 3, 4]
    with pytest.raises(DataError, match="line 1 opens a quote that closes there before text"):
        rows_of(text, CsvFormat())


@pytest.mark.parametrize("seed", range(40))
def test_rows_end_where_pythons_do(seed):
    """Of any bytes that Python's strict reader takes."""
    source = np.random.RandomState(seed)
    text = "".join(source.choice(list('ab"",\n '), source.randint(1, 60)))
    try:
        wanted = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        wanted = None
    scanned = scan(text.encode(), CsvFormat())
    if wanted is None:
        assert scanned.broken is not None or scanned.open is not None or '" ' in text
    else:
        assert scanned.broken is None
        assert scanned.open is None
        assert len(scanned.ends) + (not text.endswith("\n")) == len(wanted)
