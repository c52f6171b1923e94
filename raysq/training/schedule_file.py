"""Settings that changed in the middle of a run, in its `schedule.json`."""

from typing import Any, TypedDict

from raysq.storage.json_files import read_json
from raysq.training.run_files import RunFiles

SCHEDULE = "schedule.json"


class Change(TypedDict):
    """Schema of one object of `schedule.json`.

    Attributes:
        epoch: finished epochs after which the settings hold.
        trial: trial whose weights they were applied to.
        settings: searched settings.
    """

    epoch: int
    trial: str
    settings: dict[str, Any]


def read_schedule(run: RunFiles) -> list[dict[str, Any]]:
    """Return the settings of a run by epoch; an empty list for a run whose settings did not change.

    The run of a trial that went on from the weights of another one has the settings that these weights were trained
    with.

    Raises:
        DamagedError: the file is truncated or changed.
    """
    hint = "remove it: which settings the run had when is then not known"
    return [dict(change) for change in read_json(run.directory / SCHEDULE, list[Change], hint, missing=[])]
