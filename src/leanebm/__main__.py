"""``python -m leanebm`` is the ``leanebm`` command."""

from leanebm.cli import main

if __name__ == "__main__":
    main()
