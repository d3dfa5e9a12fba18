"""The ``leanebm`` command: parse, call :mod:`leanebm.pipeline`, print. One file a command."""

from leanebm.cli.main import main

__all__ = ["main"]
