"""How long a built-in sample is to be."""

import re

from raysq.errors import UsageError


def sample_length(spec: str, default: str, what: str, fewest: int, most: int) -> int:
    """The number that a person asks for, as in `sample:2000`.

    Args:
        spec: what stands after the colon; nothing for the default.
        default: a number.
        what: is counted, for the error.
        fewest: the smallest number.
        most: the largest.

    Raises:
        UsageError: not such a number.
    """
    spec = spec.strip() or default
    count = int(spec) if re.fullmatch(r"[0-9]{1,9}", spec) else 0
    if not fewest <= count <= most:
        raise UsageError(
            f"the sample's length is a number of {what} from {fewest} to {most}, such as sample:2000; received {spec!r}"
        )
    return count
