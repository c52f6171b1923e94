"""Checks of settings against their ranges, for settings of data and of model builders."""

from raysq.errors import UsageError


def check_at_least(least: int, **values: int | None) -> None:
    """Raise UsageError for the first setting that is below its least value. None is accepted.

    Example:
        >>> check_at_least(1, units=16, layers=2)
    """
    for name, value in values.items():
        if value is not None and value < least:
            raise UsageError(f"setting {name} must be at least {least}, received {value}")


def check_rates(**rates: float) -> dict[str, float]:
    """Return dropout rates as keyword arguments. Keras's recurrent layers clip a rate out of range unnoticed.

    Raises:
        UsageError: a rate is below 0, or not below 1.
    """
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise UsageError(f"setting {name} must be at least 0 and below 1, received {rate}")
    return rates
