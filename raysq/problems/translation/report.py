"""Report of a translation model: BLEU, example translations and attention weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysq.problems.charts import Bars, Figure, Figures, Item, Section, Table, Text, Weights


def report(analysis: Mapping[str, Any]) -> list[Section]:
    """Return the report sections of a run from the result of `raysq.problems.translation.analysis.analyze`."""
    shown = len(analysis["sentences"]["quality"])
    count = "all" if shown == analysis["pairs"] else f"{shown:,} evenly spaced of the"
    note = f"On {count} {analysis['pairs']:,} pairs of the {analysis['split']} split, with a beam of 1."
    sections = [_quality_section(analysis, note), _examples_section(analysis["sentences"])]
    return [*sections, _attention_section(analysis["attention"])] if analysis["attention"] else sections


def _quality_section(analysis: Mapping[str, Any], note: str) -> Section:
    bleu, groups = analysis["bleu"], analysis["groups"]
    figures = [
        Figure("BLEU", f"{bleu['model']:.1f}", "from 0 to 100, by sacrebleu"),
        Figure("BLEU word by word", f"{bleu['baseline']:.1f}", "the baseline: a dictionary, IBM Model 1"),
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
    return Section("Translations", items, note)


def _examples_section(sentences: Mapping[str, Any]) -> Section:
    titles = {"best": "Among the best tenth, the longest", "middling": "Middling", "worst": "The worst"}
    items: list[Item] = []
    for name, title in titles.items():
        rows: list[list[str]] = []
        for source, reference, text, baseline, quality in sentences[name]:
            rows += [["source", source], ["reference", reference], [f"translation, chrF {quality:.0f}", text]]
            rows.append(["word by word", baseline])
        items.append(Table(["", "sentence"], rows, title, highlight=range(0, len(rows), 4)))
    return Section("Sentences", items, "Sorted by chrF, the F-score of the runs of characters that both have.")


def _attention_section(examples: Sequence[Mapping[str, Any]]) -> Section:
    items: list[Item] = [
        Weights("", example["words"], example["source"], np.array(example["weights"]), "translation", "source")
        for example in examples
    ]
    items.append(
        Text("A row for each word of the translation: the darker a cell, the more the word looks at that source word.")
    )
    return Section("What it looks at", items)
