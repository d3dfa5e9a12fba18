from __future__ import annotations

from leanebm._printed.expression import Expression
from leanebm._printed.expression_parser import parse_expression


def test_substitution_respects_binders() -> None:
    seven = Expression("7", text="7")
    term = parse_expression("n = m ∧ ∀ n, f n = m")
    assert term.substitute({"n": seven, "m": seven}) == parse_expression("7 = 7 ∧ ∀ n, f n = 7")


def test_heads_and_names_are_found_at_any_depth() -> None:
    term = parse_expression("(xs ++ ys).length = f n", frozenset({"xs", "ys"}))
    assert term.heads() >= {"=", ".length", "++", "f", "n"}
    assert term.mentions("ys")
    assert not term.mentions("zs")


def test_an_argument_gets_parentheses_only_if_it_needs_them() -> None:
    texts = {
        "a + b": "(a + b)",
        "n": "n",
        "(a)": "a",
        "(a + b)": "(a + b)",
        "(a + b) * (c)": "((a + b) * (c))",
        "[1]": "[1]",
    }
    assert {text: parse_expression(text).atomic_text for text in texts} == texts
