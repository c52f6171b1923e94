"""Quality of translations: BLEU and chrF, computed by sacrebleu."""

from collections.abc import Sequence
from typing import Any

from raysq.errors import MissingPackageError

PACKAGE = "raysq[translation]"


def bleu(translations: Sequence[str], references: Sequence[str], *, level: str = "word", lower: bool = True) -> float:
    """Return the corpus BLEU, from 0 to 100, as sacrebleu computes it (Post 2018).

    Args:
        translations: the translations.
        references: the reference of each translation.
        level: "word" uses sacrebleu's tokenizer "13a"; "char" compares characters, for models that write characters.
        lower: ignore case, for models that know lower case only.

    Raises:
        MissingPackageError: if sacrebleu is not installed.
    """
    # "force" suppresses the warning about text that is tokenized already; such text is scored as it is.
    metric = _sacrebleu().BLEU(lowercase=lower, force=True, tokenize="char" if level == "char" else "13a")
    return float(metric.corpus_score(list(translations), [list(references)]).score)


def chrf(translation: str, reference: str, *, lower: bool = True) -> float:
    """Return the chrF of a sentence, from 0 to 100: the F-score of its character n-grams (Popović 2015).

    Args:
        translation: the translation.
        reference: its reference.
        lower: ignore case.

    Raises:
        MissingPackageError: if sacrebleu is not installed.
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
