"""The ``leanebm`` command: parse, call :mod:`leanebm.pipeline`, print. One file per command.

A command imports what does its work when it is called, so that ``--help`` and completion cost next to nothing.
"""

from leanebm.cli._main import main

__all__ = ["main"]
