"""`python -m repose_jax COMMAND`: the commands without the installed script `repose`."""

import sys

from repose_jax.cli import main

if __name__ == "__main__":
    sys.exit(main())
