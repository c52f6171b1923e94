"""Rows to forecast as the settings have them: single numbers of rows, or one range of neighboring rows."""

from collections.abc import Sequence

from raysq.errors import UsageError


def expand(rows: Sequence[int | str], setting: str, least: int) -> "tuple[int, ...] | range":
    """Return the rows that a setting names.

    Args:
        rows: rising numbers of rows, or a single text "FROM:TO" for all rows from one number to another.
        setting: name of the setting, for messages.
        least: lowest number.

    Returns:
        The numbers: a range where the setting is one.

    Raises:
        UsageError: the numbers do not rise, are too low, or are neither numbers nor one range.

    Example:
        >>> expand(["1:96"], "horizon", 1)
        range(1, 97)
    """
    if len(rows) == 1 and isinstance(rows[0], str) and ":" in rows[0]:
        first, _, last = rows[0].partition(":")
        if not (first.isdecimal() and last.isdecimal() and least <= int(first) <= int(last)):
            raise UsageError(
                f"setting {setting} must be a range FROM:TO of rising rows from {least} on, received {rows[0]!r}"
            )
        return range(int(first), int(last) + 1)
    if any(isinstance(number, str) for number in rows):
        raise UsageError(
            f"setting {setting} must be numbers of rows or one range FROM:TO such as {least}:{least + 95}, received "
            f"{','.join(map(str, rows))}"
        )
    numbers = tuple(int(number) for number in rows)
    if numbers and (min(numbers) < least or list(numbers) != sorted(set(numbers))):
        raise UsageError(
            f"setting {setting} must be one or several rising numbers of rows from {least} on, received "
            f"{','.join(map(str, numbers))}"
        )
    return numbers
