"""Project Gutenberg's header and license, which surround the text of a book."""

import mmap
import re

NEAR = 1 << 17  # number of first bytes in which the header ends
_START = re.compile(rb"\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*(?:\n|$)")
_END = re.compile(rb"\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG")


def body(data: "bytes | mmap.mmap", begin: int = 0, end: int | None = None) -> tuple[int, int]:
    """Return the byte range of the book without header and license.

    Returns:
        First byte and byte after the last; the searched range where there is no header.
    """
    end = len(data) if end is None else end
    start = _START.search(data, begin, min(end, begin + NEAR))
    if start is None:
        return begin, end
    stop = _END.search(data, start.end(), end)
    return start.end(), end if stop is None else stop.start()


def end(data: bytes) -> int | None:
    """Return the position of the license after a book, or None if there is none."""
    stop = _END.search(data)
    return None if stop is None else stop.start()


def bare(text: str) -> str:
    """Return a text without Project Gutenberg's header and license."""
    if "*** START OF TH" not in text and "***START OF TH" not in text:
        return text
    data = text.encode("utf-8", "surrogatepass")
    begin, end = body(data)
    return data[begin:end].decode("utf-8", "surrogatepass")
