"""Command-line options that several problems of texts share."""

from raysq.config import Option

TEXT = Option("--text", "COLUMN", "Column of the texts, by name or number.")
LABEL = Option("--label", "COLUMN", "Column of the classes, by name or number.")
LABEL_SEPARATOR = Option(
    "--label-separator",
    "TEXT",
    "Separator of the labels of a document that may have several or none, such as '|'. Lists of labels, and several "
    "columns of 0 and 1 (--label A,B), need it too.",
)
TEST = Option("--test", "SHARE", "Share of examples to test on if the source has no test part. Defaults to 0.1.")
GROUP = Option("--group", "COLUMN", "Column whose equal values stay in one split, such as a patient.")
SPLIT_COLUMN = Option("--split-column", "COLUMN", "Column that says train, val or test.")
WEIGHT = Option("--weight", "COLUMN", "Column of the weight of each row in the loss.")
ROWS = (GROUP, SPLIT_COLUMN, WEIGHT)
LEVEL = Option("--level", "LEVEL", "Token: word or char. Defaults to word.")
SUBWORD_LEVEL = Option("--level", "LEVEL", "Token: word, char or subword. Defaults to word.")
VOCAB_SIZE = Option("--vocab-size", "N", "Number of subwords (of each language) at --level subword. Defaults to 8000.")
VECTORS = Option("--vectors", "FILE", "Word vectors in the text format of GloVe or word2vec, also as .gz or .zip.")
UNIT = Option("--unit", "UNIT", "Unit of running text: sentence, line, paragraph or document. Defaults to sentence.")
