"""What a run of an image model takes and gives."""

import base64
import io

import numpy as np

from raysq.problems.images.metadata import ImagesMetadata
from raysq.problems.interface import Input, Interface, Output


def interface(metadata: ImagesMetadata, target: str) -> Interface:
    """Return the interface of a run with the setting `target`. The example is an image that grows brighter."""
    shape = tuple(metadata.shape)
    if target == "image":
        output = Output("values", targets=("error",))
    else:
        output = Output("classes", tuple(metadata.classes), ("label",))
    return Interface(Input("image", [_example(shape)], shape=shape), output, independent=True)


def _example(shape: tuple[int, ...]) -> str:
    """Return a PNG image in base64."""
    from PIL import Image

    height, width, *channels = shape
    row = np.linspace(0, 255, width).astype(np.uint8)
    pixels = np.broadcast_to(row[None, :, None], (height, width, (channels or [1])[0]))
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
