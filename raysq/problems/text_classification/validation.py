"""Validate the partition statistics of labeled documents, and summarize them in the data set's report."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raysq.data.messages import Message
from raysq.data.partition_stats import Stats
from raysq.errors import DataError
from raysq.problems.classes import class_messages, counts_by_part
from raysq.text.documents import count_noun, describe_damage, describe_splits, document_totals, name_some, total

if TYPE_CHECKING:
    from raysq.problems.text_classification.preprocessor import TextClassificationPreprocessor

_NAMED = 5
_LONGEST = 40  # characters of a label in a line

_ONCE = "most words occur once: of texts without spaces between words, take the characters"


def validate(settings: "TextClassificationPreprocessor", stats: list[Stats]) -> None:
    """Validate the statistics of all chunks.

    Args:
        settings: settings of the preprocessor.
        stats: statistics of each chunk.

    Raises:
        DataError: a document has no label, there are no words, the source gives a part for only some documents, or the
            documents to train on have fewer than two classes.
    """
    missing = sum(note["missing_label"] for note in stats)
    if missing:
        first = next(note["first_missing_label"] for note in stats if note["missing_label"])
        column = f"column {settings.label!r} of " if settings.label else ""
        raise DataError(
            f"{missing:,} of {total(stats, 'documents'):,} documents have no label, the first is {column}{first}",
            hint="give them one, or --set missing=drop leaves them out; --label names another column",
        )
    if not total(stats, "tokens"):
        what = "characters" if settings.level == "char" else "words"
        raise DataError(
            f"none of the {total(stats, 'documents'):,} documents has {what}: all is filtered out",
            hint="--text names another column, --set filters=... other filters",
        )
    said = total(stats, "assigned")
    if 0 < said < total(stats, "documents"):
        first = next(note["first_unassigned"] for note in stats if note["first_unassigned"] is not None)
        raise DataError(
            f"{said:,} documents say whether they are of the train or the test part and "
            f"{total(stats, 'documents') - said:,} do not, the first is {first}: say it of all or of none"
        )
    classes = sorted({name for note in stats for name in note["labels"]})
    if len(classes) == 1:
        raise DataError(
            f"all {total(stats, 'documents'):,} documents have the label {classes[0]!r}: a classifier needs two "
            "classes or more",
            hint="--label names another column",
        )
    train = {name for note in stats for name, count in zip(note["labels"], note["counts"][0], strict=True) if count}
    if not train:
        raise DataError(
            f"all {total(stats, 'documents'):,} documents are of the test or the validation part, and there are none "
            "to train on; give those of the train part too"
        )
    if len(train) == 1:
        share = "give other documents" if said else f"--set test=SHARE sets a smaller one than {settings.test:g}"
        raise DataError(
            f"the documents to train on have the label {min(train)!r} alone: a classifier needs two "
            f"classes to train on",
            hint=share,
        )


def summarize(settings: "TextClassificationPreprocessor", stats: list[Stats], found: Mapping[str, Any]) -> Stats:
    """Summarize the statistics in the data set's report.

    Args:
        settings: settings of the preprocessor.
        stats: statistics of each chunk.
        found: results of fitting the vocabulary.

    Returns:
        The report. Its `share` is the requested share of the test part, None if the source gives the parts.
    """
    test, said = sum(found["counts"]["test"]), total(stats, "assigned")
    parts = "none" if not test else "given" if said else "drawn"
    return {
        "classes": found["classes"],
        "counts": found["counts"],
        **document_totals(stats),
        "dropped": name_some([{"dropped": [], **note} for note in stats], "dropped"),
        "empty": total(stats, "empty"),
        "tokens": total(stats, "tokens"),
        "words": found["words"],
        "parts": parts,
        "share": None if said else settings.test,
        "longest": max(note["longest"] for note in stats),
        "level": found["level"],
        "contradictions": found["contradictions"],
        "leaked": found["leaked"],
        "vectors": found["vectors"],
    }


def describe(report: Mapping[str, Any]) -> list[str]:
    """Return messages that describe a report."""
    train, test, validation = counts_by_part(report["counts"])
    both = [sum(counts) for counts in zip(train, test, validation, strict=True)]
    names = [_brief(name) for name in report["classes"]]
    counted = [f"{name} {count:,}" for name, count in zip(names, both, strict=True)]
    lines = [f"{report['documents']:,} documents of {len(names)} classes: {_listed(counted, 20)}"]
    if report["parts"] == "none":
        lines.append(_untested(report, sum(train), sum(validation)))
    elif report["parts"] == "given":
        lines.append(f"{describe_splits(sum(train), sum(test), sum(validation))}, as the source says")
    else:
        lines.append(
            Message(f"{describe_splits(sum(train), sum(test))} drawn by the texts' checksums", "--set test=SHARE")
        )
    lines += _class_remarks(names, both)
    lines += class_messages(names, train, test, validation, "document")
    if report["empty"]:
        lines.append(
            count_noun(report["empty"], "document has no words and is kept", "documents have no words and are kept")
        )
    twins = report["contradictions"]
    if twins["count"]:
        lines.append(
            f"{twins['count']:,} documents have the same text as one of another class, the first is {twins['first']}: "
            "no model can be right on all of them"
        )
    leaked = report.get("leaked")
    if leaked and leaked["count"]:
        lines.append(
            f"{leaked['count']:,} documents of the test or validation part have the same text as one to train on, the "
            f"first is {leaked['first']}: metrics count what was learned by heart"
        )
    lines += describe_damage(report, "document", "documents")
    unit = "characters" if report["level"] == "char" else "words"
    lines.append(
        f"{report['tokens']:,} {unit}, {report['words']:,} different ones in the vocabulary; the longest document has "
        f"{report['longest']:,}"
    )
    if unit == "words" and report["documents"] > 1 and 2 * report["words"] > report["tokens"]:
        lines.append(Message(_ONCE, "--level char"))
    vectors = report["vectors"]
    if vectors:
        lines.append(
            f"{vectors['name']}: vectors of {vectors['dimension']} numbers for {vectors['share']:.1%} of the "
            f"vocabulary, {vectors['tokens']:.1%} of its occurrences; the other words get zeros"
        )
    return lines


def _untested(report: Mapping[str, Any], train: int, validation: int) -> str:
    """Return the message that the data set has no test part, and why."""
    if validation:
        said = f"no test part: {train:,} documents to train on and {validation:,} to validate on"
    else:
        said = f"no test part: all {train:,} documents are for training and validation"
    if report["share"] is None:
        return f"{said}, as the source says of each; a test part is drawn only where it says nothing"
    if report["share"] == 0:
        return Message(said, "--test SHARE draws a test part")
    return Message(
        f"{said}; {report['share']:g} of the texts, drawn by their checksums, came to none", "--test SHARE for more"
    )


def _class_remarks(names: list[str], counts: list[int]) -> list[str]:
    """Return messages about labels that look wrong."""
    lines = []
    scarce = [name for name, count in zip(names, counts, strict=True) if count == 1]
    if scarce:
        seen = count_noun(len(scarce), "label is", "labels are")
        lines.append(f"{seen} seen once, which cannot be learned and tested both: {_listed(scarce)}")
    if 2 * len(scarce) > sum(counts):
        lines.append(Message("most documents have a label that no other has: are these the labels?", "--label NAME"))
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.casefold(), []).append(name)
    same = [" and ".join(group) for group in alike.values() if len(group) > 1]
    if same:
        lines.append(f"labels that differ by capitals alone are different classes: {_listed(same)}")
    return lines


def _brief(name: str) -> str:
    """Return a label on one line, shortened."""
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST else name[:_LONGEST] + "..."


def _listed(names: list[str], most: int = _NAMED) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
