"""The table of docs/reliability.md, made from the results of run.py.

python tests/faults/table.py    # writes it anew; test_reliability.py fails where it is not current
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from faults.kinds import KINDS
from faults.run import RESULTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
HEADING = "## Measured\n"


def table() -> str:
    """The section as Markdown."""
    results = json.loads(RESULTS.read_text())
    versions = ", ".join(f"{name} {version}" for name, version in sorted(results["versions"].items()))
    run = results["run"]
    times = max(map(len, results["faults"].values()))
    commits = sorted({fault["commit"] for faults in results["faults"].values() for fault in faults.values()})
    lines = [
        f"`python tests/faults/run.py --times {times}` repeats this: {run['steps']:,} steps with a checkpoint every",
        f"{run['checkpoint_steps']}, two workers; {results['machine']}, shared with other work; {versions};",
        f"raysq at {', '.join(commits)}.",
        "As promised: the final bits are those of an undisturbed run, training continued from no older checkpoint than",
        "the last one, each fault but that of the command was told in one line, and no process or file was left over.",
        "Noticed: seconds until that line was printed, median and largest.",
        "",
        "| fault | times | as promised | noticed (s) |",
        "|---|---|---|---|",
    ]
    for kind, title in ((name, kind.title) for name, kind in KINDS.items()):
        faults = list(results["faults"].get(kind, {}).values())
        if not faults:
            lines.append(f"| {title} | not run yet | | |")
            continue
        good = sum(not fault["problems"] for fault in faults)
        noticed = [seconds for fault in faults for seconds in fault["noticed"]]
        times = f"{statistics.median(noticed):.1f}, {max(noticed):.1f}" if noticed else ""
        lines.append(f"| {title} | {len(faults)} | {good} | {times} |")
    lines += exceptions(results["faults"])
    return "\n".join(lines) + "\n"


def exceptions(found: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """A line about each fault that did not end as promised."""
    bad = [
        f"- {KINDS[kind].title}, fault {number} (at step {fault['steps'][-1]:,}): {'; '.join(fault['problems'])}"
        for kind, faults in sorted(found.items())
        for number, fault in faults.items()
        if fault["problems"]
    ]
    return ["", "Not as promised:", "", *bad] if bad else []


def page() -> str:
    """The page with the present table."""
    return PAGE.read_text().split(HEADING)[0] + HEADING + "\n" + table()


if __name__ == "__main__":
    PAGE.write_text(page())
