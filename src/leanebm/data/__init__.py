"""Theorems to prove, proofs to learn from, and the contrastive groups that are made of them."""

from leanebm.data._reading import theorem_problems
from leanebm.data._records import FileFormat
from leanebm.data.bundled_theorem import BUNDLED_FILE, BundledTheorem, Level, bundled_set, bundled_theorems
from leanebm.data.contrastive import (
    CONTRASTIVE_FORMAT,
    CONTRASTIVE_SCHEMA,
    CONTRASTIVE_SCHEMA_VERSION,
    ContrastiveRecord,
    ContrastiveSet,
    ReplayOutcome,
    read_contrastive_set,
)
from leanebm.data.file_reading import FileReading
from leanebm.data.known_proof import KnownProof, proofs_of
from leanebm.data.library import (
    SHIPPED_LIBRARY,
    LibrarySelection,
    LibraryTheorem,
    Split,
    library_modules,
    library_theorems,
    read_library_file,
    split_of,
    why_unworthy,
    write_library_file,
)
from leanebm.data.tactic_pairs import TacticPair, read_tactic_pairs, write_tactic_pairs
from leanebm.data.theorem_file import TheoremFile, read_theorem_file, read_theorems, write_theorems

__all__ = [
    "BUNDLED_FILE",
    "CONTRASTIVE_FORMAT",
    "CONTRASTIVE_SCHEMA",
    "CONTRASTIVE_SCHEMA_VERSION",
    "SHIPPED_LIBRARY",
    "BundledTheorem",
    "ContrastiveRecord",
    "ContrastiveSet",
    "FileFormat",
    "FileReading",
    "KnownProof",
    "Level",
    "LibrarySelection",
    "LibraryTheorem",
    "ReplayOutcome",
    "Split",
    "TacticPair",
    "TheoremFile",
    "bundled_set",
    "bundled_theorems",
    "library_modules",
    "library_theorems",
    "proofs_of",
    "read_contrastive_set",
    "read_library_file",
    "read_tactic_pairs",
    "read_theorem_file",
    "read_theorems",
    "split_of",
    "theorem_problems",
    "why_unworthy",
    "write_library_file",
    "write_tactic_pairs",
    "write_theorems",
]
