"""MLflow as a tracker: its server or store, and the experiment, are those of MLflow's environment variables."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raysq.training.trackers.tracker import Status

_BATCH = 100  # parameters of one request
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


class MLflow:
    """A run of MLflow; see `Tracker`.

    Only the client is used, so a run that the user's own script has open is not touched.
    """

    def __init__(self) -> None:
        # A server that does not answer is tried again later anyway.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        import mlflow

        self.server = mlflow.get_tracking_uri()
        self._client: Any = mlflow.MlflowClient()
        self._id = ""

    def begin(self, directory: Path, group: str, known: str | None, parent: str | None) -> str:
        if known is not None:
            self._id = known
            self._client.update_run(known, status="RUNNING")
            return known
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", group)
        existing = self._client.get_experiment_by_name(experiment)
        experiment_id = existing.experiment_id if existing else self._client.create_experiment(experiment)
        tags = {} if parent is None else {"mlflow.parentRunId": parent}
        self._id = self._client.create_run(experiment_id, run_name=directory.name, tags=tags).info.run_id
        return self._id

    def log_parameters(self, parameters: Mapping[str, object], tags: Mapping[str, str]) -> None:
        from mlflow.entities import Param, RunTag

        entities = [Param(key, str(value)) for key, value in parameters.items()]
        for begin in range(0, len(entities), _BATCH):
            self._client.log_batch(self._id, params=entities[begin : begin + _BATCH])
        self._client.log_batch(self._id, tags=[RunTag(key, value) for key, value in tags.items()])

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._id, metrics=[Metric(key, value, now, step) for key, value in metrics.items()])

    def log_file(self, path: Path) -> None:
        self._client.log_artifact(self._id, str(path))

    def end(self, status: Status) -> None:
        self._client.set_terminated(self._id, status=_STATUS[status])
