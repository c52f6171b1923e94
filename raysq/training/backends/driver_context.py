"""What Ray's processes need of the driver: its modules, its home, and the tasks, problems and models it was given."""

import os
import pickletools
import sys
from dataclasses import dataclass
from typing import Self

from raysq import backend, problems, tasks
from raysq.storage.paths import home
from raysq.training.model_source import own_source_digest
from raysq.training.passed_models import PASSED, register_objects, registered_objects


@dataclass(frozen=True)
class DriverContext:
    """Context of the driver, sent to the processes that Ray starts for it.

    A user's model lies in the driver's current folder, and Ray starts its processes in another folder. Entry points of
    installed packages need no context.

    Attributes:
        folder: current folder.
        paths: `sys.path`.
        home: RAYSQ_HOME.
        registered: pickled tasks and problems that were registered by a call, model functions that were passed, and
            what a script or notebook registered with Keras. Classes and functions of a script or notebook are pickled
            by value, those of modules by reference.
        sources: digest of the sources of these modules, which the processes import. Installed packages are left out.
    """

    folder: str
    paths: tuple[str, ...]
    home: str
    registered: bytes
    sources: str

    @classmethod
    def current(cls) -> Self:
        """Return the context of this process."""
        from ray import cloudpickle

        registered = cloudpickle.dumps(
            (problems.REGISTRY.registered, tasks.REGISTRY.registered, PASSED, registered_objects())
        )
        # A reference holds the module's name as a string.
        names = {argument for _, argument, _ in pickletools.genops(registered) if isinstance(argument, str)}
        return cls(os.getcwd(), tuple(sys.path), str(home()), registered, own_source_digest(names))

    def enter(self) -> None:
        """Let this process find the driver's modules, home, tasks and problems."""
        from ray import cloudpickle

        if os.path.isdir(self.home):
            os.environ["RAYSQ_HOME"] = self.home
        if os.path.isdir(self.folder):
            os.chdir(self.folder)
        sys.path += [path for path in self.paths if path not in sys.path and os.path.isdir(path)]
        if b"keras" in self.registered:
            backend.load()  # Keras cannot be imported by way of one of its modules, such as keras.optimizers
        of_problems, of_tasks, passed, of_keras = cloudpickle.loads(self.registered)
        problems.REGISTRY.registered.update(of_problems)
        tasks.REGISTRY.registered.update(of_tasks)
        PASSED.update(passed)
        register_objects(of_keras)
