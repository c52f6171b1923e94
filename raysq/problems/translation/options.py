"""Command-line options for sentence pairs."""

from raysq.config import Option
from raysq.text import options

PREPARE = (
    Option(
        "--from",
        "SIDE",
        "Source sentences: suffix of their files (ja of train.ja), or name or number of their column.",
        setting="source",
    ),
    Option("--to", "SIDE", "Target sentences, as for --from.", setting="target"),
    Option("--level", "LEVEL", "Token of both languages: word, char or subword. Defaults to word."),
    options.VOCAB_SIZE,
    *options.ROWS,
    options.TEST,
)
