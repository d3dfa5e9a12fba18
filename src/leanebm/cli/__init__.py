"""The ``leanebm`` command: parse, call :mod:`leanebm.pipeline`, print. One file per command."""

from leanebm.cli._main import main

__all__ = ["main"]
