"""What a run of translation takes and gives."""

from raysq.problems.interface import Input, Interface, Output
from raysq.problems.translation.vocabulary import TranslationVocabulary

_WORDS = 4  # of the example


def interface(source: TranslationVocabulary, level: str) -> Interface:
    """Return the interface of a run.

    Args:
        source: vocabulary of the source language.
        level: "word" or "char".
    """
    example = ("" if level == "char" else " ").join(source.words.slice(0, _WORDS).to_pylist())
    return Interface(Input("sentence", [example]), Output("text", targets=("translation",)), independent=True)
