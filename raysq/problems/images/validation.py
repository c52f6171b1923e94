"""Validate the statistics of all images, and summarize them in the data set's report."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from raysq.data.messages import Message
from raysq.data.partition_stats import Stats
from raysq.data.parts import divided_group, groups_in_parts, refuse_second_validation, require_weight
from raysq.errors import DataError
from raysq.problems.classes import check_validation_classes, class_messages, counts_by_part
from raysq.problems.images import duplicates
from raysq.text.documents import describe_groups, describe_splits, drawn_by
from raysq.text.fit_vocabulary import SPLIT_NAMES

if TYPE_CHECKING:
    from raysq.problems.images.preprocessor import ImagePreprocessor

_NAMED = 5
_LISTED = 20
_DARK = 64  # of 255; data whose brightest pixel is darker may have another value for white


def validate_images(stats: list[Stats]) -> None:
    """Raise DataError if there are no images."""
    if not any(chunk["images"] for chunk in stats):
        raise DataError("the source has no images that can be read", hint="give another --source")


def validate(settings: "ImagePreprocessor", stats: list[Stats]) -> None:
    """Validate the statistics of all chunks.

    Args:
        settings: the preprocessor.
        stats: statistics of all chunks, in order.

    Raises:
        DataError: no images, a single class, no training images, or parts for some of the images only.
    """
    validate_images(stats)
    own = [chunk for chunk in stats if not chunk.get("validates")]
    if len(own) < len(stats):
        if len(own) == 0 or not _total(own, "images"):
            raise DataError("the source has no images to train on", hint="give another --source")
        refuse_second_validation(sum(sum(chunk["counts"][2]) for chunk in own), "image")
    total, assigned = _total(own, "images"), _total(own, "assigned")
    if 0 < assigned < total:
        first = next(chunk["first_unassigned"] for chunk in own if chunk["first_unassigned"] is not None)
        raise DataError(
            f"{assigned:,} images lie in a train or a test part and {total - assigned:,} do not, the first is {first}: "
            "put all or none into such parts"
        )
    if settings.weight is not None:
        require_weight(max(chunk["heaviest"] for chunk in stats), settings.weight)
    if settings.group is not None:
        _check_groups(settings.group, stats)
    train, *others = _counts(stats)
    present = [name for name, *counts in zip(settings.classes, train, *others, strict=True) if any(counts)]
    if len(present) == 1:
        raise DataError(
            f"all {total:,} images are of class {present[0]!r}, and there must be two classes to tell apart; add "
            "images of another"
        )
    if not sum(train):
        raise DataError(
            f"all {total:,} images are of the test or the validation part, and there are none to train on; add a train "
            "part"
        )
    of_part = [
        {name for name, count in zip(settings.classes, counts, strict=True) if count} for counts in _counts(stats)
    ]
    check_validation_classes(of_part[2], of_part[0])


def _check_groups(group: str, stats: list[Stats]) -> None:
    """Raise DataError for a group that the source puts into two parts."""
    keys, parts, ids = duplicates.unpack([chunk["groups"] for chunk in stats])
    rows = groups_in_parts(keys, parts)
    if rows is not None:
        raise divided_group(group, int(parts[rows[1]]), " and ".join(ids[row] for row in rows))


def summarize(settings: "ImagePreprocessor", stats: list[Stats]) -> Stats:
    """Return the data set's report.

    Args:
        settings: the preprocessor.
        stats: statistics of all chunks, in order.

    Returns:
        `classes`, `counts` (images of each class by part), `shape`, `contradictions` (see `duplicates.find`), `parts`
        ("none", "given" by the source, or "drawn"), and `share`, the share of the test part to draw, or None if the
        source has parts. The entries of `totals` are added.
    """
    counts = dict(zip(SPLIT_NAMES, _counts(stats), strict=True))
    test, assigned = counts["test"], _total(stats, "assigned")
    format = settings.image_format
    return {
        "classes": list(settings.classes),
        "counts": counts,
        **totals(stats),
        "shape": list(format.shape),
        "contradictions": duplicates.find([chunk["marks"] for chunk in stats]),
        "parts": "none" if not sum(test) else "given" if assigned else "drawn",
        "share": None if assigned else settings.test,
        **({"group": settings.group, "ungrouped": _total(stats, "ungrouped")} if settings.group else {}),
    }


def totals(stats: list[Stats]) -> Stats:
    """Return totals of the statistics of all chunks.

    Returns:
        `images`, `resized`, `frames`, `damaged` (`count`, and the first `names`) and `brightest`.
    """
    names = [name for chunk in stats for name in chunk["damaged"]["names"]]
    return {
        **{name: _total(stats, name) for name in ("images", "resized", "frames")},
        "damaged": {"count": sum(chunk["damaged"]["count"] for chunk in stats), "names": names[:_NAMED]},
        "brightest": max(chunk["brightest"] for chunk in stats),
    }


def describe(report: Mapping[str, Any]) -> list[str]:
    """Return a data set's report as lines for the user.

    Args:
        report: result of `summarize`.
    """
    train, test, validation = counts_by_part(report["counts"])
    names = report["classes"]
    sizes = [f"{name} {sum(counts):,}" for name, *counts in zip(names, train, test, validation, strict=True)]
    ellipsis = ", ..." if len(sizes) > _LISTED else ""
    height, width, channels = report["shape"]
    lines = [
        f"{counted(report['images'])} of {width} x {height} pixels, {'gray' if channels == 1 else 'rgb'}, of "
        f"{len(names)} classes: {', '.join(sizes[:_LISTED])}{ellipsis}"
    ]
    if report["parts"] == "none" and not sum(validation):
        lines.append(
            Message(
                f"no test part: all {sum(train):,} images are for training and validation", "--test SHARE draws one"
            )
        )
    else:
        parts = describe_splits(sum(train), sum(test), sum(validation))
        drawn = Message(f"{parts} drawn by {drawn_by(report, 'images')}", "--test SHARE")
        lines.append(drawn if report["parts"] == "drawn" else f"{parts}, as the source says")
    lines += describe_groups(report, "images")
    lines += class_messages(names, train, test, validation, "image")
    twins = report.get("contradictions", {"count": 0})  # reports of earlier versions lack it
    if twins["count"]:
        lines.append(
            f"{counted(twins['count'])} have the same pixels as one of another class ({', '.join(twins['names'])}"
            f"{', ...' if twins['count'] > len(twins['names']) else ''}): no model can be right on all of them"
        )
    return lines + repairs(report)


def repairs(report: Mapping[str, Any]) -> list[str]:
    """Return messages about dark, resized, multi-frame and damaged images.

    Args:
        report: result of `summarize` or `totals`.
    """
    lines = []
    if report.get("brightest", _DARK) < _DARK:  # reports of earlier versions lack it
        lines.append(
            f"the brightest pixel of all is {report['brightest']} of 255: if that is white, --set "
            f"max_pixel={report['brightest'] or 1} scales pixels"
        )
    if report["resized"]:
        lines.append(f"{counted(report['resized'])} had another size and {_were(report['resized'])} resized")
    if report["frames"]:
        lines.append(f"{counted(report['frames'], 'file')} had several pictures, of which the first is taken")
    damaged = report["damaged"]
    if damaged["count"]:
        ellipsis = ", ..." if damaged["count"] > len(damaged["names"]) else ""
        lines.append(
            f"{counted(damaged['count'], 'file')} could not be read and {_were(damaged['count'])} left out: "
            f"{', '.join(damaged['names'])}{ellipsis}"
        )
    return lines


def counted(count: int, noun: str = "image") -> str:
    """Return a count with its noun, such as "1 image" or "2 images"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _counts(stats: list[Stats]) -> list[list[int]]:
    """Return the number of images of each class in the train, the test and the validation part."""
    return [
        [sum(counts) for counts in zip(*(chunk["counts"][side] for chunk in stats), strict=True)]
        for side in range(len(SPLIT_NAMES))
    ]


def _total(stats: list[Stats], name: str) -> int:
    return sum(chunk[name] for chunk in stats)
