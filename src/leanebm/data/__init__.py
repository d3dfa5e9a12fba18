"""Theorems to prove, proofs to learn from, and the contrastive groups that are made of them."""

from leanebm.data._checks import theorem_problems
from leanebm.data.bundled_theorem import BUNDLED_FILE, BundledTheorem, Level, bundled_set, bundled_theorems
from leanebm.data.contrastive_file import ContrastiveSet, ContrastiveWriter, read_contrastive_set
from leanebm.data.contrastive_record import REPLAY_OUTCOMES, CandidateFate, ContrastiveRecord
from leanebm.data.contrastive_schema import CONTRASTIVE_FORMAT, CONTRASTIVE_SCHEMA, CONTRASTIVE_SCHEMA_VERSION
from leanebm.data.known_proof import KnownProof, proofs_of
from leanebm.data.library_file import (
    SHIPPED_LIBRARY,
    library_modules,
    library_theorems,
    read_library_file,
    write_library_file,
)
from leanebm.data.library_selection import LibrarySelection, is_statement_worthy, why_unworthy
from leanebm.data.library_theorem import LibraryTheorem, Split, split_of
from leanebm.data.tactic_pair import TacticPair
from leanebm.data.tactic_pair_file import read_tactic_pairs, write_tactic_pairs
from leanebm.data.theorem_file import read_theorems, write_theorems

__all__ = [
    "BUNDLED_FILE",
    "CONTRASTIVE_FORMAT",
    "CONTRASTIVE_SCHEMA",
    "CONTRASTIVE_SCHEMA_VERSION",
    "REPLAY_OUTCOMES",
    "SHIPPED_LIBRARY",
    "BundledTheorem",
    "CandidateFate",
    "ContrastiveRecord",
    "ContrastiveSet",
    "ContrastiveWriter",
    "KnownProof",
    "Level",
    "LibrarySelection",
    "LibraryTheorem",
    "Split",
    "TacticPair",
    "bundled_set",
    "bundled_theorems",
    "is_statement_worthy",
    "library_modules",
    "library_theorems",
    "proofs_of",
    "read_contrastive_set",
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
