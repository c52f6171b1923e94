"""Report sections of image models: sample inputs, confusion, confidence, mistakes, activations, reconstructions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.problems.charts import Bars, Figure, Figures, Histogram, Item, Mark, Picture, Pictures, Section, digits3
from raysq.problems.class_predictions import ClassPredictions, confidence_section, confusion_section
from raysq.problems.classification_report import predicted_classes, probabilities
from raysq.problems.fixed_batches import example_batches
from raysq.problems.images.batches import Images
from raysq.problems.images.contact_sheet import GAP, channels_sheet, sheet, shrunk, vector_sheet
from raysq.problems.images.predict import BATCH
from raysq.problems.images.settings import ImageSettings

Predict = Callable[[np.ndarray], np.ndarray]
Activations = Callable[[np.ndarray], dict[str, np.ndarray]]

SAMPLED = 10_000  # most images behind the figures of a classifier
_AGAIN = 1_000  # most images behind the figures of an autoencoder
_MISTAKES = 24
_CLASSES, _EACH = 20, 12  # most classes to show, and most images of each
_TILE = 96  # largest side of a picture in pixels
_ROW = 880  # width of a row of pictures in pixels
_SHOWN = 10  # reconstructions to show
_CHANNELS, _COLUMNS = 64, 16  # most channels to show of a layer, and most in a row


def report(
    dataset: Dataset,
    facts: Mapping[str, Any],
    settings: ImageSettings,
    predict: Predict,
    *,
    embedding: Callable[[], np.ndarray | None] | None = None,
    activations: Activations | None = None,
    week: str | None = None,
) -> list[Section]:
    """Return the report's sections on a run with images.

    Args:
        dataset: the data set of the run.
        facts: metadata of the run.
        settings: image settings of the run.
        predict: function that applies the model to x as `gather` returns it. It returns probabilities of shape
            `(n, classes)`, or images.
        embedding: not used.
        activations: function from x to the output of each layer by name; empty for models that are not a graph of
            layers.
        week: must be None; only forecasts have weeks.

    Raises:
        UsageError: `week` is given.
    """
    if week is not None:
        raise UsageError("--week is for forecasts; images have no time")
    splits = settings.open(dataset)
    split = "test" if len(splits["test"]) else "val"
    examples = splits[split]
    most = SAMPLED if settings.target == "label" else _AGAIN
    indices = np.linspace(0, len(examples) - 1, min(most, len(examples))).astype(np.int64)
    whole = "all" if len(indices) == len(examples) else f"{len(indices):,} evenly spaced of the"
    where = f"On {whole} {len(examples):,} images of the {split} split."
    classes = facts["classes"]
    samples = _samples_section(splits["train"], classes)
    if settings.target == "image":
        return [samples, *_again_sections(examples, indices, predict, activations, where, split)]
    found = _answers(examples, indices, predict)
    sections = [
        samples,
        confusion_section(found, classes, where, facts.get("priors")),
        confidence_section(found, where, "images"),
        _mistakes_section(dataset, examples, found, classes, split),
        _layers_section(dataset, examples, predict, activations, classes, split),
    ]
    return [section for section in sections if section is not None]


def _answers(examples: Images, indices: np.ndarray, predict: Predict) -> ClassPredictions:
    truth, taken, confidence = [], [], []
    for x, y, count in example_batches(examples, indices, BATCH):
        prediction = np.asarray(predict(x))[:count]
        own = predicted_classes(prediction)
        truth.append(y.reshape(-1)[:count].astype(np.int64))
        taken.append(own)
        confidence.append(probabilities(prediction)[np.arange(count), own])
    return ClassPredictions(
        examples.rows[indices], np.concatenate(truth), np.concatenate(taken), np.concatenate(confidence)
    )


def _samples_section(examples: Images, classes: Sequence[str]) -> Section:
    """Return the section of sample training images, a strip for each class."""
    labels = examples.pictures.labels[examples.rows]
    counts = np.bincount(labels, minlength=len(classes))
    each = max(3, min(_EACH, 160 // max(1, min(len(classes), _CLASSES))))
    if examples.pictures.shape[2] == 3:
        each = min(each, 8)  # color images take more bytes of the page
    shown = []
    for number in np.flatnonzero(counts)[:_CLASSES].tolist():
        places = np.flatnonzero(labels == number)
        some = places[np.linspace(0, len(places) - 1, min(each, len(places))).astype(np.int64)]
        tiles = shrunk(_pixels(examples, examples.rows[some]), _TILE)
        strip = sheet(list(tiles), len(tiles))
        says = f"{len(tiles)} training images of class {classes[number]}"
        caption = f"{classes[number]} \u00b7 {counts[number]:,}"
        shown.append(Picture(strip, caption, says, _width(tiles.shape[2], len(tiles), _ROW // 2 - 20)))
    more = f" The first {_CLASSES} of {len(classes):,} classes." if len(classes) > _CLASSES else ""
    return Section(
        "Sample inputs", [Pictures("", shown)], f"Training images of each class, and how many there are.{more}"
    )


def _mistakes_section(
    dataset: Dataset, examples: Images, found: ClassPredictions, classes: Sequence[str], split: str
) -> Section | None:
    wrong = np.flatnonzero(~found.right)
    if not len(wrong):
        return None
    worst = wrong[np.argsort(-found.confidence[wrong], kind="stable")][:_MISTAKES]
    tiles = shrunk(_pixels(examples, found.rows[worst]), _TILE)
    names = _ids(dataset, found.rows[worst])
    shown = []
    for tile, name, place in zip(tiles, names, worst.tolist(), strict=True):
        true, taken = classes[found.truth[place]], classes[found.predicted[place]]
        sure = f"{100 * found.confidence[place]:.1f}\u202f%"
        says = f"{name}: {true}, taken for {taken} ({sure})"
        shown.append(Picture(tile, f"{true} \u2192 {taken}, {sure}", says, max(72, min(_TILE, tile.shape[1]))))
    note = (
        f"The {len(worst)} of {len(wrong):,} mistakes on the {split} split in which the model is surest: what it is, "
        "and what it is taken for."
    )
    return Section("Most confident mistakes", [Pictures("", shown)], note)


def _layers_section(
    dataset: Dataset,
    examples: Images,
    predict: Predict,
    activations: Activations | None,
    classes: Sequence[str],
    split: str,
) -> Section | None:
    """Return the section with the activations of each layer for one image."""
    if activations is None:
        return None
    x, y, _ = next(example_batches(examples, np.zeros(1, np.int64), BATCH))
    layers = activations(x[:1])
    if not layers:
        return None
    probability = probabilities(np.asarray(predict(x))[:1])[0]
    row = examples.rows[:1]
    (image,) = shrunk(_pixels(examples, row), _TILE)
    own = Picture(image, "the image", f"{_ids(dataset, row)[0]}, a {classes[int(y[0, 0])]}", 112)
    items: list[Item] = [Pictures("", [own])]
    before: np.ndarray | None = x[0]
    for name, values in layers.items():
        one = np.asarray(values[0], np.float32)
        if before is not None and one.size == before.size and np.array_equal(one.ravel(), before.ravel()):
            continue  # Flatten, or Dropout, which is the identity in inference
        if not (one.shape == probability.shape and np.allclose(one, probability, atol=1e-6)):
            items.append(_layer(name, one))
        before = one
    top = np.argsort(-probability, kind="stable")[:10]
    items.append(
        Bars(
            "What the model says",
            [classes[place] for place in top.tolist()],
            probability[top],
            "class",
            "probability",
            "probability",
        )
    )
    name = f"{_ids(dataset, row)[0]}, a {classes[int(y[0, 0])]}"
    note = (
        f"What each layer makes of the first image of the {split} split: {name}. "
        "A square is a channel of a convolution, a cell a unit of a dense layer; the brighter, the stronger."
    )
    return Section("What the layers see", items, note)


def _layer(name: str, values: np.ndarray) -> Pictures:
    if values.ndim == 3:
        count = values.shape[2]
        columns = min(_COLUMNS, max(5, _ROW // (values.shape[1] + 1)), count)
        drawn = channels_sheet(values[..., :_CHANNELS], columns)
        shown = f", the first {_CHANNELS} shown" if count > _CHANNELS else ""
        title = f"{name}: {count} channels of {values.shape[1]} x {values.shape[0]}{shown}"
        dead = int((values.reshape(-1, count).std(0) == 0).sum())
        width = min(_ROW, drawn.shape[1] * min(4, max(1, _ROW // drawn.shape[1])))
        caption = f"{dead} of {count} see nothing here" if dead else ""
    else:
        vector = values.reshape(-1)
        drawn = vector_sheet(vector)
        title = f"{name}: {vector.size:,} units"
        width = min(_ROW // 2, 12 * drawn.shape[1])
        still = int((vector == 0).sum())
        caption = f"{still} of {vector.size} are silent" if still else ""
    return Pictures(title, [Picture(drawn, caption, f"Activations of layer {title}", width, colored=True)])


def _again_sections(
    examples: Images,
    indices: np.ndarray,
    predict: Predict,
    activations: Activations | None,
    where: str,
    split: str,
) -> list[Section]:
    """Return the sections of an autoencoder: images with codes and reconstructions, errors, worst reconstructions."""
    errors: list[np.ndarray] = []
    mean = examples.pictures.mean()
    base = 0.0
    for x, _, count in example_batches(examples, indices, BATCH):
        again = np.asarray(predict(x))[:count]
        errors.append(((x[:count] - again) ** 2).reshape(count, -1).mean(1))
        base += float(((x[:count] - mean) ** 2).reshape(count, -1).mean(1).sum())
    own = np.concatenate(errors)
    base /= len(indices)
    first = indices[np.linspace(0, len(indices) - 1, min(_SHOWN, len(indices))).astype(np.int64)]
    worst = indices[np.argsort(-own, kind="stable")[:_SHOWN]]
    high = float(np.quantile(own, 0.995))
    counts, edges = np.histogram(np.minimum(own, high), 30, (0.0, max(high, 1e-9)))
    items: list[Item] = [
        Figures(
            [
                Figure(
                    "Mean squared error",
                    digits3(float(own.mean())),
                    f"of pixels from 0 to 1; the mean image: {digits3(base)}",
                ),
                Figure("Of the variance", f"{100 * (1 - own.mean() / base):.1f} %", "is in what is given again"),
            ]
        ),
        Histogram(
            "Errors of the images", edges, counts, "mean squared error", [Mark(float(own.mean()), "mean")], "images"
        ),
    ]
    return [
        Section("Images, codes and reconstructions", _again(examples, first, predict, activations), where),
        Section("How well images are given again", items, where),
        Section(
            "Worst reconstructions",
            _again(examples, worst, predict, activations),
            f"The {len(worst)} images of the {split} split, of those above, with the largest error.",
        ),
    ]


def _again(examples: Images, indices: np.ndarray, predict: Predict, activations: Activations | None) -> list[Item]:
    """Return rows of images, their codes and their reconstructions."""
    x, _, count = next(example_batches(examples, indices, BATCH))
    again = np.clip(np.asarray(predict(x))[:count] * 255, 0, 255).round().astype(np.uint8)
    before = shrunk(_pixels(examples, examples.rows[indices]), _TILE)
    after = shrunk(again, _TILE)
    width = _width(before.shape[2], count, _ROW)
    items = [Picture(sheet(list(before), count), "images", f"{count} images", width)]
    codes = activations(x[:count]).get("code") if activations is not None else None
    if codes is not None:
        flat = np.asarray(codes, np.float32).reshape(count, -1)
        high = float(flat.max())
        cells = [vector_sheet(one, high) for one in flat]
        # As wide as the images, so that each code is below its image.
        side = max(1, before.shape[2] // cells[0].shape[1])
        room = np.zeros((count, cells[0].shape[0] * side, before.shape[2]), np.uint8)
        for place, cell in enumerate(cells):
            large = cell.repeat(side, 0).repeat(side, 1)[:, : room.shape[2]]
            left = (room.shape[2] - large.shape[1]) // 2
            room[place, :, left : left + large.shape[1]] = large
        line = np.concatenate([part for one in room for part in (one, np.zeros((len(one), GAP), np.uint8))][:-1], 1)
        says = f"The codes of these images, {flat.shape[1]} numbers each"
        items.append(Picture(line, f"codes, {flat.shape[1]} numbers", says, width, colored=True))
    items.append(Picture(sheet(list(after), count), "reconstructions", f"{count} reconstructions", width))
    return [Pictures("", items, rows=True)]


def _pixels(examples: Images, rows: np.ndarray) -> np.ndarray:
    """Return the images of some rows, uint8 of shape (n, height, width, channels)."""
    return examples.pictures.pixels.take(rows).reshape(-1, *examples.pictures.shape)


def _ids(dataset: Dataset, rows: np.ndarray) -> list[str]:
    shards, size = dataset.arrow("id"), dataset.manifest.shard_rows
    return [shards[row // size][row % size].as_py() for row in np.asarray(rows).tolist()]


def _width(side: int, count: int, most: int) -> int:
    """Return the width of a strip of tiles on the page in pixels, enlarged by a whole factor where there is room."""
    own = count * (side + GAP)
    return min(most, own * max(1, round(min(72, most / count) / side)))
