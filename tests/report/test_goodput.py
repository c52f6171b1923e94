"""The goodput of a run in its report: shares of its time, and how each attempt ended."""

import re

from raysq.report.goodput import goodput_part
from raysq.training.goodput import Attempt


def attempt(command, began, ended, steps, trained, reason="", **values):
    return Attempt(
        command, began, ended, 2, *steps, *trained, **{"first_call": 2.0, "starting": 6.0, **values}, reason=reason
    )


KILLED = attempt(1000, 1003, 1050, (0, 400), (0.0, 40.0))
RESTARTED = attempt(1000, 1062, 1120, (300, 800), (30.0, 80.0), reason="interrupted")
CONTINUED = attempt(1200, 1201, 1280, (800, 1600), (80.0, 150.0), "finished", checkpoints=1.5, finishing=0.5)


def cells(attempts, state):
    """The text of each row of the tables."""
    rows = re.findall("<tr.*?</tr>", str(goodput_part(attempts, state)), re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in rows]


def test_a_run_of_one_attempt_has_one_table():
    rows = cells([CONTINUED], "finished")
    assert rows[0] == ["", "time", "share"]
    assert rows[1] == ["training steps and validation that count", "1 min 08 s", "85.0 %"]
    assert [row[0].split(":")[0] for row in rows[2:]] == [
        "starts",
        "waiting for checkpoints",
        "best epoch measured, model exported",
        "other",
    ]


def test_attempts_say_why_they_ended():
    whole = cells([KILLED, RESTARTED, CONTINUED], "finished")
    rows = {row[0]: row[1:] for row in whole}
    assert rows["steps lost and trained again"][0] == "10 s"
    assert rows["from the loss or pause of workers to the next group"][0] == "12 s"
    assert rows["between a command and the one that continued"][0] == "1 min 20 s"
    assert [row[-1] for row in whole[-3:]] == ["workers were lost", "interrupted", "finished"]
    assert whole[-2][:4] == ["2", "1970-01-01 00:17:42", "2", "300 \u2013 800"]


def test_an_attempt_may_have_made_way_for_other_workers():
    paused = attempt(1000, 1062, 1120, (300, 800), (30.0, 80.0), reason="paused")
    assert [row[-1] for row in cells([paused, CONTINUED], "finished")[-2:]] == [
        "for other workers or nodes",
        "finished",
    ]


def test_the_last_attempt_of_a_run_that_has_not_finished_runs_or_was_killed():
    assert cells([CONTINUED, KILLED], "running")[-1][-1] == "running"
    assert cells([CONTINUED, KILLED], "interrupted")[-1][-1] == "killed"
    assert "to the last record went" in str(goodput_part([KILLED], "interrupted"))


def test_a_run_of_an_older_raysq_has_no_such_part():
    assert goodput_part([], "finished") is None
