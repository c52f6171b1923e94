"""Command-line options for sentence pairs."""

from raysq.config import Option
from raysq.text import options

PREPARE = (
    Option(
        "--from",
        "SIDE",
        "source sentences: ending of their files (ja of train.ja), or name or number of their column",
        setting="source",
    ),
    Option("--to", "SIDE", "target sentences, as --from", setting="target"),
    options.TEST,
)
