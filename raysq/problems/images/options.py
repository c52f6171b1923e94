"""Command-line options for images."""

from raysq.config import Option
from raysq.text import options

PREPARE = (
    Option("--size", "WxH", "size to which images are resized, such as 64x48 (default: their own, if all are equal)"),
    Option("--color", "NAME", "gray or rgb (default: as in the files)"),
    options.LABEL,
    options.TEST,
)
