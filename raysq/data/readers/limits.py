"""Limits of the memory that reading a source may use."""

from dataclasses import dataclass, fields
from typing import Any, Self

from raysq.errors import FormatError, UsageError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of memory use. The fields are settings of everything that reads files.

    Real data stay far below these limits. However, a file of a megabyte may decompress to a gigabyte. A missing quote
    or line end may turn a whole file into one record.

    Attributes:
        max_record_bytes: maximum size of a record: a row, a line, a document.
        max_object_bytes: maximum size of an object that is read completely: an image file or an image of an array, a
            batch of CIFAR, an array of labels, a JSON list or object in a compressed file.
    """

    max_record_bytes: int = 1 << 26
    max_object_bytes: int = 1 << 28

    def check_limits(self) -> Self:
        """Return these limits, or raise `UsageError` for one that is not a positive number of bytes."""
        for field in fields(Limits):
            if getattr(self, field.name) < 1:
                raise UsageError(
                    f"setting {field.name} must be a number of bytes, 1 at least, received {getattr(self, field.name)}"
                )
        return self

    def check_record(self, where: str, size: int) -> None:
        """Raise `FormatError` if a record is larger than `max_record_bytes`. `where` names it."""
        if size > self.max_record_bytes:
            raise too_large(where, "one record", "max_record_bytes", self.max_record_bytes)

    def check_object(self, where: str, size: int) -> None:
        """Raise `FormatError` if an object to be read completely is larger than `max_object_bytes`."""
        if size > self.max_object_bytes:
            raise too_large(where, "what is read as a whole", "max_object_bytes", self.max_object_bytes)


LIMITS = Limits()


def too_large(where: str, what: str, setting: str, limit: int) -> FormatError:
    """Return the error for data larger than a limit allows. It applies to `what`, such as "one record"."""
    return FormatError(
        f"{where} has more than {limit:,} bytes, the most that setting {setting} allows for {what}",
        hint=f"mend the file, or allow more with --set {setting}=NUMBER",
    )


def without_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Return settings without limits that have their default value, which do not affect rows."""
    defaults = {field.name: field.default for field in fields(Limits)}
    return {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}
