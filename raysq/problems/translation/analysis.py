"""Analysis of a translation model for its report: BLEU by length, example translations and attention weights."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.even_rows import evenly
from raysq.problems.translation.bleu import chrf
from raysq.problems.translation.corpus import ParallelCorpus
from raysq.problems.translation.sentences import Language
from raysq.problems.translation.translate import TranslatedSentence

SAMPLED = 1000  # maximum number of sentences of a split to translate
_EXAMPLES = 5  # sentences per group of quality
_GROUPS = 6  # number of groups by length
_MIN_GROUP = 10  # minimum number of sentences in a group by length
_ATTENTION_EXAMPLES = 4  # sentences whose attention weights are shown
_MAX_WORDS = 18  # maximum number of words of such a sentence

Bleu = Callable[[list[str], list[str]], float]


def analyze(
    dataset: Dataset,
    corpus: ParallelCorpus,
    translate: Callable[[np.ndarray], list[TranslatedSentence]],
    language: Language,
    bleu: Bleu,
) -> dict[str, Any]:
    """Translate pairs of the test split and score the translations; the validation split where there is no test split.

    Args:
        dataset: the data set that the run was trained on.
        corpus: its pairs.
        translate: function that translates the source sentences of rows of the data set.
        language: tokenizer of the target.
        bleu: function from translations and references to their BLEU.

    Returns:
        A JSON-ready mapping: `split`, `pairs` (size of the split), `bleu` (`model` and `baseline`), `groups` (BLEU by
        length), `sentences` (examples with chrF) and `attention` (weights of some sentences).
    """
    split = "test" if len(corpus.split.test) else "val"
    all_rows = getattr(corpus.split, split)
    rows = all_rows[evenly(len(all_rows), SAMPLED)]
    translations = translate(rows)
    references = dataset.texts("target", rows)
    texts = [translation.text for translation in translations]
    baseline = _translate_by_words(corpus, language, rows)
    quality = [chrf(text, reference, lower=language.lower) for text, reference in zip(texts, references, strict=True)]
    return {
        "split": split,
        "pairs": len(all_rows),
        "bleu": {"model": bleu(texts, references), "baseline": bleu(baseline, references)},
        "groups": _length_groups(corpus.source.tokens.lengths[rows], texts, baseline, references, bleu),
        "sentences": _examples(dataset.texts("source", rows), references, texts, baseline, quality),
        "attention": [
            {
                "source": translation.source,
                "words": translation.words,
                "weights": np.asarray(translation.attention_weights, np.float64).round(4).tolist(),
            }
            for translation in _attention_examples(translations)
        ],
    }


def _translate_by_words(corpus: ParallelCorpus, language: Language, rows: np.ndarray) -> list[str]:
    """Translate word by word with the dictionary of the training pairs."""
    vocabulary, translations = corpus.target.vocabulary, []
    for row in rows.tolist():
        ids = corpus.dictionary.translate(corpus.source.ids[corpus.source.tokens.row(row)].tolist())
        translations.append(language.sentence(vocabulary.whole_words([vocabulary.word(word) for word in ids])))
    return translations


def _length_groups(
    lengths: np.ndarray, texts: list[str], baseline: list[str], references: list[str], bleu: Bleu
) -> list[dict[str, Any]]:
    """Return BLEU by length of the source sentence."""
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, _GROUPS + 1)).astype(np.int64))
    groups = []
    for number, (low, high) in enumerate(itertools.pairwise(edges.tolist())):
        last = number == len(edges) - 2
        (rows,) = np.nonzero((lengths >= low) & ((lengths <= high) if last else (lengths < high)))
        if len(rows) < _MIN_GROUP:
            continue
        end = high if last else high - 1
        group_references = [references[row] for row in rows]
        groups.append(
            {
                "label": f"{low:,}" if low == end else f"{low:,}\u2013{end:,}",
                "count": len(rows),
                "model": bleu([texts[row] for row in rows], group_references),
                "baseline": bleu([baseline[row] for row in rows], group_references),
            }
        )
    return groups


def _examples(
    sources: list[str], references: list[str], texts: list[str], baseline: list[str], quality: list[float]
) -> dict[str, Any]:
    """Return the best, the middling and the worst translations, without repeated source sentences in a group."""
    order = np.argsort(-np.array(quality), kind="stable").tolist()
    middle = len(order) // 2
    groups = {
        # Longest first: an exact translation of two words says little.
        "best": sorted(order[: max(_EXAMPLES, len(order) // 10)], key=lambda row: -len(references[row])),
        "middling": sorted(order, key=lambda row: abs(order.index(row) - middle)),
        "worst": order[::-1],
    }
    examples: dict[str, Any] = {"quality": quality}
    for name, rows in groups.items():
        first = list({sources[row]: row for row in reversed(rows)}.values())[::-1][:_EXAMPLES]
        examples[name] = [[sources[r], references[r], texts[r], baseline[r], round(quality[r], 1)] for r in first]
    return examples


def _attention_examples(translations: Sequence[TranslatedSentence]) -> list[TranslatedSentence]:
    """Return evenly spaced sentences of medium length that have attention weights."""
    candidates = [
        translation
        for translation in translations
        if translation.attention_weights is not None
        and 4 <= len(translation.source) <= _MAX_WORDS
        and 3 <= len(translation.words) <= _MAX_WORDS
    ]
    positions = np.linspace(0, len(candidates) - 1, min(_ATTENTION_EXAMPLES, len(candidates))).astype(int)
    return [candidates[position] for position in positions]
