"""How much memory a Lean worker takes: what is planned for one, and at which size one is replaced."""

from __future__ import annotations

from typing import Final

EMBEDDED_WORKER_MIB: Final = 600
"""To plan for an embedded worker: it has 380 when it is ready (``benchmarks/embedded_lean.py``), and grows with what it
runs; of five that were at work on theorems of core Lean, the largest had 583."""

MAX_RSS_MIB: Final = 3072
"""At which a worker over Lean's own library is replaced when nothing else was set."""

MAX_RSS_MIB_WITH_MORE: Final = 12288
"""The same over anything else. What a project's modules hold is mapped into memory and counts as resident, although
workers share it: of Mathlib, 6.5 GB in July 2026 (docs/mathlib.md)."""
