"""The rules; a new family is a new module, or part of a kindred one, and a line here."""

import ast
import functools
import inspect
from typing import Final

from leanebm.serve.backends.template._rules import apply, automation, cases, introduction, logic, rewriting
from leanebm.serve.backends.template._rules.base import WORD, Proposal, Rule, propose_all

__all__ = ["RULES", "Proposal", "Rule", "propose_all", "words_of_rules"]

RULES: Final[tuple[Rule, ...]] = (
    *introduction.RULES,
    *automation.RULES,
    *apply.RULES,
    *logic.RULES,
    *cases.RULES,
    *rewriting.RULES,
    *introduction.EXTENSIONAL,
)
"""In a fixed order: a rule's place is its token id."""

_MODULES: Final = (introduction, automation, apply, logic, cases, rewriting)


@functools.cache
def words_of_rules() -> frozenset[str]:
    """Every word that the rules themselves write into a tactic; the goal's own names come on top.

    Read from their source, where a tactic is spelt once.
    """
    words: set[str] = set()
    for module in _MODULES:
        nodes = list(ast.walk(ast.parse(inspect.getsource(module))))
        prose = {node.value for node in nodes if isinstance(node, ast.Expr)}
        texts = (node.value for node in nodes if isinstance(node, ast.Constant) and node not in prose)
        words.update(word for text in texts if isinstance(text, str) for word in WORD.findall(text))
    return frozenset(words)
