"""Executors: results in the order of the calls, tables of exact size, by threads and on Ray alike."""

import sys
import threading
import time
from concurrent.futures import Future

import numpy as np
import pyarrow as pa
import pytest

from raysq.distributed.executor import Halt, ThreadExecutor, choose_executor, cut
from raysq.distributed.row_keys import STRIDE, check_order


@pytest.fixture(params=["threads", "ray"])
def executor(request, cluster):
    if request.param == "threads":
        return ThreadExecutor(3)
    from ray import cloudpickle

    from raysq.distributed.ray_data import RayExecutor

    # Ray's workers need not find this module.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return RayExecutor(2)


def numbers(begin: int, sizes: list[int]):
    """Tables of numbers that go on from `begin`."""
    for size in sizes:
        time.sleep(0.02 * (begin % 3))  # later calls end first
        yield pa.table({"number": pa.array(range(begin, begin + size), pa.int64())})
        begin += size


CALLS = [(0, [3, 0, 5]), (8, []), (8, [1]), (9, [40, 2]), (51, [9])]


@pytest.mark.parametrize("rows", [1, 7, 60, 100])
def test_tables_of_exact_size_in_order(executor, rows):
    with executor.session():
        written = executor.rechunk(
            lambda *call: numbers(*call), CALLS, rows, lambda number, table: (number, table["number"].to_pylist())
        )
    assert [number for number, _ in written] == sorted({number for number, _ in written})
    sizes = [len(values) for _, values in written]
    assert sizes == [min(rows, 60 - begin) for begin in range(0, 60, rows)]
    assert [value for _, values in written for value in values] == list(range(60))


def test_results_in_the_order_of_the_calls(executor):
    def square(number):
        time.sleep(0.05 * (number % 2 == 0))
        return number * number

    with executor.session():
        assert list(executor.map(square, [(number,) for number in range(9)])) == [n * n for n in range(9)]
        assert list(executor.map(square, [])) == []


def test_a_call_that_halts_gives_what_it_had(executor):
    def read(begin, sizes):
        yield from numbers(begin, sizes)
        if begin == 8 and sizes:
            raise Halt

    with executor.session():
        tables = executor.rechunk(read, CALLS, 100, lambda number, table: table["number"].to_pylist())
    # Threads read nothing behind the call; on Ray it may be read already.
    assert [value for table in tables for value in table][:8] == list(range(8))


def test_threads_stop_behind_a_call_that_halts_or_raises():
    begun = []

    def call(number):
        begun.append(number)
        if number == 1:
            raise Halt
        if number == 30:
            raise ValueError("a bug")
        return number

    assert list(ThreadExecutor(2).map(call, [(number,) for number in range(20)])) == [0]
    assert max(begun) < 6
    with pytest.raises(ValueError, match="a bug"):
        list(ThreadExecutor(2).map(call, [(30,), (31,)]))


def test_closing_cancels_what_waits(monkeypatch):
    begun, go, cancel = [], threading.Event(), Future.cancel

    def call(number):
        begun.append(number)
        if number:
            assert go.wait(60), "what waits is not canceled"
        return number

    def cancel_and_go(future):
        if canceled := cancel(future):
            go.set()
        return canceled

    monkeypatch.setattr(Future, "cancel", cancel_and_go)
    results = ThreadExecutor(2).map(call, [(number,) for number in range(4)])
    assert next(results) == 0
    while len(begun) < 3:
        time.sleep(0.01)
    results.close()
    assert sorted(begun) == [0, 1, 2]


def test_few_results_wait_for_an_earlier_one():
    waiting = []

    def call(number):
        waiting.append(number)
        return number

    results = ThreadExecutor(2).map(call, [(number,) for number in range(50)])
    assert next(results) == 0
    time.sleep(0.1)
    assert len(waiting) <= 5
    assert list(results) == list(range(1, 50))


def test_rows_that_are_lost_repeated_or_moved_are_found():
    keys = np.concatenate([np.arange(3), STRIDE + np.arange(2), 3 * STRIDE + np.arange(4)])
    last = -1
    for begin in range(0, 9, 2):
        last = check_order(keys[begin : begin + 2], last)
    assert last == 3 * STRIDE + 3
    for damaged in (keys[[0, 2]], keys[[0, 1, 1]], keys[[1, 0]], keys[[0, 1, 2, 4]], keys[[3, 0]], keys[1:]):
        with pytest.raises(RuntimeError, match="out of order"):
            check_order(damaged, -1)


def test_cut_joins_and_parts_tables():
    parts = [range(1), range(1, 1), range(1, 9), range(9, 10)]
    tables = [pa.table({"a": pa.array(part, pa.int64())}) for part in parts]
    assert [table["a"].to_pylist() for table in cut(tables, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert list(cut(tables[:0], 4)) == list(cut(tables[1:2], 4)) == []


def test_threads_for_little_data_and_ray_for_much(monkeypatch):
    monkeypatch.setattr("raysq.distributed.executor.has_cluster", lambda: False)
    for cores, sizes, threads in ((2, [1 << 40], True), (16, [1000, 2000], True), (16, [1 << 28], False)):
        monkeypatch.setattr("raysq.distributed.executor.cores", lambda cores=cores: cores)
        assert isinstance(choose_executor(sizes), ThreadExecutor) == threads
    assert not choose_executor([None]).local  # nobody knows how large
    assert not choose_executor([1000], cpus=2).local
    monkeypatch.setattr("raysq.distributed.executor.has_cluster", lambda: True)
    assert not choose_executor([1000]).local
