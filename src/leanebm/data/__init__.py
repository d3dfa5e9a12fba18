"""Theorems to prove: files of one's own, the bundled set, and Lean's own library."""

from leanebm.data._checks import theorem_problems
from leanebm.data.bundled_theorem import BUNDLED_FILE, BundledTheorem, Level, bundled_set, bundled_theorems
from leanebm.data.library_file import SHIPPED_LIBRARY, library_theorems, read_library_file, write_library_file
from leanebm.data.library_selection import LibrarySelection, is_statement_worthy, why_unworthy
from leanebm.data.library_theorem import LibraryTheorem, Split, split_of
from leanebm.data.theorem_file import read_theorems, write_theorems

__all__ = [
    "BUNDLED_FILE",
    "SHIPPED_LIBRARY",
    "BundledTheorem",
    "Level",
    "LibrarySelection",
    "LibraryTheorem",
    "Split",
    "bundled_set",
    "bundled_theorems",
    "is_statement_worthy",
    "library_theorems",
    "read_library_file",
    "read_theorems",
    "split_of",
    "theorem_problems",
    "why_unworthy",
    "write_library_file",
    "write_theorems",
]
