"""Command-line options for images."""

from raysq.config import Option
from raysq.text import options

PREPARE = (
    Option("--size", "WxH", "Size to resize images to, such as 64x48. Defaults to their own, if all are equal."),
    Option("--color", "NAME", "gray or rgb. Defaults to that of the files."),
    options.LABEL,
    options.GROUP,
    options.WEIGHT,
    options.TEST,
)
