"""From the notes of all pieces to the first error, or to the data set's report."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raysq.errors import DataError

if TYPE_CHECKING:
    from raysq.kinds.classify.prepare import TextPreparation

Note = dict[str, Any]

_NAMED = 5


def check_documents(notes: list[Note]) -> None:
    """Raises DataError where there are no documents."""
    if not any(note["documents"] for note in notes):
        raise DataError("the source has no documents; give another --source")


def check(settings: "TextPreparation", notes: list[Note]) -> None:
    """Raises the error of what cannot be used.

    Raises:
        DataError: no documents, documents without a label, some that say what is test while others do not, one class.
    """
    check_documents(notes)
    missing = sum(note["missing_label"] for note in notes)
    if missing:
        first = next(note["first_missing_label"] for note in notes if note["missing_label"])
        column = f"column {settings.label!r} of " if settings.label else ""
        raise DataError(
            f"{missing:,} of {_total(notes, 'documents'):,} documents have no label, the first is {column}{first}: "
            "give them one or delete them; --label names another column"
        )
    said = _total(notes, "said")
    if 0 < said < _total(notes, "documents"):
        first = next(note["first_unsaid"] for note in notes if note["first_unsaid"] is not None)
        raise DataError(
            f"{said:,} documents say whether they are of the train or the test part and "
            f"{_total(notes, 'documents') - said:,} do not, the first is {first}: say it of all or of none"
        )
    classes = sorted({name for note in notes for name in note["labels"]})
    if len(classes) == 1:
        raise DataError(
            f"all {_total(notes, 'documents'):,} documents have the label {classes[0]!r}: a classifier needs two "
            "classes or more; --label names another column"
        )
    train = {name for note in notes for name, count in zip(note["labels"], note["counts"][0], strict=True) if count}
    if len(train) < 2:
        only = f"have the label {min(train)!r} alone" if train else "are none"
        share = "give other documents" if said else f"--set test=SHARE sets a smaller one than {settings.test:g}"
        raise DataError(
            f"the documents that are not of the test part {only}: a classifier needs two classes to train on; {share}"
        )


def conclude(notes: list[Note], found: Mapping[str, Any]) -> Note:
    """The data set's report."""
    test = sum(found["counts"]["test"])
    parts = "none" if not test else "given" if _total(notes, "said") else "drawn"
    return {
        "classes": found["classes"],
        "counts": found["counts"],
        **seen(notes),
        "empty": _total(notes, "empty"),
        "tokens": _total(notes, "tokens"),
        "words": found["words"],
        "parts": parts,
        "longest": max(note["longest"] for note in notes),
        "level": found["level"],
        "vectors": found["vectors"],
    }


def seen(notes: list[Note]) -> Note:
    """`documents`, `undecodable` (`count`, and the first `names`), and `missing_text`."""
    undecodable = [note["undecodable"] for note in notes]
    # As the reader notes them, or shortened by the survey.
    counts = [len(entry) if isinstance(entry, list) else entry["count"] for entry in undecodable]
    names = [name for entry in undecodable for name in (entry if isinstance(entry, list) else entry["names"])]
    return {
        "documents": _total(notes, "documents"),
        "undecodable": {"count": sum(counts), "names": names[:_NAMED]},
        "missing_text": _total(notes, "missing_text"),
    }


def damages(report: Mapping[str, Any]) -> list[str]:
    """What is wrong with the documents, in lines."""
    lines = []
    broken = report["undecodable"]
    if broken["count"]:
        more = ", ..." if broken["count"] > len(broken["names"]) else ""
        lines.append(
            f"{broken['count']:,} documents are not of the encoding, the bytes that are not were replaced: "
            f"{', '.join(broken['names'])}{more} (--set encoding=NAME says another)"
        )
    if report["missing_text"]:
        lines.append(f"{report['missing_text']:,} rows have no text; they are empty documents")
    return lines


def remarks(report: Mapping[str, Any]) -> list[str]:
    """What a person should know of a report, in lines."""
    train, test = report["counts"]["train"], report["counts"]["test"]
    both = [a + b for a, b in zip(train, test, strict=True)]
    shown = [f"{name} {count:,}" for name, count in zip(report["classes"], both, strict=True)]
    classes = f"{', '.join(shown[:20])}{', ...' if len(shown) > 20 else ''}"
    lines = [f"{report['documents']:,} documents of {len(shown)} classes: {classes}"]
    part = {
        "given": f"train part {sum(train):,}, test part {sum(test):,}, as the source says",
        "drawn": f"train part {sum(train):,}, test part {sum(test):,} drawn by the texts' checksums (--set test=SHARE)",
        "none": f"no test part: all {sum(train):,} documents are for training and validation",
    }
    lines.append(part[report["parts"]])
    scarce = [name for name, count in zip(report["classes"], both, strict=True) if count == 1]
    if scarce:
        named = f"{', '.join(scarce[:_NAMED])}{', ...' if len(scarce) > _NAMED else ''}"
        lines.append(f"{len(scarce)} labels are seen once, which cannot be learnt and tested both: {named}")
    if report["empty"]:
        lines.append(f"{report['empty']:,} documents have no words; they are kept")
    lines += damages(report)
    unit = "characters" if report["level"] == "char" else "words"
    lines.append(
        f"{report['tokens']:,} {unit}, {report['words']:,} different ones in the vocabulary; the longest document has "
        f"{report['longest']:,}"
    )
    vectors = report["vectors"]
    if vectors:
        lines.append(
            f"{vectors['name']}: vectors of {vectors['dimension']} numbers for {vectors['share']:.1%} of the "
            f"vocabulary, {vectors['tokens']:.1%} of its occurrences; the other words get zeros"
        )
    return lines


def _total(notes: list[Note], name: str) -> int:
    return sum(note[name] for note in notes)
