"""Readers of images: files of any supported format to tables of pixels, labels, parts and ids.

    format = ImageFormat(width=28, height=28, channels=1, classes=("cat", "dog"))
    for partition in partition_files(files, format):
        for table, stats in read(partition, format):
            ...

Every table has the columns `pixels` (fixed-size lists of uint8 in the order height, width, channels) and `id`
(large_string). If labels are read, it also has `label` (int32, index of the class), `part` (int8: 0 train, 1 test, 2
validation) and `key` (uint64, checksum of the pixels). `rows.Rows` describes the statistics of a table.
"""

from raysq.problems.images.readers.format import SUFFIXES, ImageFormat, ImagePartition
from raysq.problems.images.readers.infer import Inferred, class_names, infer
from raysq.problems.images.readers.partition import partition_files, read

__all__ = ["SUFFIXES", "ImageFormat", "ImagePartition", "Inferred", "class_names", "infer", "partition_files", "read"]
