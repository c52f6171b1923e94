"""Images with the same pixels in more than one class, found over all partitions by their statistics."""

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from raysq.text.fit_vocabulary import conflicting_rows

_NAMED = 5


def pack(keys: np.ndarray, labels: np.ndarray, ids: Sequence[str]) -> dict[str, str]:
    """Return checksums, labels and ids of a table's images for its statistics, some 20 bytes an image.

    Args:
        keys: checksum of the pixels of each image, uint64.
        labels: class index of each image, int32.
        ids: id of each image.

    Returns:
        Base64 text by "keys", "labels" and "ids".
    """
    columns = {"keys": keys.astype("<u8").tobytes(), "labels": labels.astype("<i4").tobytes()}
    columns["ids"] = zlib.compress("\0".join(ids).encode("utf-8", "surrogateescape"), 1)
    return {name: base64.b64encode(data).decode() for name, data in columns.items()}


def unpack(packed: Sequence[dict[str, str]]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the checksums, labels and ids of several tables."""
    data = {name: b"".join(base64.b64decode(one[name]) for one in packed) for name in ("keys", "labels")}
    ids = [zlib.decompress(base64.b64decode(one["ids"])).decode("utf-8", "surrogateescape") for one in packed]
    names = [name for one, text in zip(packed, ids, strict=True) if one["keys"] for name in text.split("\0")]
    return np.frombuffer(data["keys"], "<u8"), np.frombuffer(data["labels"], "<i4"), names


def find(packed: Sequence[dict[str, str]]) -> dict[str, Any]:
    """Find images whose pixels equal those of an image of another class.

    Args:
        packed: results of `pack` for each table, in order.

    Returns:
        The number of such images as `count`, and the ids of the first as `names`.
    """
    data = {name: [base64.b64decode(statistics[name]) for statistics in packed] for name in ("keys", "labels", "ids")}
    rows = conflicting_rows(
        np.frombuffer(b"".join(data["keys"]), "<u8"), np.frombuffer(b"".join(data["labels"]), "<i4")
    )
    names: list[str] = []
    begin = 0
    for keys, ids in zip(data["keys"], data["ids"], strict=True):
        end = begin + len(keys) // 8
        own = rows[(rows >= begin) & (rows < end)][: _NAMED - len(names)]
        if len(own):
            text = zlib.decompress(ids).decode("utf-8", "surrogateescape").split("\0")
            names += [text[row - begin] for row in own.tolist()]
        begin = end
    return {"count": len(rows), "names": names}
