"""From the notes of all pieces to the first error, or to the data set's report."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raysq.errors import DataError

if TYPE_CHECKING:
    from raysq.kinds.text.prepare import LanguagePreparation

Note = dict[str, Any]

_NAMED = 5


def check_texts(notes: list[Note]) -> None:
    """Raises DataError where there are no texts."""
    if not _total(notes, "documents"):
        raise DataError("the source has no text; give another --source")


def check(settings: "LanguagePreparation", notes: list[Note]) -> None:
    """Raises the error of what cannot be used.

    Raises:
        DataError: no texts, no words, none to train on, some that say what is test while others do not.
    """
    check_texts(notes)
    count, given = _total(notes, "documents"), _total(notes, "given")
    if 0 < given < count:
        raise DataError(
            f"{given:,} {settings.unit}s say whether they are of the train or the test part and {count - given:,} do "
            "not: say it of all or of none"
        )
    if not _total(notes, "tokens"):
        what = "characters" if settings.level == "char" else "words"
        raise DataError(f"the source has no {what}: all of its {count:,} {settings.unit}s are filtered out")
    if not sum(note["parts"][0] for note in notes):
        share = "give some to train on" if given else f"--test SHARE sets a smaller one than {settings.test:g}"
        raise DataError(f"all {count:,} {settings.unit}s are of the test part, and there are none to train on; {share}")


def conclude(settings: "LanguagePreparation", notes: list[Note], found: Mapping[str, Any]) -> Note:
    """The data set's report. Its `share` is what was to be drawn for the test part, None where the source says."""
    given = _total(notes, "given")
    return {
        **seen(notes),
        "unit": settings.unit,
        "sources": _total(notes, "sources"),
        "cut": _total(notes, "cut"),
        "longer": settings.cut,
        "empty": _total(notes, "empty"),
        "tokens": _total(notes, "tokens"),
        "words": found["words"],
        "parts": found["parts"],
        "share": None if given else settings.test,
        "longest": max(note["longest"] for note in notes),
        "level": found["level"],
    }


def seen(notes: list[Note]) -> Note:
    """`units`, `undecodable` (`count`, and the first `names`), and `missing_text`."""
    undecodable = [note["undecodable"] for note in notes]
    # As the reader notes them, or shortened by the survey.
    counts = [len(entry) if isinstance(entry, list) else entry["count"] for entry in undecodable]
    names = [name for entry in undecodable for name in (entry if isinstance(entry, list) else entry["names"])]
    return {
        "units": _total(notes, "documents"),
        "undecodable": {"count": sum(counts), "names": names[:_NAMED]},
        "missing_text": _total(notes, "missing_text"),
    }


def damages(report: Mapping[str, Any]) -> list[str]:
    """What is wrong with the texts, in lines."""
    lines = []
    broken = report["undecodable"]
    if broken["count"]:
        more = ", ..." if broken["count"] > len(broken["names"]) else ""
        lines.append(
            f"bytes that are not of the encoding were replaced in {_many(broken['count'], 'place', 'places')}: "
            f"{', '.join(broken['names'])}{more} (--set encoding=latin-1, say, reads another)"
        )
    if report["missing_text"]:
        rows = "row has no text and is left out", "rows have no text and are left out"
        lines.append(_many(report["missing_text"], *rows))
    return lines


def remarks(report: Mapping[str, Any]) -> list[str]:
    """What a person should know of a report, in lines."""
    unit, (train, test) = report["unit"], report["parts"]
    what = "characters" if report["level"] == "char" else "words"
    lines = [
        f"{_many(report['units'], unit, unit + 's')} (--set unit=sentence, line, paragraph or document), "
        f"{report['tokens']:,} {what}; the longest has {report['longest']:,}"
    ]
    if report["share"] is None:
        lines.append(f"train part {train:,}, test part {test:,}, as the source says")
    elif test:
        lines.append(f"train part {train:,}, test part {test:,} drawn by the texts' checksums (--test SHARE)")
    else:
        why = "" if not report["share"] else f"; {report['share']:g} of them came to none"
        lines.append(f"no test part: all {train:,} are for training and validation{why} (--test SHARE draws one)")
    if report["cut"]:
        was = (
            f"{unit} of more than {report['longer']:,} characters was",
            f"{unit}s of more than {report['longer']:,} were",
        )
        lines.append(f"{_many(report['cut'], *was)} cut (--set cut=CHARACTERS)")
    if report["empty"]:
        has = f"{unit} has no {what} and is not", f"{unit}s have no {what} and are not"
        lines.append(f"{_many(report['empty'], *has)} learnt")
    lines += damages(report)
    lines.append(f"{report['words']:,} different {what} in the train part")
    if what == "words" and report["units"] > 1 and 2 * report["words"] > report["tokens"] > 1000:
        lines.append("most words occur once: of texts without spaces between words, take the characters (--level char)")
    return lines


def _many(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _total(notes: list[Note], name: str) -> int:
    return sum(note.get(name, 0) for note in notes)
