"""The length of a built-in sample, as in `sample:2000`."""

import re

from raysq.errors import UsageError


def sample_length(spec: str, default: str, what: str, fewest: int, most: int) -> int:
    """Parse the length of a sample, as in `sample:2000`.

    Args:
        spec: text after the colon; empty for the default.
        default: length if `spec` is empty.
        what: plural noun of the things counted, for the error.
        fewest: smallest length.
        most: largest length.

    Raises:
        UsageError: `spec` is no whole number from `fewest` to `most`.
    """
    spec = spec.strip() or default
    count = int(spec) if re.fullmatch(r"[0-9]{1,9}", spec) else 0
    if not fewest <= count <= most:
        raise UsageError(
            f"the sample's length is a number of {what} from {fewest} to {most}, such as sample:2000; received {spec!r}"
        )
    return count
