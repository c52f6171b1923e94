"""Processes are found below others, and end though they are stopped."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raysq.distributed import processes
from raysq.distributed.processes import Process

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
CHILD = "import subprocess, sys; child = subprocess.Popen(['sleep', '60']); print(child.pid, flush=True); child.wait()"


def test_stopped_descendants_are_found_and_end():
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) as parent:
        grandchild = int(parent.stdout.readline())
        found = processes.descendants([parent.pid])
        assert [process.pid for process in found] == [grandchild]
        assert parent.pid in [process.pid for process in processes.descendants([os.getpid()])]
        os.kill(parent.pid, signal.SIGSTOP)
        known = [processes.find(parent.pid), *found]
        assert not processes.end(known)
    assert processes.find(grandchild) is None


def test_a_later_process_with_the_same_number_is_spared():
    with subprocess.Popen(["sleep", "60"]) as child:
        process = processes.find(child.pid)
        assert not processes.end([Process(process.pid, process.started - 1)])
        assert child.poll() is None
        assert processes.wait([process], 0.1) == [process]
        child.kill()


def test_a_name_of_any_bytes_is_no_obstacle(tmp_path):
    """Linux cuts names after 15 bytes, here within a character."""
    program = tmp_path / "a) Z 1 prüflaäufe"
    shutil.copy(shutil.which("sleep"), program)
    with subprocess.Popen([program, "60"]) as child:
        try:
            name = Path(f"/proc/{child.pid}/comm")
            while name.read_bytes() == Path("/proc/self/comm").read_bytes():
                time.sleep(0.01)  # until the copy of this process runs the program
            with pytest.raises(UnicodeDecodeError):
                name.read_text("utf-8")
            assert child.pid in [process.pid for process in processes.descendants([os.getpid()])]
            assert not processes.end([processes.find(child.pid)])
        finally:
            child.kill()
