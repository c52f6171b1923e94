"""The `raysq` command. Imports are inside the commands: `raysq --help` must feel instant."""

import os
import sys
from collections.abc import Sequence

from raysq.cli.parser import parser
from raysq.errors import Interrupted, RaysqError, UsageError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0 on success, 1 on a failure with one line on standard error, 2 on a usage error, 130 when interrupted.
    """
    options = parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except UsageError as error:
        return _fail(error, 2)
    except Interrupted as error:
        return _fail(error, 130)
    except RaysqError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted; the same command continues", 130)
    except BrokenPipeError:
        # The reader (`| head`) has gone; keep Python from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _fail(error: object, code: int) -> int:
    print(f"raysq: {' '.join(str(error).split())}", file=sys.stderr)
    return code
