"""Validate the partition statistics of labeled documents, and summarize them in the data set's report."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raysq.data.messages import Message
from raysq.data.partition_stats import Stats
from raysq.errors import DataError
from raysq.problems.classes import check_validation_classes, class_messages, counts_by_part
from raysq.text.documents import (
    count_noun,
    describe_damage,
    describe_groups,
    describe_splits,
    document_totals,
    drawn_by,
    name_some,
    of_source,
    total,
)
from raysq.text.fit_vocabulary import sort_classes

if TYPE_CHECKING:
    from raysq.problems.text_classification.preprocessor import TextClassificationPreprocessor

_NAMED = 5
_SEPARATORS = ("|", ";", ",")
_LONGEST = 40  # characters of a label in a line

_ONCE = "most words occur once: of texts without spaces between words, take the characters"


def validate(preprocessor: "TextClassificationPreprocessor", stats: list[Stats]) -> None:
    """Validate the statistics of all chunks.

    Raises:
        DataError: a document has no label, there are no words, the source gives a part for only some documents, or the
            documents to train on have fewer than two classes.
    """
    missing = sum(chunk["missing_label"] for chunk in stats)
    if missing:
        first = next(chunk["first_missing_label"] for chunk in stats if chunk["missing_label"])
        column = f"column {preprocessor.label!r} of " if preprocessor.label else ""
        raise DataError(
            f"{missing:,} of {total(stats, 'documents'):,} documents have no label, the first is {column}{first}",
            hint="give them one, or --set missing=drop leaves them out; --label names another column",
        )
    if not total(stats, "tokens"):
        words = "characters" if preprocessor.level == "char" else "words"
        raise DataError(
            f"none of the {total(stats, 'documents'):,} documents has {words}: all is filtered out",
            hint="--text names another column, --set filters=... other filters",
        )
    own = of_source(stats)
    assigned = total(own, "assigned")
    if 0 < assigned < total(own, "documents"):
        first = next(chunk["first_unassigned"] for chunk in own if chunk["first_unassigned"] is not None)
        raise DataError(
            f"{assigned:,} documents say whether they are of the train or the test part and "
            f"{total(own, 'documents') - assigned:,} do not, the first is {first}: say it of all or of none"
        )
    stats = [by_label(chunk, preprocessor.label_separator) for chunk in stats]
    classes = sorted({name for chunk in stats for name in chunk["labels"]})
    if preprocessor.label_separator is not None and len(classes) < 2:
        raise DataError(
            f"the documents have {count_noun(len(classes), 'label', 'labels')} in all: several are two or more",
            hint="leave --label-separator out, or give another one",
        )
    if len(classes) == 1:
        raise DataError(
            f"all {total(stats, 'documents'):,} documents have the label {classes[0]!r}: a classifier needs two "
            "classes or more",
            hint="--label names another column",
        )
    train = {name for chunk in stats for name, count in zip(chunk["labels"], chunk["counts"][0], strict=True) if count}
    if not train:
        raise DataError(
            f"all {total(stats, 'documents'):,} documents are of the test or the validation part, and there are none "
            "to train on; give those of the train part too"
        )
    check_validation_classes(
        {name for chunk in stats for name, count in zip(chunk["labels"], chunk["counts"][2], strict=True) if count},
        train,
    )
    if len(train) == 1:
        share = (
            "give other documents" if assigned else f"--set test=SHARE sets a smaller one than {preprocessor.test:g}"
        )
        raise DataError(
            f"the documents to train on have the label {min(train)!r} alone: a classifier needs two "
            f"classes to train on",
            hint=share,
        )


def by_label(chunk: Stats, separator: str | None) -> Stats:
    """Return the statistics of a chunk with its sets of labels divided into labels; unchanged without a separator."""
    if separator is None:
        return chunk
    counts: dict[str, list[int]] = {}
    for number, name in enumerate(chunk["labels"]):
        for label in _divided(name, separator):
            of_label = counts.setdefault(label, [0] * len(chunk["counts"]))
            for side, of_sets in enumerate(chunk["counts"]):
                of_label[side] += of_sets[number]
    sides = [[of_label[side] for of_label in counts.values()] for side in range(len(chunk["counts"]))]
    return {**chunk, "labels": list(counts), "counts": sides}


def _divided(name: str, separator: str) -> list[str]:
    return name.split(separator) if name else []


def _label_sets(fitted: Mapping[str, Any], separator: str, stats: list[Stats]) -> Stats:
    """Return the entries of a report on documents with several labels, from those on their sets of labels.

    Its `classes` and `counts` are of labels; `sets` holds the labels of each set, by number, `documents_of` the number
    of documents of each part, and `without` that of documents without labels. `absent` lists columns of 0 and 1 that
    hold no 1, if there are any.
    """
    divided = [_divided(name, separator) for name in fitted["classes"]]
    classes = sort_classes({label for labels in divided for label in labels})
    number = {name: index for index, name in enumerate(classes)}
    counts = {side: [0] * len(classes) for side in fitted["counts"]}
    for side, of_sets in fitted["counts"].items():
        for labels, count in zip(divided, of_sets, strict=True):
            for label in labels:
                counts[side][number[label]] += count
    sets = [[number[label] for label in labels] for labels in divided]
    bare = [place for place, labels in enumerate(sets) if not labels]
    absent = sort_classes({name for chunk in stats for name in chunk.get("flags", ())} - set(classes))
    return {
        "classes": classes,
        "counts": counts,
        "sets": sets,
        "documents_of": {side: sum(of_sets) for side, of_sets in fitted["counts"].items()},
        "without": sum(of_sets[place] for of_sets in fitted["counts"].values() for place in bare),
        **({"absent": absent} if absent else {}),
    }


def summarize(preprocessor: "TextClassificationPreprocessor", stats: list[Stats], fitted: Mapping[str, Any]) -> Stats:
    """Summarize the statistics of all chunks and the result of fitting the vocabulary.

    Returns:
        The data set's report. Its `share` is the requested share of the test part, None if the source gives the parts.
    """
    test, assigned = sum(fitted["counts"]["test"]), total(of_source(stats), "assigned")
    parts = "none" if not test else "given" if assigned else "drawn"
    return {
        "classes": fitted["classes"],
        "counts": fitted["counts"],
        **document_totals(stats),
        "dropped": name_some([{"dropped": [], **chunk} for chunk in stats], "dropped"),
        "empty": total(stats, "empty"),
        "tokens": total(stats, "tokens"),
        "words": fitted["words"],
        "parts": parts,
        "share": None if assigned else preprocessor.test,
        "longest": max(chunk["longest"] for chunk in stats),
        "level": fitted["level"],
        "contradictions": fitted["contradictions"],
        "leaked": fitted["leaked"],
        "vectors": fitted["vectors"],
        **({} if preprocessor.label_separator is None else _label_sets(fitted, preprocessor.label_separator, stats)),
        **({"ungrouped": total(stats, "ungrouped")} if preprocessor.group else {}),
        **({"group": preprocessor.group} if preprocessor.group else {}),
    }


def describe(report: Mapping[str, Any]) -> list[str]:
    """Return messages that describe a report."""
    train, test, validation = counts_by_part(report["counts"])
    totals = [sum(counts) for counts in zip(train, test, validation, strict=True)]
    names = [_brief(name) for name in report["classes"]]
    sizes = [f"{name} {count:,}" for name, count in zip(names, totals, strict=True)]
    lines = [f"{report['documents']:,} documents of {len(names)} classes: {_listed(sizes, 20)}"]
    sides = [sum(counts) for counts in (train, test, validation)]
    if "sets" in report:
        each = sum(totals) / max(report["documents"], 1)
        lines = [
            f"{report['documents']:,} documents with any of {len(names)} labels: {_listed(sizes, 20)}",
            f"{each:.2f} labels a document; {report['without']:,} documents have none",
        ]
        sides = [report["documents_of"].get(side, 0) for side in ("train", "test", "validation")]
    if report["parts"] == "none":
        lines.append(_untested(report, sides[0], sides[2]))
    elif report["parts"] == "given":
        lines.append(f"{describe_splits(*sides)}, as the source says")
    else:
        drawn = f"{describe_splits(*sides)} drawn by {drawn_by(report, 'texts')}"
        lines.append(Message(drawn, "--set test=SHARE"))
    lines += describe_groups(report, "documents")
    lines += _describe_labels(names, totals)
    lines += [] if "sets" in report else _describe_joined(names)
    lines += class_messages(names, train, test, validation, "document", several="sets" in report)
    if absent := report.get("absent"):
        labels_are = count_noun(len(absent), "label is", "labels are")
        lines.append(f"{labels_are} left out, which no document has: {_listed(absent)}")
    if report["empty"]:
        lines.append(
            count_noun(report["empty"], "document has no words and is kept", "documents have no words and are kept")
        )
    twins, other = report["contradictions"], "other labels" if "sets" in report else "another class"
    if twins["count"]:
        lines.append(
            f"{twins['count']:,} documents have the same text as one of {other}, the first is {twins['first']}: "
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
        message = f"no test part: {train:,} documents to train on and {validation:,} to validate on"
    else:
        message = f"no test part: all {train:,} documents are for training and validation"
    if report["share"] is None:
        return f"{message}, as the source says of each; a test part is drawn only where it says nothing"
    if report["share"] == 0:
        return Message(message, "--test SHARE draws a test part")
    drawn = drawn_by(report, "texts") if report.get("group") else "their checksums"
    return Message(
        f"{message}; {report['share']:g} of the texts, drawn by {drawn}, came to none", "--test SHARE for more"
    )


def _describe_labels(names: list[str], counts: list[int]) -> list[str]:
    """Return messages about labels that look wrong."""
    lines = []
    scarce = [name for name, count in zip(names, counts, strict=True) if count == 1]
    if scarce:
        labels_are = count_noun(len(scarce), "label is", "labels are")
        lines.append(f"{labels_are} seen once, which cannot be learned and tested both: {_listed(scarce)}")
    if 2 * len(scarce) > sum(counts):
        lines.append(Message("most documents have a label that no other has: are these the labels?", "--label NAME"))
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.casefold(), []).append(name)
    same = [" and ".join(group) for group in alike.values() if len(group) > 1]
    if same:
        lines.append(f"labels that differ by capitals alone are different classes: {_listed(same)}")
    return lines


def _describe_joined(names: list[str]) -> list[str]:
    """Return the message about labels that seem to join others, such as "comedy|drama" where "comedy" is one too."""
    for separator in _SEPARATORS:
        joined = [name for name in names if separator in name]
        parts = {part.strip() for name in joined for part in name.split(separator)}
        if parts & set(names):
            about = f"labels that hold {separator!r} are classes of their own: {_listed(joined)}"
            return [Message(about, f"--label-separator '{separator}' takes them apart")]
    return []


def _brief(name: str) -> str:
    """Return a label on one line, shortened."""
    name = " ".join(name.split())
    return name if len(name) <= _LONGEST else name[:_LONGEST] + "..."


def _listed(names: list[str], most: int = _NAMED) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
