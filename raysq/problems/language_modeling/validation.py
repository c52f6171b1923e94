"""Validate the partition statistics of running text, and summarize them in the data set's report."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raysq.data.messages import Message
from raysq.data.partition_stats import Stats
from raysq.errors import DataError
from raysq.text.documents import (
    count_noun,
    describe_damage,
    describe_groups,
    describe_splits,
    document_totals,
    drawn_by,
    of_source,
    total,
)
from raysq.text.tokenizer import noun_of

if TYPE_CHECKING:
    from raysq.problems.language_modeling.preprocessor import LanguageModelingPreprocessor

_ONCE = "most words occur once: of texts without spaces between words, take the characters"


def validate(preprocessor: "LanguageModelingPreprocessor", stats: list[Stats]) -> None:
    """Validate the statistics of all chunks.

    Raises:
        DataError: there are no words or no unit to train on, or the source gives a part for only some units.
    """
    unit, own = preprocessor.unit, of_source(stats)
    count, given = total(own, "documents"), total(own, "given")
    if 0 < given < count:
        raise DataError(
            f"{given:,} {unit}s say whether they are of the train or the test part and {count - given:,} do not: say "
            "it of all or of none"
        )
    if not total(stats, "tokens"):
        words = noun_of(preprocessor.level)
        raise DataError(f"the source has no {words}: all of its {count:,} {unit}s are filtered out")
    if not sum(chunk["parts"][0] for chunk in stats):
        if count == 1:
            raise DataError(_undivided(unit))
        hint = "give some to train on" if given else f"--test SHARE sets a smaller one than {preprocessor.test:g}"
        raise DataError(f"all {count:,} {unit}s are of the test part, and there are none to train on", hint)


def _undivided(unit: str) -> str:
    """Return the message why a source is a single unit, with settings that split it."""
    ends = {
        "sentence": "no full stop that another sentence follows",
        "line": "no line break",
        "paragraph": "no empty line",
        "document": "no other document",
    }
    others = ", ".join(f"--unit {other}" for other in ("sentence", "line", "paragraph") if other != unit)
    return (
        f"the source is one {unit}, and a model needs two to train and to validate on: there is {ends[unit]} in it; "
        f"{others} or --set cut=CHARACTERS part it otherwise, and of a script without spaces between words --level "
        "char takes the characters"
    )


def summarize(preprocessor: "LanguageModelingPreprocessor", stats: list[Stats], fitted: Mapping[str, Any]) -> Stats:
    """Summarize the statistics of all chunks and the result of fitting the vocabulary.

    Returns:
        The data set's report. Its `share` is the requested share of the test part, None if the source gives the parts.
    """
    given, totals = total(of_source(stats), "given"), document_totals(stats)
    split = fitted["subwords"]
    return {
        "units": totals.pop("documents"),
        **totals,
        "unit": preprocessor.unit,
        "sources": total(stats, "sources"),
        "cut": total(stats, "cut"),
        "longer": preprocessor.cut,
        "empty": total(stats, "empty"),
        "tokens": split["tokens"] if split else total(stats, "tokens"),
        "words": fitted["words"],
        "parts": fitted["parts"],
        "share": None if given else preprocessor.test,
        "longest": split["longest"] if split else max(chunk["longest"] for chunk in stats),
        "level": fitted["level"],
        **({"leaked": fitted["leaked"]} if fitted["leaked"]["count"] else {}),
        **({"group": preprocessor.group, "ungrouped": total(stats, "ungrouped")} if preprocessor.group else {}),
    }


def describe(report: Mapping[str, Any]) -> list[str]:
    """Return messages that describe a report."""
    unit, (train, test, validation) = report["unit"], report["parts"]
    words = noun_of(report["level"])
    lines: list[str] = [
        Message(
            f"{count_noun(report['units'], unit, unit + 's')}, {report['tokens']:,} {words}; the longest has "
            f"{report['longest']:,}",
            "--set unit=sentence, line, paragraph or document",
        )
    ]
    if report["share"] is None:
        lines.append(f"{describe_splits(train, test, validation)}, as the source says")
    elif test:
        drawn = f"{describe_splits(train, test, validation)} drawn by {drawn_by(report, 'texts')}"
        lines.append(Message(drawn, "--test SHARE"))
    elif validation:
        what = f"no test part: {train:,} {unit}s to train on and {validation:,} to validate on"
        lines.append(Message(what, "--test SHARE draws one"))
    else:
        why = "" if not report["share"] else f"; {report['share']:g} of them came to none"
        lines.append(
            Message(f"no test part: all {train:,} are for training and validation{why}", "--test SHARE draws one")
        )
    lines += describe_groups(report, f"{unit}s")
    if report.get("leaked"):
        lines.append(
            f"{report['leaked']['count']:,} {unit}s of the test or validation part are also in the train part, the "
            f"first is {report['leaked']['first']}: metrics count what was learned by heart"
        )
    if report["units"] == 1:
        lines.append(_undivided(unit))
    if report["cut"]:
        was = (
            f"{unit} of more than {report['longer']:,} characters was",
            f"{unit}s of more than {report['longer']:,} were",
        )
        lines.append(Message(f"{count_noun(report['cut'], *was)} cut", "--set cut=CHARACTERS"))
    if report["empty"]:
        has = f"{unit} has no {words} and is not", f"{unit}s have no {words} and are not"
        lines.append(f"{count_noun(report['empty'], *has)} learned")
    lines += describe_damage(report, "place", "places")
    lines.append(f"{report['words']:,} different {words} in the train part")
    if words == "words" and report["units"] > 1 and 2 * report["words"] > report["tokens"] > 1000:
        lines.append(Message(_ONCE, "--level char"))
    return lines
