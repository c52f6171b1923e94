"""Deployments of Ray Serve: one for each run, and, for clusters, one that answers HTTP."""

import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from raysq.serving.access import Access
from raysq.serving.application import MAX_BODY, Application, Backend
from raysq.serving.batcher import MOST_WAITING, Batcher
from raysq.serving.description import ServedRun
from raysq.serving.messages import Answer, Request
from raysq.serving.model_replica import ModelReplica
from raysq.serving.named_runs import open_runs
from raysq.training.backends.driver_context import DriverContext
from raysq.training.run import Run

if TYPE_CHECKING:
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response

INGRESS = "http"
_READINESS_SECONDS = 1.0  # between two questions to Serve


@dataclass(frozen=True)
class Scale:
    """Size of each run's deployment.

    Attributes:
        replicas: number of replicas.
        gpu: whether a replica has a GPU.
        threads: TensorFlow's threads of a replica.
    """

    replicas: int = 1
    gpu: bool = False
    threads: int = 1

    @property
    def needs(self) -> dict[str, float]:
        """Ray resources of a replica."""
        return {"CPU": 1.0, "GPU": 1.0 if self.gpu else 0.0}


def model_deployment(
    name: str, run: Run | str, scale: Scale, driver: DriverContext | None = None, trust: bool = False
) -> Any:
    """Return the Serve application node of a run: a deployment of the run's name, with its arguments bound."""
    from ray import serve

    deployment = serve.deployment(
        ModelReplica,
        name=name,
        num_replicas=scale.replicas,
        # One batch is computed while the next one waits. A second HTTP server waits its turn in Serve's router.
        max_ongoing_requests=2,
        max_constructor_retry_count=2,
        ray_actor_options={"num_cpus": scale.needs["CPU"], "num_gpus": scale.needs["GPU"]},
        health_check_period_s=2.0,  # a replica that has ended is replaced after that time
        health_check_timeout_s=60.0,
        graceful_shutdown_wait_loop_s=0.1,
        graceful_shutdown_timeout_s=5.0,
    )
    return deployment.bind(name, run, driver, scale.gpu, scale.threads, trust)


def backend(handle: Any, replicas: int, most_waiting: int) -> Backend:
    """Return the backend of a run's deployment handle."""

    async def send(requests: Sequence[Request]) -> list[Answer]:
        answers: list[Answer] = await handle.answer.remote(list(requests))
        return answers

    async def columns() -> list[tuple[str, str]]:
        names: list[tuple[str, str]] = await handle.columns.remote()
        return names

    return Backend(Batcher(send, replicas, most_waiting), columns)


def readiness(applications: Mapping[str, tuple[str, str]]) -> Callable[[], Awaitable[list[str]]]:
    """Return a function that names the runs without a running replica.

    Its answer is a second old at most. One process asks for it at a time.

    Args:
        applications: names of the Serve application and of its deployment, by the run's name.
    """
    import asyncio

    def missing() -> list[str]:
        from ray import serve

        status = serve.status().applications
        return [name for name, place in applications.items() if not _has_replica(status, *place)]

    # Anybody may ask for readiness, as often as they like: Serve's controller is asked once a second.
    asked = -math.inf
    asking: asyncio.Future[list[str]] | None = None

    async def ask() -> list[str]:
        nonlocal asked, asking
        if asking is None or (asking.done() and time.monotonic() - asked >= _READINESS_SECONDS):
            asked, asking = time.monotonic(), asyncio.ensure_future(asyncio.to_thread(missing))
        return await asyncio.shield(asking)

    return ask


def _has_replica(applications: Mapping[str, Any], application: str, deployment: str) -> bool:
    found = applications.get(application)
    states = found.deployments[deployment].replica_states if found and deployment in found.deployments else {}
    return bool(states.get("RUNNING", 0))


class Ingress:
    """Replica of a Serve deployment that answers HTTP for the runs of its application.

    Args:
        runs: served runs by name, each an id or directory that this node finds.
        models: handle of each run's deployment.
        host: address of Serve's proxies, which decides on the token.
        replicas: replicas of each run.
        trust: as for `raysq.load`.
    """

    def __init__(self, runs: Mapping[str, str], models: Mapping[str, Any], host: str, replicas: int, trust: bool):
        from ray import serve

        application = serve.get_replica_context().app_name
        served: Sequence[ServedRun] = open_runs(runs, trust=trust)
        self._application = Application(
            served,
            {name: backend(handle, replicas, MOST_WAITING) for name, handle in models.items()},
            Access.of_host(host, draw=False),
            readiness({name: (application, name) for name in runs}),
            MAX_BODY,
        )

    async def __call__(self, request: "HttpRequest") -> "Response":
        """Answer an HTTP request of Serve's proxy."""
        return await self._application.respond(request)


def application(arguments: Mapping[str, Any]) -> Any:
    """Return the Serve application of a configuration that `raysq serve --blueprint` wrote.

    Args:
        arguments: `runs` (ids by name), `host`, `replicas`, `gpu` and `trust`.
    """
    from ray import serve

    runs: dict[str, str] = dict(arguments["runs"])
    host, trust = str(arguments["host"]), bool(arguments.get("trust", False))
    scale = Scale(int(arguments.get("replicas", 1)), bool(arguments.get("gpu", False)))
    models = {name: model_deployment(name, run, scale, trust=trust) for name, run in runs.items()}
    ingress = serve.deployment(
        Ingress,
        name=INGRESS,
        max_ongoing_requests=4 * MOST_WAITING,
        ray_actor_options={"num_cpus": 0.5},
    )
    return ingress.bind(runs, models, host, scale.replicas, trust)
