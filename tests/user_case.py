"""Run a case of `tests/cases`: commands of a user on small files, and how each command must end.

`tests/cases/README.md` describes the format.
"""

import csv
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIMIT = 600  # seconds for one command
_LONGEST_ERROR = (6, 1200)  # lines and characters
_COLOR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Finished:
    """A command that ran.

    Attributes:
        code: its exit status.
        stdout: its standard output, without colors.
        stderr: its standard error, without colors.
    """

    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both outputs."""
        return f"{self.stdout}\n{self.stderr}"

    @property
    def error(self) -> str:
        """The error message: standard error from the line that begins with the program's name."""
        begin = self.stderr.rfind("raysq: ")
        usage = re.search(r"^raysq .*: error: ", self.stderr, re.M)
        return self.stderr[begin if begin >= 0 else usage.start() if usage else 0 :].strip()

    def documents(self) -> list[Any]:
        """The JSON of standard output: as a whole, or line by line."""
        try:
            return [json.loads(self.stdout)]
        except ValueError:
            return [json.loads(line) for line in self.stdout.splitlines() if line.startswith(("{", "["))]


@dataclass(frozen=True)
class Case:
    """A case in its temporary folder.

    Attributes:
        directory: where its commands run.
        home: its `RAYSQ_HOME`.
        commands: that ran; fewer than it has after one that failed.
    """

    directory: Path
    home: Path
    commands: list[Finished]

    def wrong(self, checks: Sequence[Mapping[str, Any]], last: int) -> list[str]:
        """Return what is wrong, in lines.

        Args:
            checks: the case's `expect`.
            last: number of its last command, which a check without `of` is about.
        """
        found = [
            f"command {number} ends in a traceback: {done.output.strip().splitlines()[-1]}"
            for number, done in enumerate(self.commands)
            if _TRACEBACK in done.output
        ]
        return found + [line for check in checks for line in self._wrong(check, last)]

    def _wrong(self, check: Mapping[str, Any], last: int) -> list[str]:
        if "any" in check:
            alternatives = [[line for each in several for line in self._wrong(each, last)] for several in check["any"]]
            return [] if not all(alternatives) else ["; or ".join(" and ".join(lines) for lines in alternatives)]
        number = check.get("of", last)
        if number >= len(self.commands):
            return [f"command {number} was not reached"]
        done = self.commands[number]
        reason = self._reason(check, done)
        shown = (done.error or done.stdout.strip())[-400:]
        return [f"command {number}: {reason} (exit {done.code}: {shown})"] if reason else []

    def _reason(self, check: Mapping[str, Any], done: Finished) -> str | None:
        """Return why one check about one command does not hold."""
        if "exit" in check:
            codes = check["exit"] if isinstance(check["exit"], list) else [check["exit"]]
            return None if done.code in codes else f"must exit with {check['exit']}"
        if "error" in check:
            return _wrong_error(check, done)
        if "match" in check or "no_match" in check:
            text = getattr(done, check.get("in", "output"))
            for key in ("match", "no_match"):
                if key in check and bool(re.search(check[key], text, re.I | re.M)) != (key == "match"):
                    return f"{key} {check[key]!r} does not hold"
            return None
        if "csv" in check:
            return _wrong_csv(check, self._path(check["csv"]))
        if "file" in check:
            path = self._path(check["file"])
            return _wrong_leaves(check, [json.loads(path.read_text())]) if path.is_file() else f"there is no {path}"
        if "json" in check:
            return _wrong_leaves(check, done.documents())
        raise ValueError(f"a check of no known kind: {check}")

    def _path(self, name: str) -> Path:
        return self.directory / name.replace("$RAYSQ_HOME", str(self.home))


def run(folder: Path, scratch: Path) -> list[str]:
    """Run the commands of a case in a copy of its folder.

    Args:
        folder: of the case.
        scratch: an empty folder.

    Returns:
        What is wrong, in lines; none where all checks hold.
    """
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    directory, home = scratch / "files", scratch / "home"
    shutil.copytree(folder, directory)
    home.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RAYSQ_", "RAY_"))}
    beside = str(Path(sys.executable).parent)
    environment |= {
        "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', '')}",
        "RAYSQ_HOME": str(home),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "COLUMNS": "200",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    commands = case["commands"]
    if (directory / "make.py").is_file():
        made = _call(["python", "make.py", "."], directory, environment)
        if made.code:
            return [f"make.py fails: {made.error}"]
    finished: list[Finished] = []
    for command in commands:
        finished.append(_call(command, directory, environment))
        if finished[-1].code and not case.get("go_on"):
            break
    return Case(directory, home, finished).wrong(case["expect"], len(commands) - 1)


def _call(command: list[str], directory: Path, environment: dict[str, str]) -> Finished:
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return Finished(-1, "", f"not finished after {LIMIT} s")
    return Finished(done.returncode, *(_COLOR.sub("", text) for text in (done.stdout, done.stderr)))


def _wrong_error(check: Mapping[str, Any], done: Finished) -> str | None:
    if done.code not in (1, 2):
        return f"must end in an error that matches {check['error']!r}"
    lines, characters = _LONGEST_ERROR
    if len(done.error.splitlines()) > lines or len(done.error) > characters:
        return f"the error must be short, it has {len(done.error)} characters"
    if not re.search(check["error"], done.error, re.I | re.S):
        return f"the error must match {check['error']!r}"
    if "not" in check and re.search(check["not"], done.error, re.I | re.S):
        return f"the error must not match {check['not']!r}"
    return None


def _wrong_csv(check: Mapping[str, Any], path: Path) -> str | None:
    if not path.is_file():
        return f"there is no {path.name}"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if "rows" in check and len(rows) != check["rows"]:
        return f"{path.name} must have {check['rows']} rows, has {len(rows)}"
    if "column" not in check:
        return None
    begins = check.get("where", {})
    rows = [row for row in rows if all((row.get(name) or "").startswith(text) for name, text in begins.items())]
    place = check.get("row", 0)
    chosen = rows if place == "all" else rows[place : place + 1 or None]
    if not chosen or any(row.get(check["column"]) is None for row in chosen):
        return f"{path.name} has no row {place} of column {check['column']}"
    reasons = (_wrong_value(check, row[check["column"]]) for row in chosen)
    return next((f"{path.name}, {check['column']}: {reason}" for reason in reasons if reason), None)


def _wrong_leaves(check: Mapping[str, Any], documents: list[Any]) -> str | None:
    wanted = re.compile(check["json"])
    leaves = [(path, leaf) for document in documents for path, leaf in _leaves(document) if wanted.fullmatch(path)]
    reasons = [_wrong_value(check, leaf) for _, leaf in leaves]
    if leaves and (not any(reasons) or (check.get("some") and not all(reasons))):
        return None
    if not leaves:
        return f"the JSON has nothing at {check['json']}"
    return next(f"{path} {reason}" for (path, _), reason in zip(leaves, reasons, strict=True) if reason)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each leaf of a JSON value with its path, such as report.counts.train[0]."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{number}]")
    else:
        yield path, value


def _wrong_value(check: Mapping[str, Any], value: Any) -> str | None:
    if "like" in check:
        return None if re.search(check["like"], str(value)) else f"must match {check['like']!r}, is {value!r}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if "equals" in check:
        good = str(value) == str(check["equals"])
        if not good and isinstance(check["equals"], (int, float)) and not isinstance(check["equals"], bool):
            good = number == check["equals"]
        return None if good else f"must be {check['equals']!r}, is {value!r}"
    good = not math.isnan(number)
    good = good and abs(number - check.get("near", number)) <= check.get("tolerance", 1e-6)
    good = good and check.get("min", -math.inf) <= number <= check.get("max", math.inf)
    limits = " ".join(f"{name} {check[name]}" for name in ("near", "tolerance", "min", "max") if name in check)
    return None if good else f"must be {limits}, is {value!r}"
