"""Number of workers of a run: fixed, or between a least and a most."""

from dataclasses import dataclass
from typing import Self

from raysq.errors import UsageError


@dataclass(frozen=True)
class WorkerRange:
    """Least and most workers of a group, which are equal for a fixed number.

    Attributes:
        least: number of workers without which training waits.
        most: number of workers to which the group grows where there is room.

    Raises:
        UsageError: the numbers are below 1, or `least` is above `most`.
    """

    least: int
    most: int

    def __post_init__(self) -> None:
        if self.least < 1 or self.most < 1:
            raise UsageError(f"--workers must be at least 1, received {self}")
        if self.least > self.most:
            raise UsageError(f"--workers must be MIN:MAX with MIN at most MAX, received {self}")

    @classmethod
    def of(cls, workers: "int | tuple[int, int] | WorkerRange") -> "WorkerRange":
        """Return the range of an argument `workers`.

        Raises:
            UsageError: it is neither a number of workers nor a pair of them.
        """
        if isinstance(workers, WorkerRange):
            return workers
        pair = workers if isinstance(workers, tuple | list) else (workers, workers)
        if len(pair) != 2 or any(isinstance(number, bool) or not isinstance(number, int) for number in pair):
            raise UsageError(f"workers must be a number or a pair (MIN, MAX), received {workers!r}")
        return cls(*pair)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the range of an option such as "2" or "1:4".

        Raises:
            UsageError: the text is neither.
        """
        least, colon, most = text.partition(":")
        try:
            numbers = int(least), int(most if colon else least)
        except ValueError:
            raise UsageError(f"--workers must be a number or MIN:MAX, such as 2 or 1:4, received {text!r}") from None
        return cls(*numbers)

    @property
    def is_elastic(self) -> bool:
        """Whether the number may change."""
        return self.least < self.most

    def __str__(self) -> str:
        return f"{self.least}:{self.most}" if self.least != self.most else str(self.most)
