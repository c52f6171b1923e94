"""`raysq serve`: serve runs over HTTP, or write the configuration for a cluster."""

import argparse
from typing import Any

from raysq.cli.output import write_result
from raysq.errors import Interrupted, ResourceError, UsageError


def add(sub: argparse.ArgumentParser) -> None:
    """Add the options of `raysq serve` to its parser."""
    sub.add_argument(
        "run_names",
        metavar="RUN",
        nargs="+",
        help="Id of a run, a prefix of it, or the run's directory. NAME=RUN names it for clients; by default it has "
        "the name of its task.",
    )
    sub.add_argument("--host", default="127.0.0.1", help="Address to listen on. Others than loopback need a token.")
    sub.add_argument("--port", type=int, default=8000, metavar="N", help="Port. 0 takes a free one.")
    sub.add_argument("--replicas", type=int, default=1, metavar="N", help="Number of processes for each run.")
    sub.add_argument("--gpu", action="store_true", help="Use a GPU for each replica.")
    sub.add_argument("--max-body", type=int, default=32, metavar="MB", help="Maximum size of a request's body.")
    sub.add_argument(
        "--max-waiting", type=int, default=512, metavar="N", help="Maximum number of waiting requests of a run."
    )
    sub.add_argument(
        "--blueprint",
        action="store_true",
        help="Serve nothing, and write files for a cluster: a Serve config for `serve deploy`, and a RayService for "
        "KubeRay.",
    )
    sub.add_argument("--output", metavar="DIR", help="Folder of the files of --blueprint. Defaults to the current one.")


def serve(options: argparse.Namespace) -> None:
    from raysq.serving.serve import serve

    if options.blueprint:
        return _blueprint(options)
    if options.output is not None:
        raise UsageError("--output goes with --blueprint")
    server = serve(
        options.run_names,
        host=options.host,
        port=options.port,
        replicas=options.replicas,
        gpu=options.gpu,
        max_body=options.max_body << 20,
        max_waiting=options.max_waiting,
        trust=options.trust,
    )
    with server:
        result = {"address": server.address, "token": server.token, "runs": list(server.runs)}

        def show(console: Any) -> None:
            console.print(f"serving {', '.join(server.runs)} at {server.page}", highlight=False)

        write_result(options, result, show)
        options.stdout.flush()  # who reads it from a pipe must not wait for the end
        try:
            server.wait()
        except KeyboardInterrupt:
            raise Interrupted("the server has stopped") from None
    raise ResourceError("the server has ended by itself")


def _blueprint(options: argparse.Namespace) -> None:
    from raysq.serving.blueprint import write_blueprint

    result = write_blueprint(
        options.run_names,
        options.output or ".",
        host=options.host,
        port=options.port,
        replicas=options.replicas,
        gpu=options.gpu,
        trust=options.trust,
    )
    write_result(options, result, lambda console: console.print(*result.values(), sep="\n"))
