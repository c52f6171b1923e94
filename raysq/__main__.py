"""Entry point of `python -m raysq`, for environments where the `raysq` script is not on the path."""

import os
import sys

# Python puts the current folder before all installed packages, so a `tensorboard.py` there would be imported.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
    del sys.path[0]

from raysq.cli import main

if __name__ == "__main__":
    sys.exit(main())
