"""A theorem of Lean's own library, as a statement to prove again."""

from __future__ import annotations

import enum
import hashlib
from typing import Final

import attrs

from leanebm.core import Theorem

__all__ = ["LibraryTheorem", "Split", "split_of"]

_TRAIN_SHARE: Final = 0.8
_VAL_SHARE: Final = 0.1


class Split(enum.StrEnum):
    """What a library theorem may be used for."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


def split_of(module: str) -> Split:
    """The split that all theorems of a module belong to: about 80 % of modules train, 10 % val, 10 % test.

    The first 8 bytes of the SHA-256 of the module's name, read as a fraction of their range, decide:
    below 0.8 is train, below 0.9 is val, the rest is test. Neighbouring lemmas are often one another's
    proof, so a module is never divided. And a module keeps its split when the library around it
    changes, so a later Lean's set cannot move today's test theorems into training.
    """
    digest = hashlib.sha256(module.encode()).digest()
    fraction = int.from_bytes(digest[:8], "big") / 2**64
    if fraction < _TRAIN_SHARE:
        return Split.TRAIN
    return Split.VAL if fraction < _TRAIN_SHARE + _VAL_SHARE else Split.TEST


@attrs.frozen(kw_only=True)
class LibraryTheorem:
    """A named theorem of an imported module."""

    name: str
    """Its full name, ``Nat.add_comm``."""

    statement: str
    """Its type as Lean prints it: for people to read, not for Lean to elaborate again."""

    module: str
    """The module that declares it, ``Init.Data.Nat.Basic``."""

    fingerprint: str
    """A hash of its type, given by Lean: equal for theorems that state the same."""

    @property
    def split(self) -> Split:
        """What it may be used for, by :func:`split_of` its module."""
        return split_of(self.module)

    @property
    def theorem(self) -> Theorem:
        """The statement to prove, taken from the library by name.

        Certification refuses a proof that uses the theorem itself, be it by ``exact`` or through ``simp``.
        """
        return Theorem(name=self.name, copy_from=self.name)
