"""Ctrl-C and SIGTERM end every command with one line and status 130, also while large libraries are imported."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raysq import cli
from raysq.cli.stop import LINE
from raysq.errors import DataError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# A library that takes long to import, and drops or replaces what comes between.
SLOW = """
import pathlib, time
pathlib.Path({mark!r}).touch()
try:
    for _ in range(6000):
        time.sleep(0.01)
except BaseException as error:
    {then}
"""


def start(arguments, folder=None):
    environment = os.environ | ({} if folder is None else {"PYTHONPATH": str(folder)})
    return subprocess.Popen(
        [sys.executable, "-m", "raysq", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # A shell ignores SIGINT in what it starts in the background, these tests for example.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def until(process, condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.005)


def takes_signals(process) -> bool:
    """Whether `main` has begun: SIGTERM is caught."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def ended(process) -> None:
    """Ends as it should: one line, and its status."""
    try:
        _, error = process.communicate(timeout=120)
    finally:
        process.kill()
    assert (process.returncode, error) == (130, LINE + "\n")


@pytest.mark.parametrize(
    ("library", "arguments", "then", "number"),
    [
        ("tensorflow", ["doctor", "--no-ray"], "pass", signal.SIGTERM),
        ("tensorflow", ["doctor", "--no-ray"], "raise ImportError('no') from error", signal.SIGINT),
        ("rich", ["runs"], "pass", signal.SIGINT),
        ("rich", ["runs"], "raise", signal.SIGTERM),
    ],
)
def test_during_an_import(tmp_path, library, arguments, then, number):
    mark = tmp_path / "importing"
    module = tmp_path / "modules" / library
    module.mkdir(parents=True)
    (module / "__init__.py").write_text(SLOW.format(mark=str(mark), then=then))
    process = start(arguments, module.parent)
    until(process, mark.exists)
    process.send_signal(number)
    ended(process)


@pytest.mark.parametrize("number", SIGNALS)
def test_while_a_server_is_waited_for(number):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.csv"
        process = start(["prepare", "forecast", "--source", url])
        server.settimeout(120)
        with server.accept()[0]:
            process.send_signal(number)
            ended(process)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the moment is seen in /proc")
@pytest.mark.parametrize("seed", range(6))
def test_at_any_moment(seed):
    rng = random.Random(seed)
    process = start(rng.choice([["doctor", "--no-ray"], ["train", "jena"], ["predict", "x", "--text", "y"]]))
    until(process, lambda: takes_signals(process))
    time.sleep(rng.choice([0, 0.01, 0.05, 0.2, 1]) * rng.random())
    process.send_signal(rng.choice(SIGNALS))
    try:
        _, error = process.communicate(timeout=120)
    finally:
        process.kill()
    # A command that was faster has failed for its own reason: there is nothing to train on here.
    assert process.returncode in (130, 1, 0) and "Traceback" not in error
    assert (process.returncode == 130) == (LINE in error) and error.count("\n") <= 1


def raise_signal(*_):
    signal.raise_signal(signal.SIGTERM)
    raise DataError("it went on")


def test_within_a_process(monkeypatch, capsys):
    before = [signal.getsignal(number) for number in SIGNALS]
    hook = sys.unraisablehook
    monkeypatch.setattr("raysq.data.dataset.Dataset.open", raise_signal)
    assert cli.main(["verify", "x"]) == 130
    assert capsys.readouterr().err == LINE + "\n"
    assert [signal.getsignal(number) for number in SIGNALS] == before and sys.unraisablehook is hook


def test_what_a_library_makes_of_it(monkeypatch, capsys):
    for replaced in (RuntimeError, SystemExit, DataError):

        def wrapped(*_, replaced=replaced):
            try:
                raise_signal()
            except KeyboardInterrupt as error:
                raise replaced("something is wrong") from error

        monkeypatch.setattr("raysq.data.dataset.Dataset.open", wrapped)
        assert cli.main(["verify", "x"]) == 130
        assert capsys.readouterr().err == LINE + "\n"


PROGRAM = """
import signal, sys
import raysq.data.dataset
from raysq.cli import main

class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

def dropped(*_):
    Finalized()
    raise AssertionError("it went on")

def twice(*_):
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("it went on")

def late(*_):
    import atexit
    atexit.register(signal.raise_signal, signal.SIGTERM)
    sys.exit(0)

raysq.data.dataset.Dataset.open = {name}
sys.argv[1:] = ["verify", "x"]
sys.exit(main())
"""


@pytest.mark.parametrize("name", ["dropped", "twice", "late"])
def test_a_signal_that_python_drops_or_that_comes_again_or_late(name):
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(name=name)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, LINE + "\n")


def test_a_signal_that_is_ignored_stays_so():
    shell = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, "-c", PROGRAM.format(name="twice")]
    done = subprocess.run(shell, capture_output=True, text=True)
    assert done.returncode == 1 and "it went on" in done.stderr


@pytest.mark.parametrize("moment", ["while Ray starts", "afterwards"])
def test_ray_does_not_take_sigterm(monkeypatch, capsys, moment):
    import ray

    from raysq.distributed.cluster import ensure_ray

    def init(**_):
        # As Ray does in a driver, which would end without a word.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        if moment == "while Ray starts":
            raise_signal()

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr("raysq.data.dataset.Dataset.open", lambda *_: [ensure_ray(), raise_signal()])
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main(["verify", "x"]) == 130
    assert capsys.readouterr().err == LINE + "\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_program_without_handlers_of_its_own_keeps_those_of_ray(monkeypatch):
    import ray

    from raysq.distributed.cluster import ensure_ray

    def handler(*_):
        raise AssertionError

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: signal.signal(signal.SIGTERM, handler))
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        ensure_ray()
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
