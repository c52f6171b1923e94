"""The `raysq` command. Commands import what they need lazily, so that `raysq --help` is fast."""

import gc
from collections.abc import Sequence

from raysq.cli.stop import INTERRUPTED, LINE, StopSignals


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments. Defaults to those of the process.

    Returns:
        The exit status: 0 on success, 1 on a failure with one line on standard error, 2 on a usage error, and 130 when
        interrupted.
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
        if not stops.reported:
            from raysq.display.terminal import print_message

            stops.reported = True
            print_message(LINE)
        return INTERRUPTED
    finally:
        stops.raising = False
        if arguments is not None:  # called from Python: the process continues after the command
            stops.restore()
        else:
            # At exit Python looks through all objects for garbage, which takes a second after an import of TensorFlow.
            gc.freeze()
