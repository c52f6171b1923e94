"""`python -m raysq` is the `raysq` command."""

import sys

from raysq.cli import main

if __name__ == "__main__":
    sys.exit(main())
