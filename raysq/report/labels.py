"""Places for labels inside a chart, where they cover no curve."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

_ASCENT, _DESCENT = 11.0, 4.0  # pixels of a line of text above and below its foot
_GAP = 3.0  # pixels between a text and a curve
_STEP = 2.0  # pixels between the points of a curve that are looked at


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def of_text(cls, middle: float, foot: float, width: float) -> "Box":
        """That of a text with its middle and its foot there."""
        return cls(middle - width / 2, foot - _ASCENT, middle + width / 2, foot + _DESCENT)

    def overlaps(self, other: "Box") -> bool:
        """Whether the two have a place in common."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def holds(self, other: "Box") -> bool:
        """Whether another one lies inside."""
        inside = self.left <= other.left and other.right <= self.right
        return inside and self.top <= other.top and other.bottom <= self.bottom


@dataclass
class Labels:
    """The labels of a chart; each keeps away from the curves and from those that were placed before it.

    Attributes:
        room: where labels may stand.
        curves: x and y of each curve, in pixels; NaN parts it.
    """

    room: Box
    curves: Iterable[tuple[np.ndarray, np.ndarray]]
    taken: list[Box] = field(default_factory=list)

    def __post_init__(self) -> None:
        points = [_dense(x, y) for x, y in self.curves]
        self._points = np.concatenate(points) if points else np.empty((0, 2))

    def keep_free(self, x: np.ndarray, y: np.ndarray) -> None:
        """Keeps further labels away from a line."""
        self._points = np.concatenate([self._points, _dense(x, y)])

    def place(self, candidates: Sequence[tuple[float, float]], width: float) -> tuple[float, float]:
        """The first candidate, middle and foot of a text, that is free; where none is, that which covers least.

        Args:
            candidates: the best one first.
            width: of the text.
        """
        boxes = [Box.of_text(*candidate, width) for candidate in candidates]
        covered = [self._covered(box) for box in boxes]
        chosen = covered.index(min(covered))
        self.taken.append(boxes[chosen])
        return candidates[chosen]

    def _covered(self, box: Box) -> float:
        if not self.room.holds(box):
            return float("inf")
        x, y = self._points[:, 0], self._points[:, 1]
        across = (x > box.left - _GAP) & (x < box.right + _GAP)
        count = int(np.count_nonzero(across & (y > box.top - _GAP) & (y < box.bottom + _GAP)))
        return count + 1000.0 * sum(box.overlaps(other) for other in self.taken)


def _dense(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points along a curve, no two next to each other farther apart than a step."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    found = [np.stack([x, y], 1)]
    with np.errstate(invalid="ignore"):
        lengths = np.hypot(np.diff(x), np.diff(y))
    for at in np.flatnonzero(lengths > _STEP):
        shares = np.linspace(0, 1, int(lengths[at] / _STEP) + 2)[1:-1, None]
        found.append(found[0][at] * (1 - shares) + found[0][at + 1] * shares)
    points = np.concatenate(found)
    return points[np.isfinite(points).all(1)]
