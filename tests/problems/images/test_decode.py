"""Image files become the pixels that they hold, or are refused by name."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from problems.images.made import png

from raysq.errors import DataError, UsageError
from raysq.problems.images.readers import decode as decode_module
from raysq.problems.images.readers.decode import convert, decode, image_header
from raysq.problems.images.readers.format import ImageFormat, size_of

GRAY, RGB = ImageFormat(4, 3, 1), ImageFormat(4, 3, 3)
RANDOM = np.random.RandomState(0)


def test_a_hand_made_png_is_read_pixel_by_pixel():
    gray = RANDOM.randint(0, 256, (3, 4)).astype(np.uint8)
    decoded = decode(png(gray), "x", GRAY)
    assert np.array_equal(decoded.pixels[..., 0], gray) and not decoded.resized and decoded.frames == 1
    assert np.array_equal(decode(png(gray), "x", RGB).pixels, np.repeat(gray[..., None], 3, 2))
    colors = RANDOM.randint(0, 256, (3, 4, 3)).astype(np.uint8)
    assert np.array_equal(decode(png(colors), "x", RGB).pixels, colors)
    # ITU-R 601, as everywhere.
    red, green, blue = (colors[..., channel].astype(int) for channel in range(3))
    luma = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    assert np.array_equal(decode(png(colors), "x", GRAY).pixels[..., 0], luma)


@pytest.mark.parametrize("strip", [1 << 24, 4])
def test_palettes_transparency_and_depth(monkeypatch, strip):
    monkeypatch.setattr(decode_module, "_STRIP", strip)  # pixels of a large image that are made flat at a time
    indices = RANDOM.randint(0, 3, (3, 4)).astype(np.uint8)
    palette = np.array([[255, 0, 0], [10, 20, 30], [7, 7, 7]], np.uint8)
    raw = png(indices, palette=palette.tobytes())
    assert np.array_equal(decode(raw, "x", RGB).pixels, palette[indices])
    clear = png(indices, palette=palette.tobytes(), transparent=bytes([255, 0, 255]))  # the second is not seen
    wanted = palette.copy()
    wanted[1] = 255
    assert np.array_equal(decode(clear, "x", RGB).pixels, wanted[indices])
    wanted[1] = 0
    assert np.array_equal(decode(clear, "x", ImageFormat(4, 3, 3, background=0)).pixels, wanted[indices])
    half = np.dstack([np.full((3, 4), 100, np.uint8), np.array([[0, 255, 128, 255]] * 3, np.uint8)])
    assert decode(png(half), "x", GRAY).pixels[0, :, 0].tolist() == [255, 100, 177, 100]
    deep = np.array([[0, 65535, 257 * 99, 32768]] * 3)
    assert decode(png(deep, deep=True), "x", GRAY).pixels[0, :, 0].tolist() == [0, 255, 99, 128]


def test_photographs_are_turned_as_a_viewer_turns_them():
    upright = np.zeros((6, 4, 3), np.uint8)
    upright[:3] = 250
    lying = Image.fromarray(np.rot90(upright))  # as a camera held on its side writes it
    exif = Image.Exif()
    exif[0x0112] = 6
    with io.BytesIO() as file:
        lying.save(file, "JPEG", quality=100, subsampling=0, exif=exif)
        raw = file.getvalue()
    header = image_header(raw, "x")
    assert (header.width, header.height) == (4, 6)
    decoded = decode(raw, "x", ImageFormat(4, 6, 3))
    assert not decoded.resized and abs(decoded.pixels.astype(int) - upright).max() < 12
    with io.BytesIO() as file:
        Image.new("CMYK", (4, 3), (0, 255, 255, 0)).save(file, "JPEG", quality=100)
        red = decode(file.getvalue(), "x", RGB).pixels
    assert (red[..., 0] > 240).all() and (red[..., 1:] < 15).all()


def test_the_first_of_several_pictures():
    with io.BytesIO() as file:
        first, second = (Image.new("L", (4, 3), value) for value in (10, 200))
        first.save(file, "GIF", save_all=True, append_images=[second])
        decoded = decode(file.getvalue(), "x", GRAY)
    assert decoded.frames == 2 and (decoded.pixels == 10).all()


def test_sizes():
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    raw = png(wide)
    stretched = decode(raw, "x", ImageFormat(10, 10, 3)).pixels
    assert stretched.shape == (10, 10, 3) and stretched[5, 0, 0] == 0 and stretched[5, 5, 0] == 200
    assert (decode(raw, "x", ImageFormat(10, 10, 3, fit="crop")).pixels == 200).all()
    padded = decode(raw, "x", ImageFormat(30, 30, 3, fit="pad", background=255)).pixels
    assert (padded[:10] == 255).all() and np.array_equal(padded[10:20], wide) and (padded[20:] == 255).all()
    assert decode(raw, "x", ImageFormat(10, 10, 3)).resized
    large = np.zeros((400, 600, 3), np.uint8)
    large[:, 300:] = 255
    with io.BytesIO() as file:
        Image.fromarray(large).save(file, "JPEG")
        decoded = decode(file.getvalue(), "x", ImageFormat(6, 4, 1)).pixels[..., 0]  # unpacked at a part of its size
    assert (decoded[:, :2] < 10).all() and (decoded[:, 4:] > 245).all()
    assert size_of("64") == (64, 64) and size_of(" 640x480 ") == (640, 480)
    for wrong in ("", "0", "64x", "x64", "-3", "64x48x3", "9999999", "64.5"):
        with pytest.raises(UsageError, match="WIDTHxHEIGHT"):
            size_of(wrong)


def test_arrays_are_brought_to_the_same_format_as_files():
    colors = RANDOM.randint(0, 256, (2, 7, 9, 3)).astype(np.uint8)
    for format in (ImageFormat(9, 7, 3), ImageFormat(9, 7, 1), ImageFormat(4, 4, 3, fit="crop"), ImageFormat(12, 5, 1)):
        wanted = np.stack([decode(png(image), "x", format).pixels for image in colors])
        assert np.array_equal(convert(colors, format), wanted), format


def test_what_is_no_image_is_refused_by_name():
    intact = png(RANDOM.randint(0, 256, (40, 40)).astype(np.uint8))
    with io.BytesIO() as file:
        Image.fromarray(RANDOM.randint(0, 256, (40, 40, 3)).astype(np.uint8)).save(file, "JPEG")
        photograph = file.getvalue()
    bad = {
        "empty": (b"", "is empty"),
        "text": (b"<html>not found</html>", "is not an image"),
        "cut png": (intact[: len(intact) // 2], "damaged or cut short"),
        "cut jpeg": (photograph[: len(photograph) // 2], "damaged or cut short"),
        "changed": (intact[:60] + b"\xff\xff\xff\xff" + intact[64:], "damaged"),
        "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image"),
        "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is not an image"),
    }
    for name, (raw, message) in bad.items():
        with pytest.raises(DataError, match=message) as error:
            decode(raw, f"{name}.png", GRAY)
        assert f"{name}.png" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_an_image_that_claims_a_huge_size_is_not_unpacked(side):
    data = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + data + struct.pack(">I", zlib.crc32(b"IHDR" + data))
    raw = b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    with pytest.raises(DataError, match="pixels"):
        decode(raw, "bomb.png", GRAY)
    with pytest.raises(DataError, match="pixels"):
        image_header(raw, "bomb.png")


def test_a_frame_behind_the_first_that_is_damaged():
    """Pillow reads it where frames are counted, with errors of its own."""
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "TIFF", save_all=True, append_images=[Image.new("L", (4, 4))])
    raw = bytearray(file.getvalue())
    (first,) = struct.unpack_from("<I", raw, 4)
    (tags,) = struct.unpack_from("<H", raw, first)
    (second,) = struct.unpack_from("<I", raw, first + 2 + 12 * tags)
    (tags,) = struct.unpack_from("<H", raw, second)
    for tag in range(second + 2, second + 2 + 12 * tags, 12):
        if struct.unpack_from("<H", raw, tag)[0] in (256, 257):  # width and height
            struct.pack_into("<H", raw, tag, 65000)
    with pytest.raises(DataError, match=r"x\.tif is damaged or cut short"):
        decode(bytes(raw), "x.tif", ImageFormat(4, 4, 1))
