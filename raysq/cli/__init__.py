"""The `raysq` command. Imports are inside the commands: `raysq --help` must feel instant."""

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence

from raysq.cli.parser import parser
from raysq.errors import Interrupted, RaysqError, UsageError
from raysq.terminal import print_message
from raysq.uris import redact_text


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0 on success, 1 on a failure with one line on standard error, 2 on a usage error, 130 when interrupted.
    """
    options = parser().parse_args(arguments)
    if options.debug:
        os.environ["RAYSQ_DEBUG"] = "1"
    options.stdout = sys.stdout
    try:
        # What a user's own model prints must not come between the lines of a result that a program reads.
        with contextlib.redirect_stdout(sys.stderr if getattr(options, "json", False) else sys.stdout):
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
    except Exception as error:
        said = _no_room(error)
        if said is None:
            return _fail_unforeseen(error)
        return _fail(said, 1)


def _no_room(error: Exception) -> str | None:
    """The line for a disk that takes nothing more, whichever library met it; None for another error."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        where = f"{error.filename} cannot be written" if error.filename else "a file cannot be written"
        return f"{where}: {error.strerror}; make room or set RAYSQ_HOME, and the same command goes on"
    if isinstance(error, PermissionError) and error.filename:
        return f"{error.filename} cannot be opened: {error.strerror}; take another file, or another RAYSQ_HOME"
    if "No space left on device" in str(error):  # TensorFlow's and Arrow's own errors
        return "no space left on the disk: make room or set RAYSQ_HOME, and the same command goes on"
    return None


def _fail_unforeseen(error: Exception) -> int:
    """The traceback of an error that nobody foresaw."""
    print_message(redact_text("".join(traceback.format_exception(error)).rstrip()), lines=True)
    return 1


def _fail(error: object, code: int) -> int:
    if isinstance(error, Exception) and os.environ.get("RAYSQ_DEBUG"):
        _fail_unforeseen(error)
    print_message(f"raysq: {redact_text(' '.join(str(error).split()))}")
    return code
