"""What clients are told of a served run."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from raysq.inference.commands import can, require_finished
from raysq.problems.interface import Interface
from raysq.serving.inputs import file_types
from raysq.serving.messages import ARROW, JSON
from raysq.serving.text_methods import METHODS
from raysq.training.run import Run


@dataclass(frozen=True)
class ServedRun:
    """Run with the name that clients use.

    Attributes:
        name: name for clients.
        run: the run.
    """

    name: str
    run: Run

    def check(self) -> None:
        """Raise `DataError` unless the run has a model."""
        require_finished(self.run)

    @cached_property
    def interface(self) -> Interface:
        """What the run takes and gives."""
        return self.run.problem.interface()

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Names of the paths that the run answers."""
        return ("predict", *(name for name in METHODS if can(self.run, name)))

    @cached_property
    def description(self) -> dict[str, Any]:
        """JSON-ready description for `GET /runs`."""
        config, interface = self.run.config, self.interface
        files = file_types(interface.input.kind)
        return {
            "name": self.name,
            "run": self.run.name,
            "task": config.task,
            "problem": config.problem,
            "model": config.model,
            "synthetic": config.synthetic,
            "methods": list(self.methods),
            "input": {**asdict(interface.input), "files": files, "types": [JSON, ARROW, *files]},
            "output": asdict(interface.output),
        }
