"""`python -m raysq`, where the `raysq` script is not on the path."""

import os
import sys

# Python has put the current folder before all installed packages: a `tensorboard.py` there would be run.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()]:
    del sys.path[0]

from raysq.cli import main

if __name__ == "__main__":
    sys.exit(main())
