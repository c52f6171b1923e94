"""One run that a fault hits, and what must be true of it afterwards."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processes import descendants

from raysq.training.goodput import Attempt, read_attempts
from raysq.training.run_files import RunFiles

TESTS = Path(__file__).resolve().parents[1]
CHECKPOINT_STEPS = 100
EPOCHS = 4
EPOCH_STEPS = 2500
STEPS = EPOCHS * EPOCH_STEPS
SETTINGS = {
    "data.lookback": 24,
    "data.step": 2,
    "data.delay": 6,
    "training.batch_size": 16,
    "training.eval_batch_size": 64,
    "training.steps_per_epoch": EPOCH_STEPS,
    "training.epochs": EPOCHS,
    "training.checkpoint_steps": CHECKPOINT_STEPS,
}
MARK = "RAYSQ_FAULT_TRIAL"
CONTINUES = re.compile(r"^(?P<reason>.*): training continues(?: with \d+)? from step (?P<step>[\d,]+)$")


@dataclass
class Trial:
    """A `raysq train` command with two workers, its output, and its processes.

    Attributes:
        folder: holds the data set and the runs of all trials.
        name: of the run.
        random: chooses the moments and the victims.
        environment: further variables of the command.
        options: further options of the command. Later ones replace earlier ones.
        epochs: of the run.
        workers: of the group.
        limit: seconds of a trial that does not hang.
        faults: the moments of the faults, with the checkpoint's step at each.
        problems: what a fault has found wrong itself.
    """

    folder: Path
    name: str
    random: random.Random
    environment: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    epochs: int = EPOCHS
    workers: int = 2
    limit: float = 600.0

    def __post_init__(self) -> None:
        self.directory = self.folder / "home" / "runs" / self.name
        self.mark = uuid.uuid4().hex
        self.lines: list[tuple[float, str]] = []
        self.faults: list[tuple[float, int, int]] = []
        self.problems: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self.started = time.monotonic()

    def clear(self) -> None:
        """Remove what an earlier trial of this name has left."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start the command, or start it again."""
        arguments = ["train", "jena", "--data", str(self.folder / "waves"), "--model", "dense", "--name", self.name]
        arguments += ["--workers", str(self.workers), "--threads", "1"]
        arguments += [f"--set={name}={value}" for name, value in SETTINGS.items()]
        arguments += [f"--set=training.epochs={self.epochs}", *self.options]
        environment = {
            **os.environ,
            "RAYSQ_HOME": str(self.folder / "home"),
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "PYTHONPATH": str(TESTS.parent),
            MARK: self.mark,
            **self.environment,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "raysq", *arguments],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: Any) -> None:
        for line in process.stderr:
            self.lines.append((time.monotonic(), line.rstrip("\n")))

    def end_cluster(self) -> None:
        """End what the trial itself has started for the command: nothing here."""

    # ---- moments

    def wait_until(self, condition: Any, poll: float = 0.02) -> bool:
        """Wait for a condition while the command runs; whether it came."""
        assert self.process is not None
        while not condition():
            if self.process.poll() is not None or time.monotonic() - self.started > self.limit:
                return False
            time.sleep(poll)
        return True

    def any_moment(self) -> bool:
        """Wait for a random moment: one in five lies before the first step, while the workers start."""
        if self.random.random() < 0.2:
            return self.workers_started() and self.sleep(self.random.uniform(0, 8))
        return self.training()

    def workers_started(self) -> bool:
        return self.wait_until(lambda: len(self.pids("worker")) >= self.workers)

    def training(self, share: float = 1.0) -> bool:
        """Wait for a random moment in the first share of the steps."""
        step = self.random.randrange(1, int(share * (self.epochs * EPOCH_STEPS - CHECKPOINT_STEPS)))
        return self.wait_until(lambda: self.step() >= step) and self.sleep(self.random.uniform(0, 0.5))

    def checkpointing(self) -> bool:
        """Wait for a random checkpoint that is being written."""
        new = self.directory / "checkpoints" / "last.new"
        step = self.random.randrange(1, STEPS - 3 * CHECKPOINT_STEPS)
        if not self.wait_until(lambda: self.step() >= step):
            return False
        return self.wait_until(new.exists, 0.0002) and self.sleep(self.random.uniform(0, 0.01))

    def clock(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> bool:
        time.sleep(seconds)
        assert self.process is not None
        return self.process.poll() is None

    def step(self) -> int:
        """The step of the progress file, or of the last checkpoint."""
        try:
            return int(json.loads((self.directory / "progress.json").read_text())[1])
        except (OSError, ValueError):
            return self.reached()

    def reached(self) -> int:
        """The step of the last checkpoint."""
        for name in ("last", "last.old"):
            try:
                return int(json.loads((self.directory / "checkpoints" / name / "state.json").read_text())["step"])
            except (OSError, ValueError):
                continue
        return 0

    # ---- victims

    def pids(self, kind: str) -> list[int]:
        """The processes of a kind: worker, chief, other, raylet, gcs_server or driver."""
        assert self.process is not None
        if kind == "driver":
            return [self.process.pid]
        below = sorted(set(descendants(self.process.pid)) | set(self.marked()))
        if kind in ("chief", "other"):
            workers = self.pids("worker")
            chiefs = [pid for pid in workers if _has_open(pid, "/tensorboard/")]
            return chiefs if kind == "chief" else [pid for pid in workers if pid not in chiefs]
        if kind == "worker":
            return [pid for pid in below if _command(pid).startswith("ray::RayTrainWorker")]
        return [pid for pid in below if _command(pid).split("\0")[0].endswith(f"/{kind}")]

    def marked(self) -> list[int]:
        """All processes that the command has started, wherever they hang now."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes():
                    state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                    found += [int(entry.name)] if state not in "ZX" else []
            except OSError:
                continue
        return found

    def send(self, pids: list[int], number: int) -> None:
        """Send a signal to processes, and note the moment."""
        self.faults.append((time.monotonic(), self.reached(), self.step()))
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    # ---- afterwards

    def finish(self) -> None:
        """Wait for the end of the command; end it if it takes too long."""
        assert self.process is not None
        try:
            self.process.wait(max(1.0, self.limit - (time.monotonic() - self.started)))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.lines.append((time.monotonic(), f"it hung for {self.limit:g} s"))

    def leftovers(self, seconds: float) -> list[str]:
        """What the command leaves behind after some seconds: processes, which are ended then, and files."""
        deadline = time.monotonic() + seconds
        while (pids := self.marked()) and time.monotonic() < deadline:
            time.sleep(0.5)
        found = [f"process {_command(pid).strip(chr(0))[:40]!r}" for pid in pids]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        names = ("progress.json", "failures", "failure.log", "checkpoints/last.new", "checkpoints/best.new")
        found += [name for name in names if (self.directory / name).exists()]
        return found + [path.name for path in sorted(self.directory.rglob(".*.part-*"))]

    def attempts(self) -> list[Attempt]:
        """The attempts at the run."""
        return read_attempts(RunFiles(self.directory))

    def numbers(self) -> dict[str, Any]:
        """What must be the same for every run: weights, epochs and metrics, without times."""
        states = {
            name: json.loads((self.directory / "checkpoints" / name / "state.json").read_text())
            for name in ("last", "best")
        }
        epochs = [json.loads(line) for line in (self.directory / "metrics.jsonl").read_text().splitlines()]
        everything = json.loads((self.directory / "result.json").read_text())
        result = {name: everything[name] for name in ("metrics", "steps", "epochs", "best_epoch", "parameters")}
        values = {"epochs": epochs, "result": result, "checkpoints": states}
        times = ("seconds", "checksum")  # the checksum of a line covers its seconds
        return json.loads(
            json.dumps(values), object_hook=lambda value: {k: v for k, v in value.items() if k not in times}
        )


def _has_open(pid: int, text: str) -> bool:
    try:
        return any(text in os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
