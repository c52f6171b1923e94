"""Text processing shared by the problems: readers of raw files, tokenization, vocabularies and word vectors."""
