"""Plain text files as paragraphs, whatever their line ends, sizes and packing; sentences and other units of them."""

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from raysq.errors import DataError
from raysq.text import segment
from raysq.text.readers import DocumentFormat, gutenberg, infer, partition, read
from raysq.text.readers import text as plain

START = "*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***\n"
END = "*** END OF THE PROJECT GUTENBERG EBOOK A BOOK ***\nLicense.\n"


def documents(path: Path, **form) -> list[tuple[str, str]]:
    """Id and text of every document of a file."""
    form = DocumentFormat(labels=False, **form)
    rows = []
    for part in partition([path], form):
        for table, stats in read(part, form):
            assert stats["documents"] == table.num_rows
            rows += list(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))
    return rows


def written(tmp_path: Path, content: bytes, name: str = "a.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_paragraphs_are_numbered_by_their_first_line(tmp_path, end):
    text = end.join(["", "one", "two", " \t", "", "three", "", ""])
    assert documents(written(tmp_path, text.encode())) == [("a.txt:2", "one\ntwo"), ("a.txt:6", "three")]
    assert documents(written(tmp_path, text.encode()), one_document=True) == [("a.txt", text.replace(end, "\n"))]


def test_a_byte_order_mark_and_other_encodings(tmp_path):
    assert documents(written(tmp_path, "\ufeffeins\n\nzwei".encode())) == [("a.txt:1", "eins"), ("a.txt:3", "zwei")]
    path = written(tmp_path, "grün\n\nrot".encode("utf-16"))
    assert documents(path, encoding="utf-16") == [("a.txt:1", "grün"), ("a.txt:3", "rot")]
    with pytest.raises(DataError, match=r"a\.txt begins as UTF-16 does, not utf-8; --set encoding=utf-16 reads it"):
        plain.messages([path], DocumentFormat(labels=False))
    assert plain.messages([path], DocumentFormat(labels=False, encoding="utf-16")) == []
    path = written(tmp_path, b"gr\xfcn\n\nrot")
    assert documents(path, encoding="latin-1")[0][1] == "grün"
    ((table, stats),) = read(partition([path], DocumentFormat(labels=False))[0], DocumentFormat(labels=False))
    assert stats["undecodable"] == ["a.txt:1"] and table["text"][0].as_py() == "gr\ufffdn"


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_what_gutenberg_puts_around_a_book_is_left_out_and_told(tmp_path, name):
    text = f"Title\n\nHeader\n\n{START}\nThe book.\n\nIts end.\n\n{END}".encode()
    path = written(tmp_path, gzip.compress(text) if name.endswith("gz") else text, name)
    assert documents(path) == [(f"{name}:7", "The book."), (f"{name}:9", "Its end.")]
    assert infer([path], DocumentFormat(labels=False)).messages == [
        f"Project Gutenberg's header and licence are left out of {name}"
    ]
    assert gutenberg.bare(text.decode()).strip() == "The book.\n\nIts end."
    assert gutenberg.bare(f"a\n{END}") == f"a\n{END}"  # without the first mark nothing is sure


@pytest.mark.parametrize("gap", ["\n\n", "\n", " ", ""])
def test_large_files_are_cut_between_paragraphs_lines_words_or_characters(tmp_path, monkeypatch, gap):
    monkeypatch.setattr(plain, "RANGE", 64)
    words = [f"wört{number:04d}" for number in range(200)]
    path = written(tmp_path, gap.join(words).encode())
    partitions = partition([path], DocumentFormat(labels=False))
    assert len(partitions) > 5 and max(part.size for part in partitions) <= 128
    assert [part.begin for part in partitions[1:]] == [part.end for part in partitions[:-1]]
    rows = documents(path)
    assert "".join(text for _, text in rows).replace("\n", "").replace(" ", "") == "".join(words)
    if gap == "\n\n":
        assert rows == [(f"a.txt:{2 * number + 1}", word) for number, word in enumerate(words)]


def test_sentences_keep_abbreviations_and_quotes():
    text = (
        "Mr. Smith met Dr. J. R. R. Tolkien at No. 5. He left, e.g. early. \u201cOh dear!\u201d said\nAlice. "
        "\u201cWell!\u201d She ran... Then 3.14 is pi. What?! _Yes_. And I. Then\nwe go.\n\nNew one. "
        "\u6771\u4eac\u3002\u306f\u3044"
    )
    assert segment.sentences(text) == [
        "Mr. Smith met Dr. J. R. R. Tolkien at No. 5.",
        "He left, e.g. early.",
        "\u201cOh dear!\u201d said Alice.",
        "\u201cWell!\u201d",
        "She ran...",
        "Then 3.14 is pi.",
        "What?!",
        "_Yes_.",
        "And I.",
        "Then we go.",
        "New one.",
        "\u6771\u4eac\u3002",
        "\u306f\u3044",
    ]


def test_units_number_what_a_document_is_parted_into():
    table = pa.table({"text": pa.array(["A b.\nC d. E.\n\nF.", "", "G"], pa.large_string()), "id": ["x", "y", "z"]})
    table = table.set_column(1, "id", table["id"].cast(pa.large_string()))

    def parted(unit):
        units, stats = segment.split(table, {"documents": 3}, unit)
        assert stats == {"documents": units.num_rows, "sources": 3, "cut": 0}
        return dict(zip(units["id"].to_pylist(), units["text"].to_pylist(), strict=True))

    assert parted("sentence") == {"x.1": "A b.", "x.2": "C d.", "x.3": "E.", "x.4": "F.", "z": "G"}
    assert parted("line") == {"x.1": "A b.", "x.2": "C d. E.", "x.3": "F.", "z": "G"}
    assert parted("paragraph") == {"x.1": "A b. C d. E.", "x.2": "F.", "z": "G"}
    assert parted("document") == {"x": "A b.\nC d. E.\n\nF.", "z": "G"}


def test_long_units_are_cut_at_spaces():
    table = pa.table({"text": pa.array(["one two three", "x" * 12, "ok"], pa.large_string())})
    table = table.append_column("id", pa.array(["a", "b", "c"], pa.large_string()))
    units, stats = segment.split(table, {"documents": 3}, "document", 8)
    assert units["text"].to_pylist() == ["one two", "three", "x" * 8, "x" * 4, "ok"]
    assert units["id"].to_pylist() == ["a.1", "a.2", "b.1", "b.2", "c"] and stats["cut"] == 2


def test_keys_are_those_of_letters_and_digits():
    texts = pa.array(["Oh dear!", "\u201coh  DEAR\u201d", "oh deer", "...", "!", "5 km", "5km"], pa.large_string())
    first, same, *others = segment.keys(texts).tolist()
    assert first == same and len({first, *others}) == 6
