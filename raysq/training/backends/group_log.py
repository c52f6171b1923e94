"""Log of a worker group: what has happened to it, in lines for the user."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """What has happened to a group, for a line to the user.

    Attributes:
        text: what has happened.
        workers: number of workers with which the group goes on, if it changes.
        is_loss: whether something was lost.
        is_waiting: whether the group waits, rather than goes on.
    """

    text: str
    workers: int | None = None
    is_loss: bool = True
    is_waiting: bool = False

    def line(self, step: int) -> str:
        """Return the line for a group whose last checkpoint is of this step."""
        if self.is_waiting:
            return self.text
        verb = "continues" if step or self.is_loss else "starts"
        size = f" with {self.workers}" if self.workers else ""
        return f"{self.text}: training {verb}{size} from step {step:,}"
