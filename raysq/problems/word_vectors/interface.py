"""What a run of word vectors takes and gives."""

from collections.abc import Sequence

from raysq.problems.interface import Input, Interface, Output

_EXAMPLE = 20  # rank of the word: the most frequent words tell nothing


def interface(words: Sequence[str]) -> Interface:
    """Return the interface of a run with the word of each id."""
    known = [word for word in words if word]
    example = known[min(_EXAMPLE, len(known) - 1) :][:1]
    return Interface(Input("word", example), Output("neighbors", targets=("nearest",)), independent=True)
