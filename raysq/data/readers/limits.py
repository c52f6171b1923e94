"""How much of a source may be held in memory at a time."""

from dataclasses import dataclass, fields
from typing import Any, Self

from raysq.errors import FormatError, UsageError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The memory that reading a source may take. The fields are settings of everything that reads files.

    Real data stay far below these limits. A file of a megabyte can be unpacked to a gigabyte, though, and a quote or a
    line end that was lost makes a whole file one record.

    Attributes:
        max_record_bytes: of one record: a row, a line, a document.
        max_object_bytes: of one object that is read as a whole: an image file or an image of an array, a batch of
            CIFAR, an array of labels, a list or an object of JSON in a packed file.
    """

    max_record_bytes: int = 1 << 26
    max_object_bytes: int = 1 << 28

    def check_limits(self) -> Self:
        """Return the same, if every limit is a number of bytes.

        Raises:
            UsageError: one that is not above 0.
        """
        for field in fields(Limits):
            if getattr(self, field.name) < 1:
                raise UsageError(
                    f"setting {field.name} must be a number of bytes, 1 at least, received {getattr(self, field.name)}"
                )
        return self

    def check_record(self, where: str, size: int) -> None:
        """Refuse a record that is too large.

        Args:
            where: the file, and the line or the member, for the message.
            size: bytes of the record, as far as it is known.

        Raises:
            FormatError: the record is larger than `max_record_bytes`.
        """
        if size > self.max_record_bytes:
            raise too_large(where, "one record", "max_record_bytes", self.max_record_bytes)

    def check_object(self, where: str, size: int) -> None:
        """Refuse an object that is too large to be read as a whole.

        Args:
            where: the file, and the member, for the message.
            size: bytes of the object, as far as it is known.

        Raises:
            FormatError: the object is larger than `max_object_bytes`.
        """
        if size > self.max_object_bytes:
            raise too_large(where, "what is read as a whole", "max_object_bytes", self.max_object_bytes)


LIMITS = Limits()


def too_large(where: str, what: str, setting: str, limit: int) -> FormatError:
    """Return the error for more bytes than a setting allows."""
    return FormatError(
        f"{where} has more than {limit:,} bytes, the most that setting {setting} allows for {what}",
        hint=f"mend the file, or allow more with --set {setting}=NUMBER",
    )


def without_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Return settings without the limits that have their default.

    What was prepared before there were limits is still the same then, and a limit changes no row.
    """
    defaults = {field.name: field.default for field in fields(Limits)}
    return {name: value for name, value in values.items() if name not in defaults or value != defaults[name]}
