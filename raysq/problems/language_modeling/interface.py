"""What a run of a language model takes and gives."""

from raysq.problems.interface import Input, Interface, Output
from raysq.problems.language_modeling.settings import FIRST
from raysq.problems.language_modeling.vocabulary import LanguageVocabulary
from raysq.text.subwords import join

_WORDS = 3  # of the example


def interface(vocabulary: LanguageVocabulary, level: str) -> Interface:
    """Return the interface of a run whose words are of the level "word", "char" or "subword"."""
    words = vocabulary.terms[FIRST : FIRST + _WORDS]
    if vocabulary.subwords is not None:
        words = join(words)
    example = ("" if level == "char" else " ").join(words)
    return Interface(Input("prompt", [example]), Output("text", targets=("next",)), independent=True)
