"""Faults of a worker group at random moments, unattended: kills and stops processes of small runs and checks the rest.

    python tests/faults/run.py --times 10
    python tests/faults/run.py --times 50 --only kill-driver --only stop-both

Each fault hits a `raysq train` command with two workers at a moment that its number seeds. Afterwards the run must have
the weights and metrics of an undisturbed one to the bit; it must have lost no more steps than those since the last
checkpoint; every fault but that of the command itself must have been noticed in time and told in one line; no process
and no file may be left over.

What was found is added to benchmarks/results/faults.json after each fault. A later call goes on where an earlier one
stopped, up to the number of times asked for; `--again` repeats faults that ended badly. The table of
docs/reliability.md is made from that file by `python tests/faults/table.py`. It takes a minute or two a fault. Start it
where no other Ray runs.
"""

import argparse
import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from faults.kinds import KINDS, Kind
from faults.nodes import make_trial
from faults.trial import CHECKPOINT_STEPS, CONTINUES, SETTINGS, STEPS, Trial

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "faults.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="faults of each kind, with those of earlier calls")
    parser.add_argument("--only", action="append", choices=sorted(KINDS), help="kind of fault; may be repeated")
    parser.add_argument("--again", action="store_true", help="repeat the faults that ended badly")
    parser.add_argument("--folder", type=Path, help="folder of the runs; kept if it is given")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        prepare(folder)
        numbers: dict[tuple[Any, ...], dict[str, Any]] = {}
        for number in range(options.times):
            for kind in options.only or KINDS:
                known = read(options.results)["faults"].get(kind, {}).get(str(number))
                if known is None or (options.again and known["problems"]):
                    like = (KINDS[kind].options, KINDS[kind].epochs)
                    if like not in numbers:
                        numbers[like] = reference(folder, KINDS[kind])
                    found = hit(folder, kind, number, numbers[like])
                    print(kind, number, json.dumps(found), flush=True)
                    add(options.results, kind, number, found)


def prepare(folder: Path) -> None:
    """Write the data set of all trials."""
    from training.series import write_series

    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "waves" / "manifest.json").exists():
        write_series(folder / "waves")


def reference(folder: Path, kind: Kind) -> dict[str, Any]:
    """Train undisturbed, and return the numbers that all others of the kind's options must have."""
    name = "-".join(["reference", str(kind.epochs), *(option.partition("=")[2] for option in kind.options)])
    # One worker in the exact mode: its numbers are those of any number of workers.
    options = [*kind.options, *(["--workers=1"] if kind.options else [])]
    trial = Trial(folder, re.sub("[^a-z0-9]+", "-", name), random.Random(0), options=options, epochs=kind.epochs)
    trial.start()  # shows the result if it is there
    trial.finish()
    assert trial.process is not None and trial.process.returncode == 0, trial.lines
    return trial.numbers()


def hit(folder: Path, kind: str, number: int, numbers: dict[str, Any]) -> dict[str, Any]:
    """Train with a fault, and return what became of it."""
    about = KINDS[kind]
    seed = f"{kind} {number}"
    trial = make_trial(
        folder, f"{kind}-{number}", seed, on_nodes=about.on_nodes, options=[*about.options], epochs=about.epochs
    )
    trial.clear()
    try:
        trial.start()
        hit = about.fault(trial)
        trial.finish()
    finally:
        ended = time.monotonic()
        trial.end_cluster()
    problems = [*trial.problems] if hit else ["the fault came too late", *trial.problems]
    assert trial.process is not None
    if trial.process.returncode:
        problems.append(f"exit status {trial.process.returncode}: {trial.lines[-1][1] if trial.lines else ''}")
    else:
        problems += [f"other {name}" for name, value in trial.numbers().items() if value != numbers[name]]
    problems += [f"left over: {name}" for name in trial.leftovers(about.cleared)]
    problems += [f"printed {line}" for _, line in trial.lines if "Traceback" in line or "Error" in line][:3]
    noticed, lost = [], []
    told = [(moment, CONTINUES.match(line)) for moment, line in trial.lines]
    told = [(moment, match) for moment, match in told if match]
    if not about.is_told:
        for _, reached, step in trial.faults:
            back = trial.attempts()[-1].first_step
            lost.append(max(0, step - back))
            if back < reached:
                problems.append(f"continued from step {back}, the checkpoint was at step {reached}")
    else:
        for moment, reached, step in trial.faults:
            after = [(when, match) for when, match in told if when >= moment]
            if not after:
                problems.append("nothing was said of it")
                continue
            when, match = after[0]
            back = int(match["step"].replace(",", ""))
            noticed.append(round(when - moment, 1))
            lost.append(max(0, step - back))  # training may go on while a lost server is noticed
            if back < reached:
                problems.append(f"continued from step {back}, the checkpoint was at step {reached}")
        if len(told) > len(trial.faults) if about.lines is None else len(told) != about.lines:
            problems.append(f"{len(told)} lines for {len(trial.faults)} faults")
        if about.lossless and any(lost):
            problems.append("steps were lost")
    return {
        "problems": problems,
        "steps": [step for _, _, step in trial.faults],
        "noticed": noticed,
        "lost": lost,
        "said": [match[0] for _, match in told],
        "seconds": round(ended - trial.started, 1),
        "commit": commit(),
    }


def commit() -> str:
    """The commit that this file belongs to."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short=8", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def read(path: Path) -> dict[str, Any]:
    """Return the results so far."""
    return json.loads(path.read_text()) if path.exists() else {"faults": {}}


def add(path: Path, kind: str, number: int, found: dict[str, Any]) -> None:
    """Add one fault to the results, atomically."""
    import ray
    import tensorflow as tf

    results = read(path)
    results["machine"] = f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}"
    results["versions"] = {"ray": ray.__version__, "tensorflow": tf.__version__}
    results["run"] = {"steps": STEPS, "checkpoint_steps": CHECKPOINT_STEPS, "settings": SETTINGS}
    results["faults"].setdefault(kind, {})[str(number)] = found
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    os.replace(new, path)


if __name__ == "__main__":
    main()
