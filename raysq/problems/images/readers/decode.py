"""Decode image files, and convert arrays of pixels, to the target size and color."""

import contextlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, ImageOps

from raysq.data.readers.files import open_file
from raysq.errors import DataError
from raysq.problems.images.readers.format import ImageFormat

# Pillow tries only these formats: no other decoder ever reads a file.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
MOST_PIXELS = 100_000_000  # most pixels of an image to decode, since a small file can claim any size
_GRAY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")
_TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
_STRIP = 1 << 24  # pixels of a large image to flatten at a time
_REDUCED = 2  # a larger JPEG is decoded at this multiple of the target size, or more


@dataclass(frozen=True)
class ImageHeader:
    """Size and color of an image file, known before its pixels are decoded.

    Attributes:
        width: width in pixels, after the EXIF rotation.
        height: height in pixels, after the EXIF rotation.
        gray: whether the image has no colors.
    """

    width: int
    height: int
    gray: bool


@dataclass(frozen=True)
class Decoded:
    """An image of the target size and color.

    Attributes:
        pixels: uint8 of shape (height, width, channels).
        resized: whether the file had another size.
        frames: number of frames in the file, of which the first is used.
    """

    pixels: np.ndarray
    resized: bool
    frames: int


def image_header(source: bytes | Path, name: str) -> ImageHeader:
    """Return size and color of an image file.

    Args:
        source: path of the file, or its bytes, of which the beginning is enough.
        name: name of the file, for errors.

    Raises:
        DataError: the file is no image.
    """
    with contextlib.ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = stack.enter_context(io.BytesIO(source) if isinstance(source, bytes) else open_file(source))
        with _opened(file, name) as image:
            width, height = image.size
            try:
                turned = image.getexif().get(ExifTags.Base.Orientation) in _TURNED
            except Exception:  # unreadable tags are ignored: the image is not rotated
                turned = False
            palette = image.palette if image.mode == "P" else None
            gray = image.mode in _GRAY or (palette is not None and _is_gray(palette))
    return ImageHeader(height, width, gray) if turned else ImageHeader(width, height, gray)


def decode(raw: bytes, name: str, format: ImageFormat) -> Decoded:
    """Decode an image file to the pixels that a viewer shows.

    The image is rotated as EXIF states, 16 bits are scaled to 8, transparent pixels are laid over the background, and
    the first of several frames is used.

    Args:
        raw: content of the file.
        name: name of the file, for errors.
        format: target size and color.

    Raises:
        DataError: the file is no image, is damaged, or is too large.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _opened(io.BytesIO(raw), name) as opened:
            image: Image.Image = opened
            original = opened.size
            try:
                # Counting the frames reads the file to its end, as far as that is not damaged.
                frames = int(getattr(opened, "n_frames", 1)) if opened.format in ("GIF", "TIFF", "WEBP") else 1
                if opened.format == "JPEG" and format.width:
                    side = _REDUCED * max(format.width, format.height)  # of both sides, since EXIF may exchange them
                    opened.draft(None, (side, side))
                image.load()
            except Exception as error:
                raise DataError(
                    f"{name} is damaged or cut short ({_first_line(error)})",
                    hint="write it again or take it out, or --set damaged=drop leaves out all such files",
                ) from None
            try:
                image = ImageOps.exif_transpose(image)
            except Exception:  # unreadable tags are ignored: the image is not rotated
                image = opened
            turned = (image.size[0] > image.size[1]) != (opened.size[0] > opened.size[1])
            plain = image.mode in ("L", "RGB") and "transparency" not in image.info
            flat = _colored(image if plain else _flat(image, format.background, name), format.channels)
    before = original[::-1] if turned else original
    resized = before != (format.width, format.height)
    pixels = np.asarray(_fitted(flat, format))
    return Decoded(pixels.reshape(format.shape), resized, frames)


def convert(pixels: np.ndarray, format: ImageFormat) -> np.ndarray:
    """Convert images of an array to the target size and color.

    Args:
        pixels: uint8 of shape (n, height, width, channels) with 1 or 3 channels.
        format: target size and color.

    Returns:
        uint8 of shape (n, *format.shape).
    """
    if pixels.shape[1:] == format.shape:
        return np.ascontiguousarray(pixels)
    converted = np.empty((len(pixels), *format.shape), np.uint8)
    for number, array in enumerate(pixels):
        image = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else np.ascontiguousarray(array))
        converted[number] = np.asarray(_fitted(_colored(image, format.channels), format)).reshape(format.shape)
    return converted


def _opened(file: IO[bytes], name: str) -> Any:
    """Open an image file without decoding its pixels."""
    try:
        image = Image.open(file, formats=FORMATS)
        width, height = image.size  # raises for a damaged TIFF without a size
    except Image.DecompressionBombError:
        raise DataError(f"{name} claims more pixels than any image of a data set has; take it out") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        size = file.seek(0, io.SEEK_END)
        what = (
            "is empty (0 bytes)" if not size else "is not an image that can be read (PNG, JPEG, BMP, GIF, WebP, TIFF)"
        )
        raise DataError(f"{name} {what}", hint="take it out, or --set damaged=drop leaves out all such files") from None
    if width * height > MOST_PIXELS:
        image.close()
        raise DataError(f"{name} has {width:,} x {height:,} pixels, and {MOST_PIXELS:,} are the most; make it smaller")
    return image


def _flat(image: Image.Image, background: int, name: str) -> Image.Image:
    """Convert an image to opaque "L" or "RGB", in strips, so that memory does not hold three copies of a large one."""
    width, height = image.size
    rows = max(1, _STRIP // width)
    if height <= rows:
        return _flat_strip(image, background, name)
    strips = (image.crop((0, top, width, min(top + rows, height))) for top in range(0, height, rows))
    flat: Image.Image | None = None
    for number, strip in enumerate(strips):
        made = _flat_strip(strip, background, name)
        flat = flat or Image.new(made.mode, image.size)
        flat.paste(made, (0, number * rows))
    assert flat is not None
    return flat


def _flat_strip(image: Image.Image, background: int, name: str) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _narrowed(image, name)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        over = image.convert("RGBA")
        if image.mode in ("LA", "La"):
            gray = Image.new("L", image.size, background)
            gray.paste(over.convert("L"), mask=over.getchannel("A"))
            return gray
        under = Image.new("RGB", image.size, (background,) * 3)
        under.paste(over.convert("RGB"), mask=over.getchannel("A"))
        return under
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _narrowed(image: Image.Image, name: str) -> Image.Image:
    """Scale 16 bits to 8."""
    wide = np.asarray(image)
    if image.mode == "F" or wide.min(initial=0) < 0 or wide.max(initial=0) > 65535:
        raise DataError(f"{name} has pixels of {image.mode} beyond 16 bits; write it with 8 or 16 bits")
    return Image.fromarray(((wide.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))


def _colored(image: Image.Image, channels: int) -> Image.Image:
    wanted = "L" if channels == 1 else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def _fitted(image: Image.Image, format: ImageFormat) -> Image.Image:
    size = (format.width, format.height)
    if image.size == size:
        return image
    bilinear = Image.Resampling.BILINEAR
    if format.fit == "crop":
        return ImageOps.fit(image, size, bilinear)
    if format.fit == "pad":
        color: Any = format.background if format.channels == 1 else (format.background,) * 3
        return ImageOps.pad(image, size, bilinear, color=color)
    return image.resize(size, bilinear)


def _is_gray(palette: Any) -> bool:
    """Whether all colors of a palette are gray."""
    if palette.mode != "RGB":
        return False
    colors = np.frombuffer(bytes(palette.palette), np.uint8)
    colors = colors[: len(colors) // 3 * 3].reshape(-1, 3)
    return bool((colors == colors[:, :1]).all())


def _first_line(error: Exception) -> str:
    """Return the first line of an error, at most 100 characters."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:100]
