"""A theorem to prove: a statement of one's own, or one taken from the library by name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final, Self

import attrs

from leanebm._shown import fitting_repr, shown
from leanebm.core.theorem_text import (
    STATES_NOTHING,
    is_covered,
    never_before_a_theorem,
    normalized,
    split_binders,
    split_theorem,
    with_theorems_for_lemmas,
    without_comments,
)

MAX_SPLIT_CHARACTERS: Final = 2**17
"""Longest text that is looked through for a theorem; more than Lean is given."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@attrs.frozen(kw_only=True)
class Theorem:
    """What is to be proved.

    Exactly one of ``statement`` and ``copy_from`` is given.

    Raises:
        ValueError: both or neither of ``statement`` and ``copy_from`` are given, the name is blank or no text, or a
            library theorem is given a context.
    """

    name: str
    """How results refer to it; unique within a theorem set."""

    statement: str | None = None
    """A Lean proposition, as text, such as ``∀ n : Nat, n + 0 = n``. It may have binders before a colon, as in
    ``(n : Nat) (h : 0 < n) : n ≠ 0``; a proof then starts with these introduced."""

    copy_from: str | None = None
    """The name of a library theorem whose type is the statement; its proof must not use itself."""

    header: str = ""
    """Lines in front of the theorem: ``open …``, ``universe …`` and ``set_option …`` only."""

    context: str = attrs.field(default="", converter=with_theorems_for_lemmas)
    """Lean commands after the header that the statement needs: definitions, instances, notations, lemmas with their
    proofs, ``variable``, ``namespace`` … They are part of what the theorem says.
    A ``lemma``, which only Mathlib knows, becomes a ``theorem``."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a theorem needs a name")
        if _SURROGATE.search(self.name):
            raise ValueError(f"the name {self.name!r} holds a lone surrogate, which no file's name can hold")
        if (self.statement is None) == (self.copy_from is None):
            raise ValueError(f"theorem {self.name!r} needs exactly one of statement and copy_from")
        if self.copy_from is not None and self.context.strip():
            raise ValueError(f"theorem {self.name!r} is a library theorem: it cannot have a context")

    @classmethod
    def of(
        cls,
        text: str,
        *,
        name: str | None = None,
        header: str = "",
        context: str = "",
        imports: Sequence[str] = (),
    ) -> Self:
        """A theorem from text as people write it.

        Args:
            text: a Lean proposition, with or without binders and a colon before it; or a whole ``theorem``, ``lemma``
                or ``example``, with or without ``:= by sorry``, comments and attributes. What stands before it,
                definitions for example, becomes its context.
            name: how results refer to it. If ``None``, the text's own name, or one made from the statement, equal
                for equal statements.
            header: ``open``, ``universe`` and ``set_option`` lines.
            context: commands that the text needs, before those that it begins with.
            imports: modules that Lean has imported when it reads the theorem; the text may import these, too.

        Raises:
            TypeError: it is not a text.
            ValueError: the text holds no theorem, several, or one that is proved already; every obstacle is named.
        """
        if not isinstance(text, str):
            raise TypeError(f"expected a theorem, or its text such as '1 + 1 = 2', got {shown(text)}")
        if len(text) > MAX_SPLIT_CHARACTERS:  # will be refused for its length
            return cls(name=_made_name(text) if name is None else name, statement=text, header=header, context=context)
        parts = split_theorem(text)
        problems = []
        if not split_binders(parts.statement)[1]:
            problems.append(STATES_NOTHING)
        if absent := [module for module in parts.imports if not is_covered(module, imports)]:
            modules = ",".join([*imports, *absent])
            problems.append(
                f"it imports {','.join(absent)}: leave that out, and name the modules by --imports {modules}"
            )
        if parts.proof is not None and "sorry" not in without_comments(parts.proof):
            problems.append("it has a proof already: write `:= by sorry` instead, or check it by `leanebm certify`")
        if problems:
            words = never_before_a_theorem(parts.context)
            problems += [f"`{word}` may not stand in front of a theorem: leave it out" for word in words]
            raise ValueError("; ".join(problems))
        context = normalized(context)
        # What the text opens comes after what was given, and a header comes first.
        late = bool(context.strip() and parts.header.strip())
        header = header if late else _joined(header, parts.header)
        context = _joined(context, parts.header if late else "", parts.context)
        name = parts.name if name is None else name
        if name is None:
            name = _made_name(_joined(header, with_theorems_for_lemmas(context)) + parts.statement)
        return cls(name=name, statement=parts.statement, header=header, context=context)

    @classmethod
    def read(cls, given: Theorem | str) -> Theorem:
        """``given`` itself, or the theorem that its text states: for whatever takes either.

        Raises:
            TypeError: it is neither.
            ValueError: as :meth:`of`.
        """
        return given if isinstance(given, Theorem) else cls.of(given)

    @property
    def preamble(self) -> str:
        """Everything in front of the theorem: its header, then its context."""
        return _joined(self.header, self.context)

    @property
    def display(self) -> str:
        """The statement, or the library name: what a person recognises it by."""
        return self.statement if self.statement is not None else f"@{self.copy_from}"


def _made_name(text: str) -> str:
    return f"statement_{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:8]}"


def _joined(*parts: str) -> str:
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())
