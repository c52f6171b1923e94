"""Command-line options that several problems of texts share."""

from raysq.config import Option

TEXT = Option("--text", "COLUMN", "Column of the texts, by name or number.")
LABEL = Option("--label", "COLUMN", "Column of the classes, by name or number.")
TEST = Option("--test", "SHARE", "Share of examples to test on if the source has no test part. Defaults to 0.1.")
LEVEL = Option("--level", "LEVEL", "Token: word or char. Defaults to word.")
VECTORS = Option("--vectors", "FILE", "Word vectors in the text format of GloVe or word2vec, also as .gz or .zip.")
UNIT = Option("--unit", "UNIT", "Unit of running text: sentence, line, paragraph or document. Defaults to sentence.")
