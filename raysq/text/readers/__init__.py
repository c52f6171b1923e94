"""Reading raw files as documents: text, label, part and name, whatever they are stored in.

    form = Form(text=..., label=..., encoding=..., headers=..., delimiter=...)
    for piece in plan(files, form):
        for table, note in read(piece, form):
            ...

Every table has the columns `text` (large_string, never null; for `imdb.npz` instead `ranks`, large_list<int32>, from
1), `label` (large_string, null where there is none), `part` (int8: 0 train, 1 test, 2 validation, -1 not said) and `id`
(large_string), and about 8 MB of text. Its note has `documents`, `undecodable` (ids of documents with bytes that are
not of the encoding; these bytes were replaced), `missing_text` and `missing_label` (counts; the texts are "" then),
`first_missing_label` (id or null), `ignored` (number of files in an archive that belong to no class or are the
system's own) and `not_text` (names of files in a folder or an archive that hold no text, which are left out).
A file of plain text gives a document for each paragraph, or one (`Form.whole`).
"""

from raysq.text.readers.format import SUFFIXES, Form, Piece
from raysq.text.readers.imdb_npz import words_of
from raysq.text.readers.infer import infer
from raysq.text.readers.partition import plan
from raysq.text.readers.read import read
from raysq.text.readers.sample import sample

__all__ = ["SUFFIXES", "Form", "Piece", "infer", "plan", "read", "sample", "words_of"]
