"""Serve runs over HTTP, from this process and replicas on Ray."""

import contextlib
import logging
import re
import socket
import time
import uuid
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from raysq.distributed.lost_work import is_loss
from raysq.errors import MissingPackageError, ResourceError, UsageError
from raysq.serving.access import Access
from raysq.serving.application import MAX_BODY, Application
from raysq.serving.batcher import MOST_WAITING
from raysq.serving.description import ServedRun
from raysq.serving.named_runs import Runs, open_runs
from raysq.serving.server import HttpServer, listen

HOST, PORT = "127.0.0.1", 8000
_WATCH_SECONDS = 1.0


class Server:
    """Server of runs, which answers until it is stopped. It is a context manager that stops it at the end.

    Attributes:
        address: address for clients, such as "http://127.0.0.1:8000".
        token: token that requests must have, or None.
        page: address of the page, with the token in its fragment.
        runs: names of the served runs.
    """

    def __init__(self, address: str, token: str | None, runs: Sequence[str], stack: contextlib.ExitStack):
        self.address = address
        self.token = token
        self.page = f"{address}/#token={quote(token, safe='')}" if token else address
        self.runs = tuple(runs)
        self._stack = stack
        self._http: HttpServer | None = None

    def __repr__(self) -> str:
        return f"<Server {self.address} {' '.join(self.runs)}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait(self) -> None:
        """Wait until the server has stopped."""
        while self._http is not None and self._http.is_running():
            time.sleep(_WATCH_SECONDS)

    def stop(self) -> None:
        """Answer the requests that have come, and stop. Replicas end, and so does Ray if the server has started it."""
        self._stack.close()
        self._http = None


def serve(
    runs: Runs,
    *,
    host: str = HOST,
    port: int = PORT,
    replicas: int = 1,
    gpu: bool = False,
    max_body: int = MAX_BODY,
    max_waiting: int = MOST_WAITING,
    trust: bool = False,
) -> Server:
    """Serve runs over HTTP, with a page for the browser.

    The HTTP server runs in this process. The models run in replicas of Ray Serve: on the cluster that this process is
    connected to or that RAY_ADDRESS names, else on a local one that is started. See docs/serving.md for paths.

    Args:
        runs: a run, its id or directory; or several, each named after its task, or by a mapping of names to runs.
        host: address to listen on. On others than loopback requests need a token: that of the environment variable
            RAYSQ_SERVE_TOKEN, or a random one.
        port: port; 0 for a free one.
        replicas: processes of each run.
        gpu: use a GPU for each replica.
        max_body: most bytes of a request's body.
        max_waiting: most requests that wait for a run; further ones get status 503.
        trust: as for `raysq.load`.

    Returns:
        The server, once it answers.

    Raises:
        UsageError: a value is out of range, or two runs have one name.
        DataError: there is no such run, or it has no model.
        ResourceError: the port is taken, or the cluster has too few CPUs or GPUs.
        MissingPackageError: Ray Serve is not installed.

    Example:
        >>> with raysq.serve({"reviews": "imdb-multihot"}) as server:
        ...     requests.post(f"{server.address}/predict", json={"inputs": ["a fine film"]}).json()
    """
    for name, value in (("replicas", replicas), ("max_body", max_body), ("max_waiting", max_waiting)):
        if value < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be at least 1, received {value}")
    served = open_runs(runs, trust=trust)
    check_installed()
    access = Access.of_host(host)
    with contextlib.ExitStack() as stack:
        sock = listen(host, port)
        stack.callback(sock.close)
        for each in served:
            each.description  # noqa: B018 - a damaged run is found before Ray starts
        backends, ready = _deploy(stack, served, replicas, gpu, max_waiting)
        http = HttpServer(Application(served, backends, access, ready, max_body), sock)
        stack.callback(http.stop)
        http.start()
        server = Server(_address(sock, host), access.token, [each.name for each in served], stack.pop_all())
        server._http = http
        return server


def check_installed() -> None:
    """Raise `MissingPackageError` unless Ray Serve is installed."""
    try:
        import starlette  # noqa: F401
        import uvicorn.protocols.http.httptools_impl  # noqa: F401
        from ray import serve  # noqa: F401
    except ImportError as error:
        text = f"raysq serve needs Ray Serve ({error.name or error} is missing)"
        raise MissingPackageError(text, "pip install 'raysq[serve]'") from None


def _deploy(
    stack: contextlib.ExitStack, served: Sequence[ServedRun], replicas: int, gpu: bool, most_waiting: int
) -> tuple[Any, Any]:
    """Deploy an application for each run, and return the backends and the function that names runs that are missing."""
    from raysq.distributed.cluster import check_resources, cores, ensure_ray, has_cluster
    from raysq.distributed.idle import release_idle
    from raysq.serving.deployments import Scale, backend, model_deployment, readiness
    from raysq.training.backends.driver_context import DriverContext

    count = replicas * len(served)
    own = not has_cluster()
    # Models that wait cost nothing: a local cluster has room for all replicas, however few cores there are.
    ensure_ray(**({"num_cpus": max(cores(), count)} if own else {}))
    release_idle()
    import ray
    from ray import serve
    from ray.serve.schema import LoggingConfig

    if own:
        stack.callback(ray.shutdown)
    scale = Scale(replicas, gpu, max(1, cores() // count) if own else 1)
    check_resources(scale.needs, "a replica", count)
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    stack.enter_context(_losses_untold())
    began = not _has_serve()
    serve.start(proxy_location="Disabled", logging_config=LoggingConfig(enable_access_log=False))
    if began:
        stack.callback(serve.shutdown)
    mark = uuid.uuid4().hex[:8]
    names = {each.name: f"raysq-{each.name}-{mark}" for each in served}
    driver = DriverContext.current()
    targets = [
        serve.RunTarget(
            model_deployment(each.name, each.run.resolved(), scale, driver),
            name=names[each.name],
            route_prefix=None,
            logging_config=LoggingConfig(enable_access_log=False),
        )
        for each in served
    ]
    if not began:  # else all applications end with Serve
        for name in names.values():
            stack.callback(serve.delete, name)
    try:
        handles = serve.run_many(targets)
    except RuntimeError as error:
        raise ResourceError(_reason(str(error))) from None
    backends = {
        each.name: backend(handle, replicas, most_waiting) for each, handle in zip(served, handles, strict=True)
    }
    return backends, readiness({name: (application, name) for name, application in names.items()})


@contextlib.contextmanager
def _losses_untold() -> Iterator[None]:
    """Let asyncio tell no errors of lost replicas, within the block.

    Serve's router asks replicas for the length of their queues in tasks that nobody waits for. Their requests are sent
    again, and `Batcher` tells what is lost for good.
    """

    def is_other(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return error is None or not is_loss(error)

    logger = logging.getLogger("asyncio")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def _has_serve() -> bool:
    """Whether Serve runs on the cluster already."""
    import ray
    from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE

    try:
        ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE)
    except ValueError:
        return False
    return True


def _reason(text: str) -> str:
    """Return the line of Serve's message, which holds tracebacks, that says why a deployment failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    found = [line for line in lines if re.match(r"(raysq\.errors\.)?\w*Error: ", line)]
    line = re.sub(r"^(raysq\.errors\.)?(?=\w*Error: )", "", (found or lines or ["Serve gives no reason"])[-1])
    return f"a replica does not start: {line}"


def _address(sock: socket.socket, host: str) -> str:
    port = sock.getsockname()[1]
    name = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"
