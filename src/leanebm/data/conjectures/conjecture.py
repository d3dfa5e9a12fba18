"""A statement that a factory made, and what a factory's families are."""

from __future__ import annotations

import enum
import hashlib
import random
import re
from collections.abc import Collection, Mapping
from itertools import chain, count
from typing import Final, Protocol, Self, runtime_checkable

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import Theorem
from leanebm.data.conjectures.expression import Expression

_NAMES: Final[Mapping[str, str]] = {
    "Prop": "p q r s t u",
    "Nat": "n m k a b c d",
    "Int": "a b c d i j",
    "Bool": "a b c d e",
    "Option Nat": "o o' o''",
    "List Nat": "xs ys zs ws",
    "α": "x y z w u v",
    "α → Prop": "P Q S T",
    "α → α → Prop": "R L",
    "α → α → α": "m",
    "Nat → Bool": "P Q",
    "Nat → Option Nat": "φ ψ",
}
_OTHER_NAMES: Final = "f g h"
_TRAIN_THIRTEENTHS: Final = 10


class ConjectureSplit(enum.StrEnum):
    """What a conjecture may be used for."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"
    UNSEEN = "unseen"
    """Its whole family is held out: nothing like it is in the other splits."""


@attrs.frozen(kw_only=True)
class Conjecture:
    """A statement that its family holds for true; only Lean proves it."""

    statement: str
    """A Lean proposition over ``Init``. Statements that differ in names alone have the same text here."""

    family: str
    """The name of the family that made it."""

    skeleton: str
    """The statement with every name and numeral replaced: what it has in common with its like."""

    difficulty: int
    """The knob it was made with, 1 to 4."""

    split: ConjectureSplit
    """What it may be used for. Statements of one skeleton have one split; a family may be held out as a whole."""

    flavour: str = ""
    """``intuitionistic`` or ``classical`` where the family can tell: whether it holds without excluded middle."""

    closed_by: str = ""
    """An automation tactic that proves it by itself although it was kept; empty where none does, or none was tried."""

    __repr__ = fitting_repr

    @classmethod
    def of(
        cls, family: str, params: Mapping[str, str], body: Expression, *, difficulty: int, flavour: str = ""
    ) -> Self:
        """A conjecture about ``body`` for all values of its variables.

        Args:
            family: its family's name.
            params: the type of each variable; those that do not occur are left out.
            body: the proposition.
            difficulty: the knob.
            flavour: as the field.
        """
        named: dict[str, str] = {}
        for node in body.walk():
            if node.binder is None and node.head in params and node.head not in named:
                named[node.head] = _free_name(params[node.head], named.values())
        body = _renamed(body, named)
        binders = _binders({new: params[old] for old, new in named.items()})
        skeleton = _skeleton(body)
        return cls(
            statement=f"∀ {binders}, {body}" if binders else str(body),
            family=family,
            skeleton=skeleton,
            difficulty=difficulty,
            split=split_of_skeleton(skeleton),
            flavour=flavour,
        )

    @property
    def name(self) -> str:
        """Its family, and a hash of its statement."""
        return f"{self.family}_{hashlib.sha256(self.statement.encode()).hexdigest()[:10]}"

    @property
    def theorem(self) -> Theorem:
        """The statement to prove."""
        return Theorem(name=self.name, statement=self.statement)


@runtime_checkable
class ConjectureFamily(Protocol):
    """Makes statements of one kind. Any object with these two will do."""

    @property
    def name(self) -> str:
        """What the family is called: a word of letters, digits and underscores."""
        ...

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        """One statement that is true as far as the family can tell, or ``None`` if this draw gave none.

        Args:
            rng: the only source of chance.
            difficulty: 1 to 4; more of it means longer proofs.
        """
        ...


def family_of(name: str) -> str:
    """The family in a conjecture's name; empty if the name is another theorem's."""
    found = re.fullmatch(r"(.+)_[0-9a-f]{10}", name)
    return found[1] if found else ""


def _renamed(body: Expression, named: Mapping[str, str]) -> Expression:
    """With new names for what is in sight, and for a bound variable the first one that is not in sight there."""
    if body.binder is None:
        return Expression(named.get(body.head, body.head), tuple(_renamed(arg, named) for arg in body.args))
    name, type_ = body.binder
    new = _free_name(type_, named.values())
    return Expression(body.head, (_renamed(body.args[0], {**named, name: new}),), (new, type_))


def _free_name(type_: str, taken: Collection[str]) -> str:
    words = _NAMES.get(type_, _OTHER_NAMES).split()
    numbered = (f"{words[0]}{number}" for number in count(1))
    return next(name for name in chain(words, numbered) if name not in taken)


def _binders(types: Mapping[str, str]) -> str:
    """``(α : Type) (p q : Prop)``: types first, then by type in the order of their first use."""
    groups: dict[str, list[str]] = {}
    for name, type_ in types.items():
        groups.setdefault(type_, []).append(name)
    needs_type = any("α" in type_ for type_ in types.values())
    opening = ["(α : Type)"] if needs_type else []
    return " ".join([*opening, *(f"({' '.join(names)} : {type_})" for type_, names in groups.items())])


def _skeleton(body: Expression) -> str:
    leaves = {node.binder[0] if node.binder else node.head for node in body.walk() if node.binder or node.is_local}
    numerals = {node.head for node in body.walk() if node.head.isdigit()}
    text = str(body.replace_heads({**dict.fromkeys(leaves, "_"), **dict.fromkeys(numerals, "0")}))
    return re.sub(r"\s+", " ", text)


def split_of_skeleton(skeleton: str) -> ConjectureSplit:
    """The split of every statement with this skeleton: ten in thirteen train, one val, two test.

    The first 8 bytes of the skeleton's SHA-256 decide, so a set made with another seed never puts a test statement
    into training.
    """
    thirteenth = int.from_bytes(hashlib.sha256(skeleton.encode()).digest()[:8], "big") % 13
    if thirteenth < _TRAIN_THIRTEENTHS:
        return ConjectureSplit.TRAIN
    return ConjectureSplit.VAL if thirteenth == _TRAIN_THIRTEENTHS else ConjectureSplit.TEST
