"""New statements, true as far as one can tell without Lean, in families with a knob for difficulty."""

from leanebm.data.conjectures.conjecture import (
    Conjecture,
    ConjectureFamily,
    ConjectureSplit,
    family_of,
    split_of_skeleton,
)
from leanebm.data.conjectures.conjecture_file import (
    CONJECTURE_SCHEMA,
    CONJECTURE_SCHEMA_VERSION,
    SHIPPED_CONJECTURES,
    SHIPPED_LOGIC,
    ConjectureFile,
    conjectures_of,
    read_conjecture_file,
    write_conjecture_file,
)
from leanebm.data.conjectures.expression import OPERATORS, Expression, World, evaluate, exists, forall, implies, local
from leanebm.data.conjectures.factory import ConjectureFactory
from leanebm.data.conjectures.families import FAMILIES, HELD_OUT

__all__ = [
    "CONJECTURE_SCHEMA",
    "CONJECTURE_SCHEMA_VERSION",
    "FAMILIES",
    "HELD_OUT",
    "OPERATORS",
    "SHIPPED_CONJECTURES",
    "SHIPPED_LOGIC",
    "Conjecture",
    "ConjectureFactory",
    "ConjectureFamily",
    "ConjectureFile",
    "ConjectureSplit",
    "Expression",
    "World",
    "conjectures_of",
    "evaluate",
    "exists",
    "family_of",
    "forall",
    "implies",
    "local",
    "read_conjecture_file",
    "split_of_skeleton",
    "write_conjecture_file",
]
