"""How a csv is written, found in its first bytes."""

import pytest

from raysq.data.readers.csv.format import CsvFormat
from raysq.data.readers.csv.sniff import begin, sniff, sniff_encoding
from raysq.errors import DataError, UsageError

TEXT = "name,größe\nbär,1\nküche,2\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (TEXT.encode("utf-16"), "utf-16"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-32"), "utf-32"),
        (TEXT.encode("cp1252"), "cp1252"),
        (("a €" * 50).encode() + b"\xe9\n", "utf-8"),  # one broken byte among letters of UTF-8
        ("日本語\n".encode("shift-jis") * 9, "utf-8"),  # no code page that can be told: its bytes will be named
        (b"nul \0 inside,1\n" * 9, "utf-8"),
    ],
)
def test_the_encoding_is_found(data, encoding):
    sniffed, messages = sniff_encoding(data, CsvFormat())
    assert sniffed.encoding == encoding
    assert bool(messages) == (encoding != "utf-8")
    assert sniff_encoding(data, CsvFormat(encoding="latin-1")) == (CsvFormat(encoding="latin-1"), [])


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a\tb\n1,5\t2,5\n", "tab"),
        ("a;b\n1,5;2,5\n", ";"),
        ("a|b\n1|2\n", "|"),
        ('a;b\n"1;5";2\n"x;y;z";2\n', ";"),
        ("text\nno delimiter at all\n", ","),
        ("text\tlabel\none, two\tx\nthree\ty\nfour, five, six\tx\n", "tab"),
    ],
)
def test_the_delimiter_is_found(text, delimiter):
    sniffed, messages = sniff(text.encode(), True, CsvFormat())
    assert sniffed.delimiter == delimiter
    assert bool(messages) == (delimiter != ",")
    assert sniff(text.encode(), True, CsvFormat(delimiter="|"))[0].delimiter == "|"


@pytest.mark.parametrize(
    ("text", "numbered", "header"),
    [
        ("text,label\na,x\n", (), True),
        ("1,a film,x\n2,b,y\n", (), True),  # an error of who reads it, as nobody gave numbers
        ("1,a film,x\n2,b,y\n", ("2", "3"), False),
        ("ham,go home\nspam,win\nham,call\n", ("2", "1"), False),
        ("kind,text\nham,go home\nspam,win\n", ("2", "1"), True),
        ("0,1\nham,go home\nspam,win\n", ("1", "0"), True),  # numbers that are names
    ],
)
def test_whether_there_is_a_header(text, numbered, header):
    sniffed, messages = sniff(text.encode(), True, CsvFormat(), numbered)
    assert sniffed.header is header
    assert bool(messages) != header
    assert sniff(text.encode(), True, CsvFormat(header=True), numbered)[0].header


def test_what_stands_above_the_rows():
    data = b'\xef\xbb\xbfwhen,"load\r\n(kW)",\r\n-,kW,\r\n2020,1,2\n'
    beginning = begin("x.csv", data, True, CsvFormat(header=True, skip=1))
    assert beginning.columns == ("when", "load (kW)", "column 3")
    assert (beginning.rows, data[beginning.size :], beginning.lines) == ([["2020", "1", "2"]], b"2020,1,2\n", 3)
    beginning = begin("x.csv", b"2020,1\n2021,2\n", True, CsvFormat(header=False))
    assert (beginning.columns, beginning.rows, beginning.size, beginning.lines) == (
        ("1", "2"),
        [["2020", "1"], ["2021", "2"]],
        0,
        0,
    )
    beginning = begin("x.csv", b'a\\,b,c\n"x \\"y\\"",z\n', True, CsvFormat(escape="backslash"))
    assert (beginning.names, beginning.rows) == (("a,b", "c"), [['x "y"', "z"]])
    beginning = begin("x.csv", b'"a,b\n"x,5" z\n', True, CsvFormat(quoting="none"))
    assert (beginning.names, beginning.rows) == (("a", "b"), [['"x', '5" z']])
    excel = b"sep=;\r\na;b\r\n1,5;2\r\n"
    form, messages = sniff(excel, True, CsvFormat())
    assert (form.delimiter, len(messages)) == (";", 1)
    beginning = begin("x.csv", excel, True, form)
    assert (beginning.names, beginning.rows, beginning.lines) == (("a", "b"), [["1,5", "2"]], 2)
    with pytest.raises(DataError, match="line 1 opens a quote that no line closes"):
        begin("x.csv", b'"a,b\nx,5\n', True, CsvFormat())
    with pytest.raises(DataError, match="line 1 opens a quote that no line closes"):
        begin("x.csv", b'"a,b\nx,5\n', False, CsvFormat())
    with pytest.raises(DataError, match=r"line 1 has no ',' between its cells; --set delimiter=tab"):
        begin("x.csv", b"a\tb\nx\t5\n", True, CsvFormat())


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"delimiter": "::"}, "delimiter must be one character"),
        ({"delimiter": '"'}, "delimiter must be one character"),
        ({"escape": "ab"}, "escape must be one ASCII character"),
        ({"escape": ","}, "escape must be one ASCII character"),
        ({"skip": -1}, "skip must be a number of rows"),
        ({"encoding": "utf-9"}, "one that Python knows"),
    ],
)
def test_a_format_that_cannot_be_is_refused(settings, match):
    with pytest.raises(UsageError, match=match):
        CsvFormat(**settings).validate()


def test_settings_of_csv_files_are_refused_for_others():
    CsvFormat(encoding="latin-1").refuse_for("x.jsonl")
    CsvFormat(delimiter="tab", quoting="none").refuse_for("x.txt", "delimiter", "quoting")
    for settings in ({"skip": 1}, {"header": False}, {"quoting": "none"}, {"escape": "backslash"}):
        with pytest.raises(UsageError, match=f"setting {next(iter(settings))} says how a csv is written, and x.jsonl"):
            CsvFormat(**settings).refuse_for("x.jsonl")
