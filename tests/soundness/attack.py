"""What an attack is: something that asks for a certificate it has not earned, and how that must end."""

from __future__ import annotations

import enum

import attrs

from leanebm.core import Theorem

NAME = "poison"
"""The theorem's name; its declaration is called ``leanebm_poison``."""


class Step(enum.Enum):
    """What a search makes of a poisoned tactic."""

    REFUSED = "Lean refuses the tactic"
    OPEN = "goals are left"
    BELIEVED = "no goals are left, and only the certifier can tell"
    NO_STATEMENT = "the statement or header is not accepted to begin with"


@attrs.frozen
class Attack:
    """One line of the table."""

    family: str
    id: str
    proof: str
    reason: str
    """Why the certifier must reject it."""

    step: Step = Step.REFUSED
    """What must become of it as one tactic of a search."""

    statement: str = "1 = 2"
    header: str = ""
    context: str = ""
    copy_from: str | None = None
    """A library theorem to prove instead of ``statement``."""

    @property
    def theorem(self) -> Theorem:
        """What the attack pretends to prove."""
        if self.copy_from is not None:
            return Theorem(name=NAME, copy_from=self.copy_from)
        return Theorem(name=NAME, statement=self.statement, header=self.header, context=self.context)


@attrs.frozen
class ForgedText:
    """A whole file that is said to prove a theorem."""

    family: str
    id: str
    asked: str
    """A statement, or ``@`` and the name of a library theorem."""

    text: str
    reason: str

    @property
    def theorem(self) -> Theorem:
        """What the text is said to prove."""
        if self.asked.startswith("@"):
            return Theorem(name="t", copy_from=self.asked.removeprefix("@"))
        return Theorem(name="t", statement=self.asked)
