"""What Ray's processes need of the driver to find its modules, its home, and the tasks and problems it registered."""

import os
import sys
from dataclasses import dataclass
from typing import Self

from raysq import problems, tasks
from raysq.storage.paths import home


@dataclass(frozen=True)
class DriverContext:
    """Context of the driver, sent to the processes that Ray starts for it.

    A user's model lies in the driver's current folder, and Ray starts its processes in another folder. Entry points of
    installed packages need no context.

    Attributes:
        folder: current folder.
        paths: `sys.path`.
        home: RAYSQ_HOME.
        registered: pickled tasks and problems that were registered by a call. Classes of a script or notebook are
            pickled by value, those of modules by reference.
    """

    folder: str
    paths: tuple[str, ...]
    home: str
    registered: bytes

    @classmethod
    def current(cls) -> Self:
        """Return the context of this process."""
        from ray import cloudpickle

        registered = cloudpickle.dumps((problems.REGISTRY.registered, tasks.REGISTRY.registered))
        return cls(os.getcwd(), tuple(sys.path), str(home()), registered)

    def enter(self) -> None:
        """Let this process find the driver's modules, home, tasks and problems."""
        from ray import cloudpickle

        if os.path.isdir(self.home):
            os.environ["RAYSQ_HOME"] = self.home
        if os.path.isdir(self.folder):
            os.chdir(self.folder)
        sys.path += [path for path in self.paths if path not in sys.path and os.path.isdir(path)]
        of_problems, of_tasks = cloudpickle.loads(self.registered)
        problems.REGISTRY.registered.update(of_problems)
        tasks.REGISTRY.registered.update(of_tasks)
