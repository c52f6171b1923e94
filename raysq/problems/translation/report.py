"""Report of a translation model: BLEU, example translations and attention weights."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems.charts import Bars, Figure, Figures, Item, Section, Table, Text, Weights
from raysq.problems.translation.batches import corpus
from raysq.problems.translation.bleu import chrf
from raysq.problems.translation.generation_metrics import bleu_of, chosen, translated
from raysq.problems.translation.sentences import Language
from raysq.problems.translation.settings import TranslationSettings

_EACH = 5  # sentences per group of quality
_LENGTHS = 6  # number of groups by length
_FEWEST = 10  # minimum number of sentences in a group by length
_LOOKED = 4  # sentences whose attention weights are shown
_WIDEST = 18  # maximum number of words of such a sentence


def study(dataset: Dataset, facts: Mapping[str, Any], settings: TranslationSettings, model: Any) -> dict[str, Any]:
    """Translate pairs of the test split and score the translations; the validation split where there is no test split.

    Args:
        dataset: the data set that the run was trained on.
        facts: the run's metadata.
        settings: the run's settings.
        model: the Keras model.

    Returns:
        A JSON-ready mapping for `report`: `split`, `pairs` (size of the split), `bleu` (`model` and `baseline`),
        `groups` (BLEU by length), `sentences` (examples with chrF) and `looked` (attention weights of some sentences).
    """
    found = corpus(dataset, settings)
    split = "test" if len(found.split.test) else "val"
    rows = chosen(dataset, settings, split)
    made = translated(dataset, facts, settings, model, rows)
    references = dataset.texts("target", rows)
    texts = [one.text for one in made]
    by_words = _by_words(dataset, facts, settings, rows)
    lower = facts["preprocessor"]["lower"]
    quality = [chrf(text, reference, lower=lower) for text, reference in zip(texts, references, strict=True)]
    lengths = found.source.tokens.lengths[rows]
    return {
        "split": split,
        "pairs": len(getattr(found.split, split)),
        "bleu": {"model": bleu_of(facts, texts, references), "baseline": bleu_of(facts, by_words, references)},
        "groups": _groups(facts, lengths, texts, by_words, references),
        "sentences": _sentences(dataset.texts("source", rows), references, texts, by_words, quality),
        "looked": [
            {"source": one.source, "words": one.words, "weights": np.asarray(one.looked, np.float64).round(4).tolist()}
            for one in _shown([one for one in made if one.looked is not None])
        ],
    }


def report(
    dataset: Dataset,
    facts: Mapping[str, Any],
    settings: TranslationSettings,
    predict: Callable[[np.ndarray], np.ndarray],
    *,
    embedding: Callable[[], np.ndarray | None] | None = None,
    week: str | None = None,
    studied: Mapping[str, Any] | None = None,
) -> list[Section]:
    """Return the report sections of a translation run.

    Args:
        dataset: the data set that the run was trained on.
        facts: the run's metadata.
        settings: the run's settings.
        predict: function from x to predictions; unused.
        embedding: unused.
        week: unused; applies to forecasts only.
        studied: the result of `study`. Without it there are no sections.

    Raises:
        UsageError: if `week` is given.
    """
    if week is not None:
        raise UsageError("--week is for forecasts; pairs of sentences have no time")
    if studied is None:
        return []
    shown = sum(len(group["quality"]) for group in [studied["sentences"]])
    many = "all" if shown == studied["pairs"] else f"{shown:,} evenly spaced of the"
    where = f"On {many} {studied['pairs']:,} pairs of the {studied['split']} split, with a beam of 1."
    sections = [
        _quality_section(studied, where),
        _examples_section(studied["sentences"]),
        _looked_section(studied["looked"]),
    ]
    return [section for section in sections if section is not None]


def _by_words(dataset: Dataset, facts: Mapping[str, Any], settings: TranslationSettings, rows: np.ndarray) -> list[str]:
    """Translate word by word with the dictionary of the training pairs."""
    found = corpus(dataset, settings)
    language = Language.of(facts["preprocessor"], "target")
    translations = []
    for row in rows.tolist():
        ids = found.source.codes[found.source.tokens.row(row)].tolist()
        words, _ = found.dictionary.translate(ids)
        translations.append(language.sentence([found.target.words.word(word) for word in words]))
    return translations


def _groups(
    facts: Mapping[str, Any], lengths: np.ndarray, texts: list[str], by_words: list[str], references: list[str]
) -> list[dict[str, Any]]:
    """Return BLEU by length of the source sentence."""
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, _LENGTHS + 1)).astype(np.int64))
    groups = []
    for number, (low, high) in enumerate(itertools.pairwise(edges.tolist())):
        last = number == len(edges) - 2
        (rows,) = np.nonzero((lengths >= low) & ((lengths <= high) if last else (lengths < high)))
        if len(rows) < _FEWEST:
            continue
        end = high if last else high - 1
        ours, theirs, wanted = ([side[row] for row in rows] for side in (texts, by_words, references))
        groups.append(
            {
                "label": f"{low:,}" if low == end else f"{low:,}\u2013{end:,}",
                "count": len(rows),
                "model": bleu_of(facts, ours, wanted),
                "baseline": bleu_of(facts, theirs, wanted),
            }
        )
    return groups


def _sentences(
    sources: list[str], references: list[str], texts: list[str], by_words: list[str], quality: list[float]
) -> dict[str, Any]:
    """Return the best, the middling and the worst translations, without repeated source sentences in a group."""
    order = np.argsort(-np.array(quality), kind="stable").tolist()
    middle = len(order) // 2
    sorts = {
        # Longest first: an exact translation of two words says little.
        "best": sorted(order[: max(_EACH, len(order) // 10)], key=lambda row: -len(references[row])),
        "middling": sorted(order, key=lambda row: abs(order.index(row) - middle)),
        "worst": order[::-1],
    }
    found = {}
    for name, rows in sorts.items():
        first = list({sources[row]: row for row in reversed(rows)}.values())[::-1][:_EACH]
        found[name] = [[sources[r], references[r], texts[r], by_words[r], round(quality[r], 1)] for r in first]
    return {"quality": quality, **found}


def _shown(found: Sequence[Any]) -> list[Any]:
    """Return evenly spaced sentences of medium length."""
    fits = [one for one in found if 4 <= len(one.source) <= _WIDEST and 3 <= len(one.words) <= _WIDEST]
    places = np.linspace(0, len(fits) - 1, min(_LOOKED, len(fits))).astype(int)
    return [fits[place] for place in places]


def _quality_section(studied: Mapping[str, Any], where: str) -> Section:
    groups = studied["groups"]
    figures = [
        Figure("BLEU", f"{studied['bleu']['model']:.1f}", "from 0 to 100, by sacrebleu"),
        Figure("BLEU word by word", f"{studied['bleu']['baseline']:.1f}", "the baseline: a dictionary, IBM Model 1"),
    ]
    items: list[Item] = [Figures(figures)]
    if len(groups) > 1:
        items.append(
            Bars(
                "BLEU by length",
                [group["label"] for group in groups],
                [group["model"] for group in groups],
                "words of the source sentence",
                "BLEU",
                "BLEU",
                [group["count"] for group in groups],
                {"word by word": [group["baseline"] for group in groups]},
                wide=True,
            )
        )
    return Section("Translations", items, where)


def _examples_section(sentences: Mapping[str, Any]) -> Section:
    titles = {"best": "Among the best tenth, the longest", "middling": "Middling", "worst": "The worst"}
    items: list[Item] = []
    for name, title in titles.items():
        rows: list[list[str]] = []
        for source, reference, text, by_words, quality in sentences[name]:
            rows += [["source", source], ["reference", reference], [f"translation, chrF {quality:.0f}", text]]
            rows.append(["word by word", by_words])
        items.append(Table(["", "sentence"], rows, title, highlight=range(0, len(rows), 4)))
    return Section("Sentences", items, "Sorted by chrF, the F-score of the runs of characters that both have.")


def _looked_section(looked: Sequence[Mapping[str, Any]]) -> Section | None:
    if not looked:
        return None
    items: list[Item] = [
        Weights("", one["words"], one["source"], np.array(one["weights"]), "translation", "source") for one in looked
    ]
    items.append(
        Text("A row for each word of the translation: the darker a cell, the more the word looks at that source word.")
    )
    return Section("What it looks at", items)
