"""A theorem to prove: a statement of one's own, or one taken from the library by name."""

from __future__ import annotations

import hashlib
from typing import Self

import attrs

from leanebm._shown import fitting_repr


@attrs.frozen(kw_only=True)
class Theorem:
    """What is to be proved.

    Exactly one of ``statement`` and ``copy_from`` is given.

    Raises:
        ValueError: both or neither of ``statement`` and ``copy_from`` are given, or the name is blank.
    """

    name: str
    """How results refer to it; unique within a theorem set."""

    statement: str | None = None
    """A Lean proposition, as text, such as ``∀ n : Nat, n + 0 = n``."""

    copy_from: str | None = None
    """The name of a library theorem whose type is the statement; its proof must not use itself."""

    header: str = ""
    """Lean commands in front of the theorem: ``open …`` and ``universe …`` lines only."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a theorem needs a name")
        if (self.statement is None) == (self.copy_from is None):
            raise ValueError(f"theorem {self.name!r} needs exactly one of statement and copy_from")

    @classmethod
    def of(cls, statement: str, *, name: str | None = None, header: str = "") -> Self:
        """A theorem from a statement alone.

        Args:
            statement: a Lean proposition.
            name: how results refer to it; made from the statement if ``None``, equal for equal statements.
            header: ``open`` and ``universe`` lines.
        """
        digest = hashlib.sha256(statement.encode(errors="replace")).hexdigest()
        return cls(name=f"statement_{digest[:8]}" if name is None else name, statement=statement, header=header)

    @property
    def display(self) -> str:
        """The statement, or the library name: what a person recognises it by."""
        return self.statement if self.statement is not None else f"@{self.copy_from}"
