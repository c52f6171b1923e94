"""What a run of text classification takes and gives."""

from collections.abc import Sequence

from raysq.problems.interface import Input, Interface, Output
from raysq.problems.text_classification.vocabulary import ClassificationVocabulary

_EXAMPLE = slice(20, 32)  # ranks of the words of the example: the most frequent words tell nothing
_WIDTHS = (48, 96, 192)  # words of texts for which bags of several widths are compiled


def interface(
    vocabulary: ClassificationVocabulary, classes: Sequence[str], level: str, *, several: bool = False
) -> Interface:
    """Return the interface of a run.

    Args:
        vocabulary: vocabulary of the run.
        classes: names of the classes.
        level: "word" or "char".
        several: whether a document may have several of the classes.
    """
    between = "" if level == "char" else " "
    # Hashes have no words; any text will do there.
    words = vocabulary.words.slice(0, max(_WIDTHS)).to_pylist() or [f"word{number}" for number in range(max(_WIDTHS))]
    example = between.join(words[_EXAMPLE] or words)
    bags = tuple(between.join(words[:count]) for count in _WIDTHS) if vocabulary.settings.bag else ()
    output = Output("values", targets=("labels", *(f"p_{name}" for name in classes))) if several else None
    output = output or Output("classes", tuple(classes), ("label",))
    return Interface(Input("text", [example]), output, independent=True, warm_up=bags)
