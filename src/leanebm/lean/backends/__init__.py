"""The kinds of Lean worker that there are. All of them speak one protocol."""

from leanebm.lean.backends.command import CommandBackend
from leanebm.lean.backends.embedded import EmbeddedBackend
from leanebm.lean.backends.native import NativeBackend
from leanebm.lean.backends.pantograph import PantographBackend

__all__ = ["CommandBackend", "EmbeddedBackend", "NativeBackend", "PantographBackend"]
