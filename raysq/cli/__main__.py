"""`python -m raysq.cli`, where the `raysq` script is not on the path."""

import sys

from raysq.cli import main

if __name__ == "__main__":
    sys.exit(main())
