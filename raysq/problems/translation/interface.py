"""What a run of translation takes and gives."""

from raysq.problems.interface import Input, Interface, Output
from raysq.problems.translation.sentences import Language
from raysq.problems.translation.vocabulary import TranslationVocabulary

_WORDS = 4  # of the example


def interface(source: TranslationVocabulary, language: Language) -> Interface:
    """Return the interface of a run.

    Args:
        source: vocabulary of the source language.
        language: tokenizer of the source language.
    """
    words = source.whole_words(source.words.slice(0, _WORDS).to_pylist())
    example = ("" if language.level == "char" else " ").join(words)
    return Interface(Input("sentence", [example]), Output("text", targets=("translation",)), independent=True)
