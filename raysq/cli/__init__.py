"""The `raysq` command. Imports are inside the commands: `raysq --help` must feel instant."""

from collections.abc import Sequence

from raysq.cli.stop import INTERRUPTED, LINE, StopSignals


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: those of the process if left out.

    Returns:
        0 on success, 1 on a failure with one line on standard error, 2 on a usage error, 130 when interrupted.
    """
    stops = StopSignals()
    stops.install()
    try:
        stops.raising = True
        from raysq.cli.command import run

        status = run(arguments, stops)
        stops.raising = False
        return status
    except (KeyboardInterrupt, SystemExit) as error:
        stops.raising = False
        if isinstance(error, SystemExit) and not stops.received:
            raise
        if not stops.said:
            from raysq.display.terminal import print_message

            stops.said = True
            print_message(LINE)
        return INTERRUPTED
    finally:
        stops.raising = False
        if arguments is not None:  # the process goes on with something else
            stops.restore()
