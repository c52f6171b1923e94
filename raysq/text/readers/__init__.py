"""Readers of raw files as documents: text, label, split and name, for every supported file format.

    format = DocumentFormat(text=..., label=..., encoding=..., headers=..., delimiter=...)
    for part in partition(files, format):
        for table, stats in read(part, format):
            ...

`partition` returns the partitions of the files (`DocumentPartition`). `read` yields tables of about 8 MB of text, each
with its statistics.

Columns of a table:

- `text`: large_string, never null. Partitions of `imdb.npz` have `ranks` instead, large_list<int32>, from 1.
- `label`: large_string, null where it is missing.
- `part`: the split, int8: 0 train, 1 test, 2 validation, -1 where the source does not specify one.
- `id`: large_string.

Statistics of a table:

- `documents`: number of rows.
- `undecodable`: ids of documents with bytes that are invalid in the encoding. These bytes were replaced.
- `missing_text`, `missing_label`: counts. A missing text becomes "".
- `first_missing_label`: id of the first document without a label, or None.
- `ignored`: number of files in an archive that belong to no class or were written by the operating system.
- `not_text`: names of files in a folder or an archive that hold no text. They are left out.
- `flags`: names of the columns of 0 and 1 that are labels, if there are any.

A plain text file yields one document per paragraph, or a single document with `DocumentFormat.one_document`.
"""

from raysq.text.readers.format import SUFFIXES, DocumentFormat, DocumentPartition
from raysq.text.readers.imdb_npz import words_of
from raysq.text.readers.infer import infer
from raysq.text.readers.partition import partition
from raysq.text.readers.read import read
from raysq.text.readers.sample import sample

__all__ = ["SUFFIXES", "DocumentFormat", "DocumentPartition", "infer", "partition", "read", "sample", "words_of"]
