"""The families of conjectures that come with leanebm."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from leanebm.data.conjectures.conjecture import ConjectureFamily
from leanebm.data.conjectures.families.arithmetic import ArithmeticFamily
from leanebm.data.conjectures.families.equations import BOOL, INT, LIST, NAT, OPTION, EquationFamily, RecursionFamily
from leanebm.data.conjectures.families.logic import FirstOrderFamily, PropositionalFamily
from leanebm.data.conjectures.families.order import OrderFamily
from leanebm.data.conjectures.families.rewriting import RearrangingFamily, RewritingFamily, WordProblemFamily

_PREDICATES: Final = {"P": "α → Prop", "Q": "α → Prop", "R": "α → α → Prop", "p": "Prop"}
_WITH_FUNCTIONS: Final = {"P": "α → Prop", "R": "α → α → Prop", "f": "α → α", "g": "α → α", "a": "α"}
_FUNCTIONS: Final = {"f": "Nat → Nat", "P": "Nat → Bool", "φ": "Nat → Option Nat"}
_OPTIONS: Final = {"o": "Option Nat", "o'": "Option Nat", "n": "Nat", **_FUNCTIONS}
_LISTS: Final = {"xs": "List Nat", "ys": "List Nat", "n": "Nat", **_FUNCTIONS}

_ALL: Final[tuple[ConjectureFamily, ...]] = (
    PropositionalFamily(),
    FirstOrderFamily("first_order", _PREDICATES),
    FirstOrderFamily("existence", _WITH_FUNCTIONS),
    EquationFamily("nat_equations", dict.fromkeys("abc", "Nat"), NAT, ("Nat",)),
    EquationFamily("int_equations", dict.fromkeys("abc", "Int"), INT, ("Int",)),
    EquationFamily(
        "bool_equations",
        {"a": "Bool", "b": "Bool", "f": "Bool → Bool", "g": "Bool → Bool"},
        BOOL,
        ("Bool",),
        about=frozenset("fg"),
    ),
    EquationFamily("option_equations", _OPTIONS, OPTION, ("Option Nat", "Nat")),
    EquationFamily("list_equations", _LISTS, LIST, ("List Nat", "Nat")),
    RecursionFamily("nat_recursion", "Nat"),
    RecursionFamily("list_recursion", "List Nat"),
    OrderFamily(),
    RewritingFamily(),
    RearrangingFamily(),
    WordProblemFamily(),
    ArithmeticFamily("inequalities", ("≤", "<"), NAT),
    ArithmeticFamily("divisibility", ("∣",), NAT[:2]),
)

FAMILIES: Final[Mapping[str, ConjectureFamily]] = MappingProxyType({family.name: family for family in _ALL})
"""By name, those that come with leanebm."""

HELD_OUT: Final = ("order", "divisibility")
"""The families that are kept out of training when nothing else is said."""
