"""Command-line options that several problems of texts share."""

from raysq.config import Option

TEXT = Option("--text", "COLUMN", "column that holds the texts, by name or number")
LABEL = Option("--label", "COLUMN", "column that holds the classes, by name or number")
TEST = Option("--test", "SHARE", "test share to draw if the source has no test part (default: 0.1); 0 for none")
LEVEL = Option("--level", "LEVEL", "what a token is: word or char (default: word)")
VECTORS = Option("--vectors", "FILE", "word vectors, GloVe or word2vec as text, also .gz or .zip")
UNIT = Option("--unit", "UNIT", "unit of running text: sentence (default), line, paragraph or document")
