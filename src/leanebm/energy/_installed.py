"""Imported before the rest of the package: if torch or another package is missing, says what to install."""

from __future__ import annotations

from leanebm._extras import extra_needed

with extra_needed("energy", "leanebm.energy"):
    import numpy as np  # noqa: F401 - only whether they are there
    import safetensors  # noqa: F401
    import torch  # noqa: F401
