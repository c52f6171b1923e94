"""Word vectors: words that occur in similar contexts get similar vectors."""
