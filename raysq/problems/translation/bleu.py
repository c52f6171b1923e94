"""How good translations are: BLEU and chrF, by sacrebleu."""

from collections.abc import Sequence
from typing import Any

from raysq.errors import MissingPackageError

PACKAGE = "raysq[translation]"


def bleu(translations: Sequence[str], references: Sequence[str], *, level: str = "word", lower: bool = True) -> float:
    """BLEU of a corpus, from 0 to 100, as sacrebleu computes it (Post 2018): on its own tokens ("13a"; characters where
    the model writes characters), without regard to case where the model knows lower case only.

    Raises:
        MissingPackageError: sacrebleu is not installed.
    """
    # "force" leaves out a warning: text that is parted into words already is scored as it is.
    metric = _sacrebleu().BLEU(lowercase=lower, force=True, tokenize="char" if level == "char" else "13a")
    return float(metric.corpus_score(list(translations), [list(references)]).score)


def chrf(translation: str, reference: str, *, lower: bool = True) -> float:
    """chrF of one sentence, from 0 to 100: the F-score of its runs of characters (Popović 2015).

    Raises:
        MissingPackageError: sacrebleu is not installed.
    """
    return float(_sacrebleu().CHRF(lowercase=lower).sentence_score(translation, [reference]).score)


def _sacrebleu() -> Any:
    try:
        import sacrebleu
    except ImportError:
        raise MissingPackageError(
            f"BLEU is computed by sacrebleu, which is not installed: pip install '{PACKAGE}'"
        ) from None
    return sacrebleu
