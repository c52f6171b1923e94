"""The HTML page about runs and searches, and its charts.

`raysq.report(run)` writes one. The function has the package's name, and Python puts a package that was imported in
the place of what had its name, so the package itself can be called.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class _Report(ModuleType):
    def __call__(self, *targets: Any, output: str | Path | None = None, week: str | None = None) -> Path:
        from raysq.report.page import report

        return report(*targets, output=output, week=week)


sys.modules[__name__].__class__ = _Report
