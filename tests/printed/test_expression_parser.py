from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm._printed.expression import Binder, Expression
from leanebm._printed.expression_parser import parse_expression


def shape(text: str, *names: str) -> str:
    """The expression in prefix form, to compare structure at a glance."""

    def show(node: Expression) -> str:
        return node.head if not node.args else f"({node.head} {' '.join(map(show, node.args))})"

    return show(parse_expression(text, frozenset(names)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n + 0 = n", "(= (+ n 0) n)"),
        ("a + b * c", "(+ a (* b c))"),
        ("a - b - c", "(- (- a b) c)"),
        ("a ^ b ^ c", "(^ a (^ b c))"),
        ("x :: y :: xs ++ ys", "(++ (:: x (:: y xs)) ys)"),
        ("p → q → r", "(→ p (→ q r))"),
        ("p ∧ q ∨ r ↔ ¬p", "(↔ (∨ (∧ p q) r) (¬ p))"),
        ("¬p ∧ q", "(∧ (¬ p) q)"),
        ("List.map f xs", "(List.map f xs)"),
        ("f (g x) y", "(f (g x) y)"),
        ("(!a && b) = true", "(= (&& (! a) b) true)"),
        ("-x + y", "(+ (neg x) y)"),
        ("↑n ≤ k", "(≤ (↑ n) k)"),
        ("[1, 2] = []", "(= ([] 1 2) [])"),
        ("(a, b).1", "(.1 (() a b))"),
        ("if p then a else b + 1", "(if p a (+ b 1))"),
        ("f fun x => x + 1", "(f (fun (+ x 1)))"),
        ("xs[0] = x", "(= (getElem xs 0) x)"),
        ("(x : Nat)", "x"),
    ],
)
def test_core_notation_is_read_as_lean_reads_it(text: str, expected: str) -> None:
    assert shape(text) == expected


def test_a_field_belongs_to_a_local_variable_or_to_parentheses() -> None:
    assert shape("xs.length = (xs ++ ys).length", "xs", "ys") == "(= (.length xs) (.length (++ xs ys)))"
    assert shape("List.length xs", "xs") == "(List.length xs)"
    assert shape("xs.map f", "xs", "f") == "(.map xs f)"
    assert shape("p.1.2", "p") == "(.2 (.1 p))"


def test_binders_are_kept_with_their_types() -> None:
    read = parse_expression("∀ {α : Type} (xs ys : List α) [DecidableEq α] (x : α), x ∈ xs")
    assert read.head == "∀"
    assert read.binders == (
        Binder("α", "Type", is_implicit=True),
        Binder("xs", "List α"),
        Binder("ys", "List α"),
        Binder("_", "DecidableEq α", is_implicit=True),
        Binder("x", "α"),
    )
    assert read.args[0].head == "∈"


def test_bounded_binders_also_bind_a_proof() -> None:
    read = parse_expression("∀ x ∈ xs, x < 3")
    assert read.binders == (Binder("x"), Binder("_", "x ∈ xs"))
    assert parse_expression("∃ x, ∃ y, x = y").args[0].head == "∃"


def test_dependent_arrows_are_universal() -> None:
    read = parse_expression("(n : Nat) → Fin n → Type")
    assert (read.head, read.binders) == ("∀", (Binder("n", "Nat"),))


def test_line_breaks_mean_nothing() -> None:
    assert parse_expression("a =\n    b") == parse_expression("a = b")


@pytest.mark.parametrize("text", ["match x with | 0 => 1", "{ x // p x }", "a = = b", ")", "", "let x := 1; x"])
def test_what_is_not_understood_is_one_opaque_atom(text: str) -> None:
    read = parse_expression(text)
    assert read.is_atom
    assert read.text == text


ATOMS = st.sampled_from(["a", "b", "xs", "0", "List.nil", "h✝"])
TERMS = st.recursive(
    ATOMS.map(lambda name: Expression(name, text=name)),
    lambda inner: st.tuples(st.sampled_from(["+", "*", "=", "∧", "→", "::", "++"]), inner, inner).map(
        lambda parts: Expression(parts[0], parts[1:], f"{parts[1].atomic_text} {parts[0]} {parts[2].atomic_text}")
    ),
    max_leaves=12,
)


@given(TERMS)
def test_fully_parenthesised_terms_come_back_as_they_were(term: Expression) -> None:
    assert parse_expression(term.text) == term


@given(st.text(alphabet="ab x.()[]⟨⟩{}∀∃,:→=+-*¬ λfun if then else ✝'\"|0", max_size=40))
def test_it_never_fails(text: str) -> None:
    assert parse_expression(text).text.split() == text.split() or not parse_expression(text).is_atom


class NeverCopied(frozenset[str]):
    def __iter__(self) -> Iterator[str]:
        raise AssertionError("went through all the names in scope")


def test_names_in_scope_are_looked_up_and_never_copied() -> None:
    names = NeverCopied({"xs"})
    assert parse_expression("xs.length = ∑.n", names) == parse_expression("xs.length = ∑.n", frozenset({"xs"}))
    assert parse_expression("∀ ys, ys.length = xs.length", names).args[0].args[0].head == ".length"


def test_a_very_long_text_is_not_taken_apart() -> None:
    text = "a + " * 4096
    assert parse_expression(text + "b").head.startswith("‹a + a")
    assert parse_expression("a + b").head == "+"
    assert parse_expression(f"f {'a' * 16_000}").head == "f"
