"""Images of a report, embedded in the page as PNG, or as WebP where that is smaller."""

import base64
import io
from typing import Any

import numpy as np

from raysq.problems.charts import Picture, Pictures
from raysq.report.markup import Markup, tag

_LARGE = 24_000  # bytes above which a color image may be compressed with loss
_QUALITY = 88
_TILE = 112  # pixels; images of at most this width are arranged in columns


def draw_pictures(item: Pictures) -> Markup:
    """Draw images side by side, or below each other for `item.rows`, each with its caption below it."""
    widest = max((picture.width or picture.pixels.shape[1] for picture in item.pictures), default=0)
    small = len(item.pictures) > 1 and widest <= _TILE
    form = "pictures rows" if item.rows else "pictures tiles" if small else "pictures"
    drawn = tag("div", *map(_draw, item.pictures), class_=form)
    return tag("figure", tag("figcaption", item.title) if item.title else None, drawn, class_="wide")


def _draw(picture: Picture) -> Markup:
    height, width = picture.pixels.shape[:2]
    shown = picture.width or width
    image = tag(
        "img",
        src=f"data:{uri(picture)}",
        alt=picture.alt,
        title=picture.alt,
        width=shown,
        height=max(1, round(shown * height / width)),
        class_="small" if shown >= width else None,
    )
    return tag("figure", image, tag("figcaption", picture.caption) if picture.caption else None)


def uri(picture: Picture) -> str:
    """Return the encoded image as the content of a `data:` URL."""
    from PIL import Image

    pixels = np.ascontiguousarray(picture.pixels)
    if picture.colored:
        image = Image.fromarray(pixels)
        image.putpalette(_palette())
        return _written(image, "png", optimize=True, transparency=0)
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and (pixels[..., -1] == 255).all():
        pixels = np.ascontiguousarray(pixels[..., :-1])  # fully opaque
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    image = Image.fromarray(pixels)
    png = _written(image, "png", optimize=True)
    if len(png) < _LARGE or image.mode not in ("RGB", "RGBA"):
        return png
    webp = _written(image, "webp", quality=_QUALITY, method=4)
    return min(png, webp, key=len)


def _written(image: Any, form: str, **options: Any) -> str:
    with io.BytesIO() as file:
        image.save(file, form, **options)
        return f"image/{form};base64,{base64.b64encode(file.getvalue()).decode()}"


# Viridis, from dark to bright: readable in print and for color-blind readers.
_VIRIDIS = (
    "440154",
    "482475",
    "414487",
    "355f8d",
    "2a788e",
    "21918c",
    "22a884",
    "44bf70",
    "7ad151",
    "bddf26",
    "fde725",
)


def _palette() -> bytes:
    """Return the RGB palette of the 256 values, as bytes."""
    stops = np.array([list(bytes.fromhex(stop)) for stop in _VIRIDIS])
    at = np.linspace(0, len(stops) - 1, 256)
    colors = [np.interp(at, np.arange(len(stops)), stops[:, channel]) for channel in range(3)]
    return np.stack(colors, 1).round().astype(np.uint8).tobytes()
