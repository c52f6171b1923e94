"""What images look like before anything is trained: a grid by class, label counts, and the mean image."""

import numpy as np

from raysq.data.dataset import Dataset
from raysq.problems.charts import Item, Picture, Pictures, Section
from raysq.problems.even_rows import evenly
from raysq.problems.images.contact_sheet import GAP, sheet, shrunk
from raysq.problems.overview_items import label_bars, spread

_CLASSES, _EACH = 40, 12  # most classes to show, and most images of each
_TILE = 64  # largest side of a picture in pixels
_ROW = 880  # width of a row of pictures in pixels
_SAMPLED = 4096  # most images behind brightness and mean


def overview(dataset: Dataset) -> list[Section]:
    """Return the sections of a data set of images."""
    report = dataset.manifest.report
    shape = tuple(report["shape"])
    classes = [str(name) for name in report["classes"]]
    labels = dataset.column("label").slice(0, dataset.rows)
    pixels = dataset.matrix("pixels")
    strips = []
    for number in range(min(_CLASSES, len(classes))):
        members = np.flatnonzero(labels == number)
        if len(members):
            rows = members[evenly(len(members), _EACH if shape[2] == 1 else 8)]
            tiles = shrunk(pixels.take(rows).reshape(-1, *shape), _TILE)
            alt = f"{len(tiles)} images of class {classes[number]}"
            strips.append(_strip(tiles, f"{classes[number]} \u00b7 {len(members):,}", alt))
    sample = pixels.take(evenly(dataset.rows, _SAMPLED))
    mean = sample.mean(0).round().astype(np.uint8).reshape(shape)
    items: list[Item] = [label_bars("Images of each class", classes, labels, "images")] if len(classes) > 1 else []
    brightness = spread("Brightness of the images", sample.mean(1), "mean of the pixels, 0 to 255", "images")
    items += [brightness] if brightness is not None else []
    middle = shrunk(mean[None], 128)[0]
    items.append(Pictures("", [Picture(middle, "the mean image", "The mean of the images", max(96, middle.shape[1]))]))
    height, width, channels = shape
    more = f" The first {_CLASSES} of {len(classes):,} classes." if len(classes) > _CLASSES else ""
    kind = "gray" if channels == 1 else "color"
    return [
        Section(
            "Images by class",
            [Pictures("", strips)],
            f"Evenly spaced images of each class, and how many there are. All are {width} x {height} pixels, "
            f"{kind}.{more}",
        ),
        Section("Counts and brightness", items),
    ]


def _strip(tiles: np.ndarray, caption: str, alt: str) -> Picture:
    side = tiles.shape[2] + GAP
    width = len(tiles) * side
    enlarged = width * max(1, round(min(48, _ROW // 2 / len(tiles)) / side))
    return Picture(sheet(list(tiles), len(tiles)), caption, alt, min(_ROW // 2 - 20, enlarged))
