"""Reading raw files as images: pixels, label, part and name, whatever they are stored in.

    form = Form(width=28, height=28, channels=1, classes=("cat", "dog"))
    for piece in plan(files, form):
        for table, note in read(piece, form):
            ...

Every table has the column `pixels` (fixed-size lists of uint8, row by row, the channels of a pixel beside each other)
and `id` (large_string); where labels are read also `label` (int32, a place among the classes), `part` (int8: 0 train, 1
test, 2 validation) and `key` (uint64, a checksum of the pixels). What its note holds is said at `rows.Rows`.
"""

from raysq.problems.images.readers.format import SUFFIXES, Form, Piece
from raysq.problems.images.readers.infer import Found, infer
from raysq.problems.images.readers.partition import plan, read

__all__ = ["SUFFIXES", "Form", "Found", "Piece", "infer", "plan", "read"]
