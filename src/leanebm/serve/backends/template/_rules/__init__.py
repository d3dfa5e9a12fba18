"""The rules, one family per module; a new family is a new module and a line here."""

from typing import Final

from leanebm.serve.backends.template._rules import (
    apply,
    automation,
    cases,
    induction,
    introduction,
    logic,
    rewriting,
    simplification,
    witnesses,
)
from leanebm.serve.backends.template._rules.base import Proposal, Rule, propose_all

__all__ = ["RULES", "Proposal", "Rule", "propose_all"]

RULES: Final[tuple[Rule, ...]] = (
    *introduction.RULES,
    *automation.RULES,
    *apply.RULES,
    *logic.RULES,
    *witnesses.RULES,
    *cases.RULES,
    *induction.RULES,
    *rewriting.RULES,
    *simplification.RULES,
    *introduction.EXTENSIONAL,
)
"""In a fixed order: a rule's place is its token id."""
