"""Report sections of image models: sample inputs, confusion, confidence, mistakes, activations, reconstructions."""

import numpy as np

from raysq.problems.base import ReportModel
from raysq.problems.charts import Bars, Figure, Figures, Histogram, Item, Mark, Picture, Pictures, Section, digits3
from raysq.problems.class_predictions import ClassPredictions, confidence_section, confusion_section
from raysq.problems.classification_report import probabilities, validation_threshold
from raysq.problems.even_rows import evenly
from raysq.problems.fixed_batches import example_batches
from raysq.problems.images.batches import ImageBatches, ImageData
from raysq.problems.images.contact_sheet import GAP, channels_sheet, sheet, shrunk, vector_sheet
from raysq.problems.images.predict import BATCH

SAMPLED = 10_000  # most images behind the figures of a classifier
_RECONSTRUCTED = 1_000  # most images behind the figures of an autoencoder
_MISTAKES = 24
_CLASSES, _EACH = 20, 12  # most classes to show, and most images of each
_TILE = 96  # largest side of a picture in pixels
_ROW = 880  # width of a row of pictures in pixels
_SHOWN = 10  # reconstructions and images of channel maps to show
_MAPS = 4  # channels of a layer to show for each of them
_CHANNELS, _COLUMNS = 64, 16  # most channels to show of a layer, and most in a row


def classifier_sections(data: ImageData, model: ReportModel) -> list[Section]:
    """Return the report's sections on a classifier."""
    batches, indices, where = _examples(data, SAMPLED)
    predictions = _predictions(batches, indices, model)
    threshold = None
    if batches.name == "test" and len(data.classes) == 2:
        validating = ImageBatches(data, "val")
        some = np.linspace(0, len(validating) - 1, min(SAMPLED, len(validating))).astype(np.int64)
        chosen = _predictions(validating, some, model)
        threshold = validation_threshold(chosen.truth, chosen.shares, data.classes)
    sections = [
        _samples_section(data),
        confusion_section(predictions, data.classes, where, data.priors, threshold),
        confidence_section(predictions, where, "images"),
        _mistakes_section(batches, predictions),
        _layers_section(batches, model),
        _maps_section(batches, model),
    ]
    return [section for section in sections if section is not None]


def reconstruction_sections(data: ImageData, model: ReportModel) -> list[Section]:
    """Return the report's sections on an autoencoder: images with codes and reconstructions, and the errors."""
    batches, indices, where = _examples(data, _RECONSTRUCTED)
    batch_errors: list[np.ndarray] = []
    mean_image = data.mean()
    mean_image_error = 0.0
    for x, _, count in example_batches(batches, indices, BATCH):
        output = np.asarray(model.predict(x))[:count]
        batch_errors.append(((x[:count] - output) ** 2).reshape(count, -1).mean(1))
        mean_image_error += float(((x[:count] - mean_image) ** 2).reshape(count, -1).mean(1).sum())
    errors = np.concatenate(batch_errors)
    mean_image_error /= len(indices)
    first = indices[np.linspace(0, len(indices) - 1, min(_SHOWN, len(indices))).astype(np.int64)]
    worst = indices[np.argsort(-errors, kind="stable")[:_SHOWN]]
    high = float(np.quantile(errors, 0.995))
    counts, edges = np.histogram(np.minimum(errors, high), 30, (0.0, max(high, 1e-9)))
    mean = float(errors.mean())
    error_items: list[Item] = [
        Figures(
            [
                Figure(
                    "Mean squared error",
                    digits3(mean),
                    f"of pixels from 0 to 1; the mean image: {digits3(mean_image_error)}",
                ),
                Figure("Of the variance", f"{100 * (1 - mean / mean_image_error):.1f} %", "is in what is given again"),
            ]
        ),
        Histogram("Errors of the images", edges, counts, "mean squared error", [Mark(mean, "mean")], "images"),
    ]
    return [
        _samples_section(data),
        Section("Images, codes and reconstructions", _reconstructions(batches, first, model), where),
        Section("How well images are given again", error_items, where),
        Section(
            "Worst reconstructions",
            _reconstructions(batches, worst, model),
            f"The {len(worst)} images of the {batches.name} split, of those above, with the largest error.",
        ),
    ]


def _examples(data: ImageData, most: int) -> tuple[ImageBatches, np.ndarray, str]:
    """Return the test split, or else the validation split; evenly spaced examples of it; a sentence on these."""
    batches = ImageBatches(data, "test" if len(data.split.test) else "val")
    indices = np.linspace(0, len(batches) - 1, min(most, len(batches))).astype(np.int64)
    share = "all" if len(indices) == len(batches) else f"{len(indices):,} evenly spaced of the"
    return batches, indices, f"On {share} {len(batches):,} images of the {batches.name} split."


def _predictions(batches: ImageBatches, indices: np.ndarray, model: ReportModel) -> ClassPredictions:
    examples = example_batches(batches, indices, BATCH)
    return ClassPredictions.of(
        batches.rows[indices], ((y[:count], np.asarray(model.predict(x))[:count]) for x, y, count in examples)
    )


def _samples_section(data: ImageData) -> Section:
    """Return the section of sample training images, a strip for each class."""
    classes, rows = data.classes, data.split.train
    labels = data.labels[rows]
    counts = np.bincount(labels, minlength=len(classes))
    each = max(3, min(_EACH, 160 // max(1, min(len(classes), _CLASSES))))
    if data.shape[2] == 3:
        each = min(each, 8)  # color images take more bytes of the page
    strips = []
    for number in np.flatnonzero(counts)[:_CLASSES].tolist():
        members = np.flatnonzero(labels == number)
        samples = members[np.linspace(0, len(members) - 1, min(each, len(members))).astype(np.int64)]
        tiles = shrunk(_pixels(data, rows[samples]), _TILE)
        strip = sheet(list(tiles), len(tiles))
        alt = f"{len(tiles)} training images of class {classes[number]}"
        caption = f"{classes[number]} \u00b7 {counts[number]:,}"
        strips.append(Picture(strip, caption, alt, _width(tiles.shape[2], len(tiles), _ROW // 2 - 20)))
    first = f" The first {_CLASSES} of {len(classes):,} classes." if len(classes) > _CLASSES else ""
    note = f"Training images of each class, and how many there are.{first}"
    return Section("Sample inputs", [Pictures("", strips)], note)


def _mistakes_section(batches: ImageBatches, predictions: ClassPredictions) -> Section | None:
    wrong = np.flatnonzero(~predictions.right)
    if not len(wrong):
        return None
    data = batches.data
    worst = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")][:_MISTAKES]
    rows = predictions.rows[worst]
    pictures = []
    for tile, name, index in zip(shrunk(_pixels(data, rows), _TILE), _ids(data, rows), worst.tolist(), strict=True):
        true, predicted = data.classes[predictions.truth[index]], data.classes[predictions.predicted[index]]
        confidence = f"{100 * predictions.confidence[index]:.1f}\u202f%"
        alt = f"{name}: {true}, taken for {predicted} ({confidence})"
        width = max(72, min(_TILE, tile.shape[1]))
        pictures.append(Picture(tile, f"{true} \u2192 {predicted}, {confidence}", alt, width))
    note = (
        f"The {len(worst)} of {len(wrong):,} mistakes on the {batches.name} split in which the model is surest: what "
        "it is, and what it is taken for."
    )
    return Section("Most confident mistakes", [Pictures("", pictures)], note)


def _layers_section(batches: ImageBatches, model: ReportModel) -> Section | None:
    """Return the section with the activations of each layer for one image."""
    data = batches.data
    x, y, _ = next(example_batches(batches, np.zeros(1, np.int64), BATCH))
    layers = model.activations(x[:1])
    if not layers:
        return None
    probability = probabilities(np.asarray(model.predict(x))[:1])[0]
    row = batches.rows[:1]
    (image,) = shrunk(_pixels(data, row), _TILE)
    name = f"{_ids(data, row)[0]}, a {data.classes[int(y[0, 0])]}"
    items: list[Item] = [Pictures("", [Picture(image, "the image", name, 112)])]
    previous: np.ndarray = x[0]
    for layer, outputs in layers.items():
        output = np.asarray(outputs[0], np.float32)
        if output.size == previous.size and np.array_equal(output.ravel(), previous.ravel()):
            continue  # Flatten, or Dropout, which is the identity in inference
        if not (output.shape == probability.shape and np.allclose(output, probability, atol=1e-6)):
            items.append(_layer(layer, output))
        previous = output
    top = np.argsort(-probability, kind="stable")[:10]
    names = [data.classes[number] for number in top.tolist()]
    items.append(Bars("What the model says", names, probability[top], "class", "probability", "probability"))
    note = (
        f"What each layer makes of the first image of the {batches.name} split: {name}. "
        "A square is a channel of a convolution, a cell a unit of a dense layer; the brighter, the stronger."
    )
    return Section("What the layers see", items, note)


def _maps_section(batches: ImageBatches, model: ReportModel) -> Section | None:
    """Return the section with the first channels of each convolution for ten images, a column for each image."""
    data = batches.data
    indices = evenly(len(batches), _SHOWN)
    x, _, count = next(example_batches(batches, indices, BATCH))
    layers: dict[str, np.ndarray] = {}
    previous = np.asarray(x[:count], np.float32)
    for name, outputs in model.activations(x[:count]).items():
        values = np.asarray(outputs, np.float32)
        if values.ndim == 4 and not np.array_equal(values, previous):  # not of an identity in inference
            layers[name] = previous = values
    if not layers:
        return None
    images = shrunk(_pixels(data, batches.rows[indices]), _TILE)
    width = _width(images.shape[2], count, _ROW)
    rows = [Picture(sheet(list(images), count), "images", f"{count} images of the {batches.name} split", width)]
    for name, values in layers.items():
        channels = min(_MAPS, values.shape[3])
        strip = np.concatenate(
            [np.pad(channels_sheet(value[..., :channels], 1), ((0, 0), (0, GAP))) for value in values], 1
        )[:, :-GAP]
        alt = f"{channels} channels of layer {name} for each of these images"
        rows.append(Picture(strip, f"{name}, {channels} of {values.shape[3]} channels", alt, width, colored=True))
    note = f"The first {_MAPS} channels of each layer, from top to bottom, of {count} evenly spaced images."
    return Section("The same channels of several images", [Pictures("", rows, rows=True)], note)


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


def _reconstructions(batches: ImageBatches, indices: np.ndarray, model: ReportModel) -> list[Item]:
    """Return rows of images, their codes and their reconstructions."""
    x, _, count = next(example_batches(batches, indices, BATCH))
    output = np.clip(np.asarray(model.predict(x))[:count] * 255, 0, 255).round().astype(np.uint8)
    images = shrunk(_pixels(batches.data, batches.rows[indices]), _TILE)
    width = _width(images.shape[2], count, _ROW)
    rows = [Picture(sheet(list(images), count), "images", f"{count} images", width)]
    codes = model.activations(x[:count]).get("code")
    if codes is not None:
        vectors = np.asarray(codes, np.float32).reshape(count, -1)
        highest = float(vectors.max())
        cells = [vector_sheet(vector, highest) for vector in vectors]
        # As wide as the images, so that each code is below its image.
        side = max(1, images.shape[2] // cells[0].shape[1])
        strips = []
        for cell in cells:
            large = cell.repeat(side, 0).repeat(side, 1)[:, : images.shape[2]]
            left = images.shape[2] - large.shape[1]
            strips.append(np.pad(large, ((0, 0), (left // 2, left - left // 2 + GAP))))
        alt = f"The codes of these images, {vectors.shape[1]} numbers each"
        strip = np.concatenate(strips, 1)[:, :-GAP]
        rows.append(Picture(strip, f"codes, {vectors.shape[1]} numbers", alt, width, colored=True))
    reconstructions = shrunk(output, _TILE)
    rows.append(Picture(sheet(list(reconstructions), count), "reconstructions", f"{count} reconstructions", width))
    return [Pictures("", rows, rows=True)]


def _pixels(data: ImageData, rows: np.ndarray) -> np.ndarray:
    """Return the images of some rows, uint8 of shape (n, height, width, channels)."""
    return data.pixels.take(rows).reshape(-1, *data.shape)


def _ids(data: ImageData, rows: np.ndarray) -> list[str]:
    shards, size = data.dataset.arrow("id"), data.dataset.manifest.shard_rows
    return [shards[row // size][row % size].as_py() for row in np.asarray(rows).tolist()]


def _width(side: int, count: int, most: int) -> int:
    """Return the width of a strip of tiles on the page in pixels, enlarged by a whole factor where there is room."""
    width = count * (side + GAP)
    return min(most, width * max(1, round(min(72, most / count) / side)))
