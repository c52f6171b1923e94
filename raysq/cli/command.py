"""Run one command, from its arguments to its exit status."""

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence

from raysq.cli.parser import parser
from raysq.cli.renamed import refuse_renamed_command
from raysq.cli.stop import INTERRUPTED, StopSignals
from raysq.display.terminal import print_message
from raysq.errors import Interrupted, RaysqError, UsageError
from raysq.storage.uris import redact_text


def run(arguments: Sequence[str] | None, stops: StopSignals) -> int:
    """Run a command.

    Args:
        arguments: The arguments. Defaults to those of the process where None.
        stops: The signal handlers of the process.

    Returns:
        The exit status, as for `raysq.cli.main`.

    Raises:
        KeyboardInterrupt: If a signal ended the command.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    whole = parser(arguments[0] if arguments else "")
    refuse_renamed_command(whole, arguments)
    options = whole.parse_args(arguments)
    if options.debug:
        os.environ["RAYSQ_DEBUG"] = "1"
    options.stdout = sys.stdout
    try:
        # Output of a user's own model must not mix with a result that a program reads.
        with contextlib.redirect_stdout(sys.stderr if getattr(options, "json", False) else sys.stdout):
            return options.run(options) or 0
    except Interrupted as error:
        stops.reported = True
        return _fail(error, INTERRUPTED)
    except BrokenPipeError:
        # The reader, such as `| head`, has closed the pipe. Prevent an error when Python flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if stops.received:  # a library has replaced the KeyboardInterrupt
            raise KeyboardInterrupt from None
        if isinstance(error, RaysqError):
            return _fail(error, 2 if isinstance(error, UsageError) else 1)
        line = _system_line(error)
        return _fail_unforeseen(error) if line is None else _fail(line, 1)


def _system_line(error: Exception) -> str | None:
    """Return the message for an error of the operating system, whichever library raised it.

    Covers full or read-only disks, missing permissions and names that are too long. Returns None for other errors.
    """
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{str(error.filename)[:60]}... is longer than the name of a file can be; take a shorter one"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        where = f"{error.filename} cannot be written" if error.filename else "a file cannot be written"
        return f"{where}: {error.strerror}; make room or set RAYSQ_HOME, and the same command goes on"
    if isinstance(error, PermissionError) and error.filename:
        return f"{error.filename} cannot be opened: {error.strerror}; take another file, or another RAYSQ_HOME"
    if "No space left on device" in str(error):  # errors of TensorFlow and Arrow
        return "no space left on the disk: make room or set RAYSQ_HOME, and the same command goes on"
    return None


def _fail_unforeseen(error: Exception) -> int:
    """Print the traceback of an unexpected error and return the exit status 1."""
    print_message(redact_text("".join(traceback.format_exception(error)).rstrip()), lines=True)
    return 1


def _fail(error: object, code: int) -> int:
    if isinstance(error, Exception) and os.environ.get("RAYSQ_DEBUG"):
        _fail_unforeseen(error)
    print_message(f"raysq: {redact_text(' '.join(str(error).split()))}")
    return code
