"""Where a Ray process finds the modules and the home of the driver."""

import os
import sys

from raysq.storage.paths import home


def import_place() -> tuple[str, tuple[str, ...], str]:
    """Return this process's folder, its `sys.path` and its home, for `import_from` in a Ray process."""
    return os.getcwd(), tuple(sys.path), str(home())


def import_from(place: tuple[str, tuple[str, ...], str]) -> None:
    """Let this process find the driver's modules and home.

    A user's model lies in the driver's current folder, and Ray starts its processes in another folder.

    Args:
        place: result of `import_place` in the driver.
    """
    folder, paths, home = place
    if os.path.isdir(home):
        os.environ["RAYSQ_HOME"] = home
    if os.path.isdir(folder):
        os.chdir(folder)
    sys.path += [path for path in paths if path not in sys.path and os.path.isdir(path)]
