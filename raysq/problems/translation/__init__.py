"""Translation of sentence pairs from one language to another."""
