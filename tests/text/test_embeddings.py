"""Word vectors from files."""

import gzip
import zipfile

import numpy as np
import pyarrow as pa
import pytest

from raysq.errors import DataError, SourceError
from raysq.text import embeddings
from raysq.text.embeddings import read_vectors

LINES = b'the 1 2.5 -3e-1\nof 4 5 6\n\xc3\xa9t\xc3\xa9 7 8 9\n" 0.5 0.25 0\n'
WORDS = ["unseen", "\u00e9t\u00e9", "the", '"']


def write(path, text=LINES):
    path.write_bytes(text)
    return path


def check(path):
    rows, matrix = read_vectors(path, WORDS)
    assert rows.dtype == np.int32 and matrix.dtype == np.float32
    assert rows.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(matrix, np.array([[7, 8, 9], [1, 2.5, -0.3], [0.5, 0.25, 0]], np.float32))


def test_the_vectors_of_the_words_that_are_there(tmp_path):
    check(write(tmp_path / "glove.txt"))


def test_words_may_be_an_arrow_array(tmp_path):
    rows, _ = read_vectors(write(tmp_path / "glove.txt"), pa.chunked_array([["the"], ["of"]]))
    assert rows.tolist() == [0, 1]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"4 3\n" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"4 3\n" + text.replace(b"\n", b" \n"),  # as word2vec's own tool writes it
        lambda text: text[:-1],
        lambda text: text + b"the 9 9 9\n",
        lambda text: text + b". . . 1 2 3\n",
    ],
    ids=["header", "windows", "trailing space", "no last line break", "twice", "spaces in a word"],
)
def test_the_ways_in_which_files_differ(tmp_path, change):
    check(write(tmp_path / "vectors.txt", change(LINES)))


def test_a_word_with_spaces_is_found(tmp_path):
    rows, matrix = read_vectors(write(tmp_path / "glove.txt", LINES + b". . . 1 2 3\n"), [". . ."])
    assert rows.tolist() == [0] and matrix.tolist() == [[1, 2, 3]]


def test_packed_files(tmp_path):
    check(write(tmp_path / "glove.txt.gz", gzip.compress(LINES)))
    with zipfile.ZipFile(tmp_path / "glove.zip", "w") as archive:
        archive.writestr("glove.txt", LINES)
    check(tmp_path / "glove.zip")
    with zipfile.ZipFile(tmp_path / "glove.zip", "a") as archive:
        archive.writestr("other.txt", LINES)
    with pytest.raises(SourceError, match=r"glove.zip must hold exactly one file, it holds 2 .*: glove.txt, other"):
        read_vectors(tmp_path / "glove.zip", WORDS)


def test_blocks_do_not_matter(tmp_path, monkeypatch):
    path = write(tmp_path / "glove.txt", b"4 3\n" + LINES + b"the 9 9 9\n")
    for size in (5, 17, 40):
        monkeypatch.setattr(embeddings, "_BLOCK", size)
        check(path)
    with pytest.raises(DataError, match="line 7 of glove.txt has fewer than 3 numbers"):
        read_vectors(write(path, path.read_bytes() + b"of 4 5\n"), WORDS)


def test_blank_lines_and_a_byte_order_mark_change_nothing(tmp_path):
    check(write(tmp_path / "glove.txt", b"\xef\xbb\xbf\n" + LINES.replace(b"\n", b"\n\r\n") + b"\n\n"))
    check(write(tmp_path / "glove.txt", b"\xef\xbb\xbf4 3\n" + LINES))


def test_no_words_are_found(tmp_path):
    rows, matrix = read_vectors(write(tmp_path / "glove.txt"), ["nothing"])
    assert rows.shape == (0,) and matrix.shape == (0, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "glove.txt holds no word vectors: it is empty"),
        (b"4 3\n", "it is empty"),
        (b"a b c\nd e f\ng h i\n", r"line 1 .* is damaged, not all of its 2 numbers are numbers"),
        (LINES.replace(b"4 5 6", b"4 5"), r"line 2 of glove.txt has fewer than 3 numbers: 'of 4 5'"),
        (b"\n\n" + LINES.replace(b"4 5 6", b"\n4 5"), r"line 4 of glove.txt has fewer than 3 numbers"),
        (b"400 3\n" + LINES, r"line 1 of glove.txt announces 400 vectors, the file has 4: it is cut short"),
        (LINES.replace(b"4 5 6", b"4 5 6 7"), r"line 2 of glove.txt has more than 3 numbers"),
        (LINES.replace(b"7 8 9", b"7 x 9"), r"line 3 of glove.txt is damaged"),
        (LINES.replace(b"7 8 9", b"7 nan 9"), r"line 3 of glove.txt is damaged"),
        (LINES.replace(b"7 8 9", b"7  9"), r"line 3 of glove.txt is damaged"),
        (LINES + b" 1 2 3\n", r"line 5 of glove.txt has no word"),
        (b"2 3\nthe \0\0\x80?\0\0\0@", "word2vec's binary format is not read"),
        (b"hello\n", r"line 1 of glove.txt is not a word and its numbers: 'hello'"),
    ],
)
def test_damaged_files_are_named_with_the_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_vectors(write(tmp_path / "glove.txt", text), [*WORDS, "of", "a", "d"])


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="glove.gz is damaged or cut short"):
        read_vectors(write(tmp_path / "glove.gz", gzip.compress(LINES)[:-12]), WORDS)
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        read_vectors(tmp_path / "missing.txt", WORDS)


def test_the_real_vectors(real):
    path = real("glove/glove.6B.100d.first100k.txt.gz")
    rows, matrix = read_vectors(path, ["qqqqqqqq", "the", "movie"])
    assert rows.tolist() == [1, 2] and matrix.shape == (2, 100)
    np.testing.assert_array_equal(matrix[0, :3], np.array([-0.038194, -0.24487, 0.72812], np.float32))
