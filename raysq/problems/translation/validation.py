"""Validate the statistics of sentence pairs, and summarize and describe the data set."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raysq.data.messages import Message
from raysq.data.partition_stats import Stats
from raysq.data.parts import refuse_second_validation, require_weight
from raysq.errors import DataError
from raysq.text.documents import (
    count_noun,
    describe_damage,
    describe_groups,
    drawn_by,
    join_named,
    name_some,
    of_source,
    total,
)
from raysq.text.tokenizer import noun_of

if TYPE_CHECKING:
    from raysq.problems.translation.preprocessor import TranslationPreprocessor

_PARTS = ("train", "test", "validation")


def validate(preprocessor: "TranslationPreprocessor", stats: list[Stats]) -> None:
    """Raise the first error of the statistics.

    Args:
        preprocessor: the preprocessor.
        stats: the statistics of all chunks.

    Raises:
        DataError: if there are no usable pairs, there are none to train on, or only some pairs specify a part.
    """
    rows, assigned = total(stats, "rows"), total(stats, "assigned")
    if not rows:
        pairs = total(stats, "pairs")
        raise DataError(
            f"none of {pairs:,} pairs has words on both sides; are the source and the target the right ones?"
            if pairs
            else "the source has no pairs"
        )
    own = of_source(stats)
    if len(own) < len(stats):
        if not total(own, "rows"):
            raise DataError("the source has no pairs to train on")
        refuse_second_validation(sum(chunk["parts"][2] for chunk in own), "pair")
    if preprocessor.weight is not None:
        require_weight(max(chunk.get("heaviest", 0) for chunk in stats), preprocessor.weight)
    rows, assigned = total(own, "rows"), total(own, "assigned")
    if 0 < assigned < rows:
        raise DataError(
            f"{assigned:,} pairs say whether they are of the train, validation or test part and {rows - assigned:,} do "
            "not: call all files train..., dev... or test..., or none"
        )
    train = sum(chunk["parts"][0] for chunk in stats)
    if not train:
        share = (
            "give those of the train part too"
            if assigned
            else f"--set test=SHARE sets a smaller one than {preprocessor.test:g}"
        )
        raise DataError(
            f"all {rows:,} pairs are of the test or validation part, and there are none to train on", hint=share
        )


def summarize(preprocessor: "TranslationPreprocessor", stats: list[Stats], summary: Mapping[str, Any]) -> Stats:
    """Return the report of the data set.

    Args:
        preprocessor: the preprocessor.
        stats: the statistics of all chunks.
        summary: the summary of the fit: `words` (sizes of the vocabularies), `subwords` (of each side, their number in
            all sentences and in the longest one to train on, or None) and `shared`.
    """
    parts = [sum(chunk["parts"][number] for chunk in stats) for number in range(len(_PARTS))]
    assigned = total(of_source(stats), "assigned")
    sides = list(enumerate(summary["subwords"]))
    return {
        **pair_totals(stats),
        "empty": name_some(stats, "empty"),
        "uneven": name_some(stats, "uneven"),
        "parts": dict(zip(_PARTS, parts, strict=True)),
        "drawn": not assigned,
        "share": None if assigned else preprocessor.test,
        "tokens": [
            split["tokens"] if split else sum(chunk["tokens"][side] for chunk in stats) for side, split in sides
        ],
        "longest": [
            split["longest_trained"] if split else max(chunk["longest"][side] for chunk in stats)
            for side, split in sides
        ],
        "words": list(summary["words"]),
        "levels": [preprocessor.source_level, preprocessor.target_level],
        "shared": summary["shared"],
        **({"shared_validation": summary["shared_validation"]} if summary["shared_validation"] else {}),
        **({"group": preprocessor.group, "ungrouped": total(stats, "ungrouped")} if preprocessor.group else {}),
    }


def pair_totals(stats: list[Stats]) -> Stats:
    """Return `pairs`, and `undecodable` with `count` and the first `names`."""
    return {"pairs": total(stats, "pairs"), "undecodable": name_some(stats, "undecodable")}


def describe(report: Mapping[str, Any]) -> list[str]:
    """Describe a report in lines for the user."""
    parts = report["parts"]
    counts = ", ".join(f"{name} {count:,}" for name, count in parts.items() if count)
    pairs = f"{sum(parts.values()):,} pairs: {counts}; "
    if not report["drawn"]:
        lines = [f"{pairs}as the files say"]
    elif parts["test"]:
        lines = [Message(f"{pairs}drawn by {drawn_by(report, 'source sentences')}", "--set test=SHARE")]
    else:
        lines = [Message(f"{pairs}no test part", "--set test=SHARE draws one")]
    lines += describe_groups(report, "pairs")
    if report["empty"]["count"]:
        lines.append(
            f"{count_noun(report['empty']['count'], 'pair lacks', 'pairs lack')} words on a side and "
            f"{'is' if report['empty']['count'] == 1 else 'are'} left out: {join_named(report['empty'])}"
        )
    uneven = report["uneven"]
    if uneven["count"]:
        lines.append(
            f"{count_noun(uneven['count'], 'line has', 'lines have')} more or fewer cells than most, as a tab within a "
            f"sentence makes; the pair may be wrong: {join_named(uneven)}"
        )
    lines += describe_damage(report, "pair", "pairs")
    for side, name in enumerate(("source", "target")):
        unit = noun_of(report["levels"][side])
        lines.append(
            f"{name}: {report['tokens'][side]:,} {unit}, {report['words'][side]:,} different ones in the vocabulary; "
            f"the longest sentence to train on has {report['longest'][side]:,}"
        )
        rows = sum(parts.values())
        if unit == "words" and rows > 1 and report["tokens"][side] < 1.5 * rows:
            lines.append(
                Message(
                    f"most {name} sentences are one word: of a script without spaces, take the characters",
                    f"--set {name}_level=char",
                )
            )
    if report["shared"]:
        lines.append(
            f"{count_noun(report['shared'], 'test pair has a source sentence', 'test pairs have source sentences')} "
            "that the train part has too: results on them tell little"
        )
    if validation := report.get("shared_validation"):
        has = count_noun(validation, "validation pair has a source sentence", "validation pairs have source sentences")
        lines.append(f"{has} that the train part has too: the best epoch may be one that learned them by heart")
    return lines
