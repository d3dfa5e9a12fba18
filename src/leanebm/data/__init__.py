"""Theorems to prove, proofs to learn from, and the contrastive groups that are made of them."""

from leanebm.data._checks import theorem_problems
from leanebm.data.bundled_theorem import BUNDLED_FILE, BundledTheorem, Level, bundled_set, bundled_theorems
from leanebm.data.known_proof import KnownProof, proofs_of
from leanebm.data.library_file import SHIPPED_LIBRARY, library_theorems, read_library_file, write_library_file
from leanebm.data.library_selection import LibrarySelection, is_statement_worthy, why_unworthy
from leanebm.data.library_theorem import LibraryTheorem, Split, split_of
from leanebm.data.tactic_pair import TacticPair
from leanebm.data.tactic_pair_file import read_tactic_pairs, write_tactic_pairs
from leanebm.data.theorem_file import read_theorems, write_theorems

__all__ = [
    "BUNDLED_FILE",
    "SHIPPED_LIBRARY",
    "BundledTheorem",
    "KnownProof",
    "Level",
    "LibrarySelection",
    "LibraryTheorem",
    "Split",
    "TacticPair",
    "bundled_set",
    "bundled_theorems",
    "is_statement_worthy",
    "library_theorems",
    "proofs_of",
    "read_library_file",
    "read_tactic_pairs",
    "read_theorems",
    "split_of",
    "theorem_problems",
    "why_unworthy",
    "write_library_file",
    "write_tactic_pairs",
    "write_theorems",
]
