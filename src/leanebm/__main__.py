"""``python -m leanebm`` is the ``leanebm`` command."""

import atexit
import gc
import sys


def run() -> None:
    """Load the command and run it; Ctrl-C ends it without a traceback while it is still loading, too."""
    atexit.register(gc.freeze)  # to look for garbage among all that was loaded, at the end, takes a sixth of loading it
    try:
        from leanebm.cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)  # leanebm.cli's INTERRUPTED, which may not be loaded yet


if __name__ == "__main__":
    run()
