"""Imported before the rest of the package: says what to install where what it stands on is not there."""

from __future__ import annotations

from leanebm._extras import extra_needed

with extra_needed("energy", "leanebm.energy"):
    import numpy as np  # noqa: F401 - only whether they are there
    import safetensors  # noqa: F401
    import torch  # noqa: F401
