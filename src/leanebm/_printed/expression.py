"""A printed Lean expression, read just deeply enough to choose tactics by its shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs


@attrs.frozen
class Binder:
    """A variable that ``∀``, ``∃`` or ``fun`` introduces."""

    name: str
    """``_`` where Lean prints none."""

    type: str | None = None
    """As printed; ``None`` where Lean leaves it out."""

    is_implicit: bool = False
    """Whether it stands in braces or square brackets."""


@attrs.frozen
class Expression:
    """A node of the expression tree.

    ``head`` is an operator (``=``, ``∧``, ``∀``, ``++``, ``if``, ``()`` for a tuple …), a name that
    is applied (``List.map``), a field access with its leading dot (``.length``, whose first
    argument is the receiver), or, in a leaf, the atom itself. The printed form of ``a ≠ b`` keeps
    its own head; nothing is unfolded.
    """

    head: str
    args: tuple[Expression, ...] = ()
    text: str = attrs.field(default="", eq=False)
    """The piece of the goal this was read from; enough parentheses to stand as a term of its own."""

    binders: tuple[Binder, ...] = ()

    @property
    def is_atom(self) -> bool:
        """Whether this is a name or a literal."""
        return not self.args and not self.binders

    @property
    def atomic_text(self) -> str:
        """The text, in parentheses unless it already holds together as an argument."""
        if self.is_atom or self.head in ("()", "[]", "⟨⟩"):
            return self.text
        return self.text if _is_parenthesised(self.text) else f"({self.text})"

    @property
    def bare_text(self) -> str:
        """The text without parentheses around all of it."""
        is_tuple = self.head == "()"
        return self.text[1:-1] if _is_parenthesised(self.text) and not is_tuple else self.text

    @property
    def conclusion(self) -> Expression:
        """What is left when all its ``∀`` and ``→`` are used up."""
        left = self
        while left.args and left.head in ("∀", "→"):
            left = left.args[-1]
        return left

    def walk(self) -> Iterator[Expression]:
        """This expression and everything inside it, outermost first."""
        waiting = [self]  # not by recursion: a printed sum of a thousand terms is a thousand deep
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.args))

    def heads(self) -> frozenset[str]:
        """Every head that occurs."""
        return frozenset(node.head for node in self.walk())

    def substitute(self, values: Mapping[str, Expression]) -> Expression:
        """Put expressions in the place of free names. Names are enough here, so the text is not kept."""
        if self.is_atom:
            return values.get(self.head, self)
        bound = {binder.name for binder in self.binders}
        inner = {name: value for name, value in values.items() if name not in bound}
        replaced = inner.get(self.head)
        head = replaced.head if replaced is not None and replaced.is_atom else self.head
        return Expression(head, tuple(arg.substitute(inner) for arg in self.args), "", self.binders)

    def mentions(self, name: str) -> bool:
        """Whether the name occurs as an atom or applied."""
        return any(node.head == name for node in self.walk())


def _is_parenthesised(text: str) -> bool:
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth = 0
    for index, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0 and index < len(text) - 1:
            return False
    return True
