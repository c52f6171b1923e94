"""Runs a function of a test in a process of its own, which may take little memory and must not end by a signal."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

_ADDRESSES = 3 << 30  # libraries take some that they do not use
_MEMORY = 1 << 30


def run_limited(function: Any, *arguments: Any, seconds: float, **options: Any) -> None:
    """Call a function of a test's module, with arguments that `repr` writes.

    Args:
        function: it says by AssertionError what is wrong.
        arguments: of it; paths become texts.
        seconds: after which it has hung.
        options: of it.
    """
    given = [str(one) if isinstance(one, Path) else one for one in arguments]
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({_ADDRESSES}, {_ADDRESSES})); "
        f"from {function.__module__.removeprefix('tests.')} import {function.__name__} as function; "
        f"function(*{given!r}, **{options!r}); from limited import check_memory; check_memory()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=seconds
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])


def check_memory() -> None:
    """Check the most memory that this process has held."""
    # Not `getrusage`, which begins with that of the process before it.
    kilobytes = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert kilobytes is not None and int(kilobytes[1]) << 10 < _MEMORY, kilobytes
