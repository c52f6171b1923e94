"""Project Gutenberg's header and licence, which stand around a book and are no part of it."""

import mmap
import re

NEAR = 1 << 17  # bytes from the beginning within which the header ends
_START = re.compile(rb"\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*(?:\n|$)")
_END = re.compile(rb"\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG")


def body(data: "bytes | mmap.mmap", begin: int = 0, end: int | None = None) -> tuple[int, int]:
    """First byte and byte after the last of the book itself; all of it where there is no header.

    Args:
        data: UTF-8 or another encoding with ASCII's letters.
        begin: first byte to look at.
        end: byte after the last to look at.
    """
    end = len(data) if end is None else end
    start = _START.search(data, begin, min(end, begin + NEAR))
    if start is None:
        return begin, end
    stop = _END.search(data, start.end(), end)
    return start.end(), end if stop is None else stop.start()


def end(data: bytes) -> int | None:
    """Where the license behind a book begins, if it does."""
    stop = _END.search(data)
    return None if stop is None else stop.start()


def bare(text: str) -> str:
    """A text without the header and the license around it, if it has them."""
    if "*** START OF TH" not in text and "***START OF TH" not in text:
        return text
    data = text.encode("utf-8", "surrogatepass")
    begin, end = body(data)
    return data[begin:end].decode("utf-8", "surrogatepass")
