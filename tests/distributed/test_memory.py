"""What memory is left: of the machine, of a container, and beside other searches."""

import os
import subprocess
import sys

import pytest

from raysq.distributed import memory

GIGABYTE = 1_000_000_000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Reservations of nobody else, on a machine with 10 GB left."""
    monkeypatch.setattr(memory, "_folder", lambda: tmp_path)
    monkeypatch.setattr(memory, "available", lambda: 10 * GIGABYTE)
    return tmp_path


def test_a_container_has_what_its_limit_leaves(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_meminfo", lambda name: 8 * GIGABYTE)
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.available() == 8 * GIGABYTE
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("3000\n")
    assert memory.available() == 8 * GIGABYTE
    (tmp_path / "memory.max").write_text("5000\n")
    assert memory.available() == 2000
    # Pages of files that were read go first.
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 700\n")
    assert memory.available() == 2700


def test_a_process_tells_what_it_holds():
    before = memory.resident()
    held = bytearray(64 << 20)
    held[:: 1 << 12] = b"x" * len(held[:: 1 << 12])
    assert memory.resident() - before > 60 << 20
    assert memory.resident_total(os.getpid()) >= memory.resident() - (16 << 20)
    assert memory.resident(2**22 + 1) == 0


def test_as_many_run_as_fit_and_at_least_one(folder):
    for need, most, count in ((GIGABYTE, 4, 4), (4 * GIGABYTE, 4, 2), (40 * GIGABYTE, 4, 1)):
        with memory.reserve(need, most) as room:
            assert room == memory.MemoryReservation(count, 10 * GIGABYTE)
            assert (folder / str(os.getpid())).read_text() == str(count * need)
    assert not (folder / str(os.getpid())).exists()


def test_another_search_has_what_is_not_reserved(folder):
    other = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        (folder / str(other.pid)).write_text(str(7 * GIGABYTE))
        assert memory.unreserved() == pytest.approx(3 * GIGABYTE, rel=0.05)
        with memory.reserve(2 * GIGABYTE, 4) as room:
            assert room.count == 1
    finally:
        other.communicate(b"")
    # It has ended without a word: nothing is reserved any more.
    assert memory.unreserved() == 10 * GIGABYTE and not (folder / str(other.pid)).exists()


def test_errors_of_memory_are_known():
    class OutOfMemoryError(Exception):
        pass

    outer = RuntimeError("task failed")
    outer.__cause__ = OutOfMemoryError("Task was killed due to the node running low on memory.")
    assert memory.is_out_of_memory(outer) and memory.is_out_of_memory(MemoryError())
    assert not memory.is_out_of_memory(RuntimeError("the loss is not a number"))
