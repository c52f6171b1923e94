"""Goodput of a run in its report: its time by cause, and its attempts."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from raysq.display.numbers import DASH, seconds
from raysq.problems.charts import Table
from raysq.report.markup import Markup
from raysq.report.sections import part
from raysq.report.tables import draw_table
from raysq.training.goodput import Attempt, Goodput, summarize

_CAUSES = {
    "training": "training steps and validation that count",
    "repeated": "steps lost and trained again",
    "starting": "starts: processes, imports, data, first call",
    "checkpoints": "waiting for checkpoints",
    "restarting": "from the loss or pause of workers to the next group",
    "stopped": "between a command and the one that continued",
    "finishing": "best epoch measured, model exported",
    "other": "other: callbacks, reports",
}
_LEAST_SECONDS = 0.05  # causes below are left out


def goodput_part(attempts: Sequence[Attempt], state: str, *, level: int = 2) -> Markup | None:
    """Return the time of a run by cause, or None for a run of an older raysq, which has no record of it.

    Args:
        attempts: attempts of the run, in order.
        state: state of the run, from `raysq.training.run_files.RunFiles.state`.
        level: level of the heading.
    """
    if not attempts:
        return None
    goodput = summarize(attempts)
    end = "the end" if state == "finished" else "the last record"
    note = (
        f"{_share(goodput.training, goodput)} of the {seconds(goodput.total)} from the first start to {end} went into "
        "training that counts."
    )
    tables = [draw_table(_by_cause(goodput))]
    if len(attempts) > 1:
        tables.append(draw_table(_by_attempt(attempts, state)))
    return part("Goodput", *tables, note=note, level=level)


def _by_cause(goodput: Goodput) -> Table:
    times = asdict(goodput)
    rows = [
        [words, seconds(times[cause]), _share(times[cause], goodput)]
        for cause, words in _CAUSES.items()
        if times[cause] >= _LEAST_SECONDS or cause == "training"
    ]
    return Table(["", "time", "share"], rows)


def _share(part_seconds: float, goodput: Goodput) -> str:
    return f"{part_seconds / goodput.total if goodput.total else 0.0:.1%}".replace("%", " %")


def _by_attempt(attempts: Sequence[Attempt], state: str) -> Table:
    rows = []
    for number, attempt in enumerate(attempts, 1):
        began = datetime.fromtimestamp(attempt.began, UTC).strftime("%Y-%m-%d %H:%M:%S")
        steps = f"{attempt.first_step:,} {DASH} {attempt.step:,}"
        following = attempts[number] if number < len(attempts) else None
        trained = seconds(max(0.0, attempt.seconds - attempt.seconds_before))
        rows.append([str(number), began, str(attempt.replicas), steps, trained, _end(attempt, following, state)])
    return Table(["attempt", "began (UTC)", "replicas", "steps", "trained for", "ended"], rows)


def _end(attempt: Attempt, following: Attempt | None, state: str) -> str:
    """Return how an attempt ended, in words."""
    if attempt.reason == "finished":
        return "finished"
    if attempt.reason == "paused":
        return "for other workers or nodes"
    if following is not None and following.command == attempt.command:
        return "workers were lost"
    if following is None and state == "running":
        return "running"
    return {"interrupted": "interrupted", "failed": "by an error"}.get(attempt.reason, "killed")
