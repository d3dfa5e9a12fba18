"""Reads what Lean prints: a precedence-climbing parser for core notation.

It never fails. Text it does not understand becomes one opaque atom, so that a rule that needs
structure stays silent and the rules that need none still speak.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final, final

from leanebm._printed.expression import Binder, Expression

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])')
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<field>(?<=[)\]⟩\w'✝₀-₉])\.(?:\d+|[A-Za-z_][\w'?!]*))
    | (?P<name>(?:[^\W\d]|[_✝«α-ωΑ-Ω])(?:[\w'✝«»?!₀-₉ₐ-ₜ]|\.(?=[^\W\d]|«|\d))*|@\w[\w.]*|\?\w+|_)
    | (?P<symbol>:=|::|\+\+|&&|\|\||==|!=|<\||\|>|<\$>|>>=|=>|\.\.|\^\^\^|&&&|\|\|\||<<<|>>>|[^\s\w])
    )""",
    re.VERBOSE,
)

# operator → (binding power to the left, binding power demanded of its right side), Lean's own.
_INFIX: Final[dict[str, tuple[int, int]]] = {
    "↔": (20, 21), "→": (26, 25), "∨": (31, 30), "∧": (36, 35), "×": (36, 35),
    "=": (50, 51), "≠": (50, 51), "==": (50, 51), "!=": (50, 51), "≍": (50, 51),
    "<": (50, 51), "≤": (50, 51), ">": (50, 51), "≥": (50, 51), "∣": (50, 51),
    "∈": (50, 51), "∉": (50, 51), "⊆": (50, 51), "<+": (50, 51), "~": (50, 51), "<+:": (50, 51),
    "||": (30, 31), "&&": (35, 36), "^^": (33, 34), "∪": (65, 66), "∩": (70, 71),
    "::": (68, 67), "++": (65, 66), "+": (65, 66), "-": (65, 66), "|||": (55, 56), "^^^": (58, 59),
    "&&&": (60, 61), "*": (70, 71), "/": (70, 71), "%": (70, 71), "<<<": (75, 76), ">>>": (75, 76),
    "^": (76, 75), "∘": (91, 90), "<$>": (100, 101), ">>=": (55, 56), "<|>": (20, 20), "▸": (75, 75),
}  # fmt: skip
_PREFIX: Final = {"¬": 40, "!": 90, "-": 75, "↑": 1024, "⇑": 1024, "~~~": 100}
_BINDING: Final = frozenset({"∀", "∃", "fun", "λ", "∃!"})
_CLOSING: Final = {"(": ")", "[": "]", "⟨": "⟩", "{": "}"}
_STOPPERS: Final = frozenset({")", "]", "⟩", "}", ",", "then", "else", "=>", ":=", ":", "|", "with", "in", ";", "from"})
_APPLICATION: Final = 1000
_MOST_TOKENS: Final = 600
"""A tree may be half as deep as this, and whoever walks it by recursion needs two frames per level."""

_MOST_CHARACTERS: Final = 2**14
"""A longer text is not split into tokens: a quote that is never closed is looked for to the end, each time."""

_FIELD_METHODS: Final = re.compile(r"^[a-zα-ωA-Z][\w'✝₀-₉]*$")


def parse_expression(text: str, local_names: frozenset[str] = frozenset()) -> Expression:
    """Read one printed expression.

    Args:
        text: what Lean printed, line breaks included.
        local_names: variables in scope; ``xs.length`` is a field of ``xs`` only if ``xs`` is one.
    """
    flat = " ".join(text.split())
    if len(flat) > _MOST_CHARACTERS:
        return _opaque(flat)
    try:
        return _Parser(flat, local_names).parse()
    except (_NotUnderstood, RecursionError):
        return _opaque(flat)


def _opaque(text: str) -> Expression:
    """An atom that no rule takes for an operator, which would have arguments."""
    return Expression(f"‹{text}›", text=text)


class _NotUnderstood(Exception):
    pass


@final
class _Parser:
    def __init__(self, text: str, local_names: frozenset[str]) -> None:
        self._text = text
        self._locals = local_names  # shared, for a goal of thousands of names has as many types
        self._bound: frozenset[str] = frozenset()
        matches = islice(_TOKEN.finditer(text), _MOST_TOKENS + 1)
        self._tokens = [
            (match[match.lastgroup or 0], match.start(match.lastgroup or 0), match.end()) for match in matches
        ]
        self._next = 0

    def parse(self) -> Expression:
        if len(self._tokens) > _MOST_TOKENS:
            raise _NotUnderstood
        result = self._expression(0)
        if self._next != len(self._tokens):
            raise _NotUnderstood
        return result

    # --- word stream ---

    def _peek(self, ahead: int = 0) -> str:
        index = self._next + ahead
        return self._tokens[index][0] if index < len(self._tokens) else ""

    def _take(self) -> str:
        word = self._peek()
        if not word:
            raise _NotUnderstood
        self._next += 1
        return word

    def _expect(self, word: str) -> None:
        if self._take() != word:
            raise _NotUnderstood

    def _start(self) -> int:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else len(self._text)

    def _since(self, start: int) -> str:
        return self._text[start : self._tokens[self._next - 1][2]]

    # --- grammar ---

    def _expression(self, minimum: int) -> Expression:
        start = self._start()
        left = self._prefix(minimum)
        while (powers := _INFIX.get(self._peek())) and powers[0] >= minimum:
            operator = self._take()
            right = self._expression(powers[1])
            left = Expression(operator, (left, right), self._since(start))
        return left

    def _prefix(self, minimum: int) -> Expression:
        start = self._start()
        word = self._peek()
        if word in _BINDING:
            return self._binding(start)
        if word == "if":
            return self._conditional(start)
        if word == "(" and (dependent := self._dependent_arrow(start)) is not None:
            return dependent
        if word in _PREFIX:
            self._take()
            operand = self._expression(_PREFIX[word])
            return Expression("neg" if word == "-" else word, (operand,), self._since(start))
        return self._application(start, minimum)

    def _application(self, start: int, minimum: int) -> Expression:
        function = self._atom()
        args: list[Expression] = []
        while self._starts_argument() and minimum <= _APPLICATION:
            args.append(self._atom())
        if self._peek() == "fun" and minimum <= _APPLICATION:
            args.append(self._binding(self._start()))
        if not args:
            return function
        # `xs.map f` arrives as the field access `.map xs`; its further arguments join it.
        return Expression(function.head, (*function.args, *args), self._since(start))

    def _starts_argument(self) -> bool:
        word = self._peek()
        if not word or word in _STOPPERS or word in _INFIX or word in _BINDING:
            return False
        return word not in ("then", "else", "if", "match", "let", "have", "show", "!", "¬", "<|", "|>", ".")

    def _atom(self) -> Expression:
        start = self._start()
        word = self._take()
        if word in ("(", "[", "⟨"):
            atom = self._bracketed(word, start)
        elif word in ("↑", "⇑"):
            atom = Expression(word, (self._atom(),), self._since(start))
        elif word in ("match", "let", "have", "show", "{", "#", "!", "do", "by"):
            raise _NotUnderstood  # rare in statements, and no rule looks inside
        elif word in _STOPPERS or word in _INFIX:
            raise _NotUnderstood
        else:
            atom = self._name(word)
        while self._peek().startswith(".") and len(self._peek()) > 1:
            atom = Expression(self._take(), (atom,), self._since(start))
        if self._peek() == "[" and self._tokens[self._next][1] == self._tokens[self._next - 1][2]:
            self._take()
            index = self._expression(0)
            self._expect("]")
            while self._peek() in ("?", "!", "'"):
                self._take()
            atom = Expression("getElem", (atom, index), self._since(start))
        return atom

    def _name(self, word: str) -> Expression:
        if word in _BINDING or word.startswith("."):
            return _opaque(word)
        first, *fields = word.split(".")
        if not fields or not (first in self._locals or first in self._bound):
            return Expression(word, text=word)
        result = Expression(first, text=first)
        for position, field in enumerate(fields, 1):
            result = Expression(f".{field}", (result,), ".".join([first, *fields[:position]]))
        return result

    def _bracketed(self, opening: str, start: int) -> Expression:
        items: list[Expression] = []
        while self._peek() != _CLOSING[opening]:
            items.append(self._expression(0))
            if self._peek() == ":":  # a type ascription says nothing the rules need
                self._take()
                self._expression(0)
            if self._peek() == ",":
                self._take()
        self._take()
        text = self._since(start)
        if opening == "(" and len(items) == 1:
            return (
                Expression(items[0].head, items[0].args, text, items[0].binders) if not items[0].is_atom else items[0]
            )
        return Expression({"(": "()", "[": "[]", "⟨": "⟨⟩"}[opening], tuple(items), text)

    def _binding(self, start: int) -> Expression:
        quantifier = "fun" if (word := self._take()) == "λ" else word
        separator = "=>" if quantifier == "fun" else ","
        binders = self._binders(separator)
        self._expect(separator)
        outer, self._bound = self._bound, self._bound | {binder.name for binder in binders}
        body = self._expression(0)
        self._bound = outer
        return Expression(quantifier, (body,), self._since(start), binders)

    def _binders(self, separator: str) -> tuple[Binder, ...]:
        binders: list[Binder] = []
        loose: list[str] = []
        while self._peek() != separator:
            word = self._take()
            if word in ("(", "{", "["):
                binders += self._bracketed_binder(word)
            elif word == ":":
                type_text = self._raw_until(separator)
                binders += [Binder(name, type_text) for name in loose]
                loose = []
            elif word in ("∈", "<", "≤", ">", "≥", "≠", "∉"):  # `∀ x ∈ xs,` binds x and a proof
                bound = self._expression(51)
                binders += [Binder(name) for name in loose]
                binders.append(Binder("_", f"{loose[-1] if loose else '_'} {word} {bound.text}"))
                loose = []
            else:
                loose.append(word)
        return (*binders, *(Binder(name) for name in loose))

    def _bracketed_binder(self, opening: str) -> list[Binder]:
        closing = _CLOSING[opening]
        names: list[str] = []
        first = self._next
        while self._peek() not in (":", closing):
            names.append(self._take())
        if self._peek() == closing:  # an anonymous instance: `[Decidable p]`
            text = self._text[self._tokens[first][1] : self._tokens[self._next - 1][2]]
            self._take()
            return [Binder("_", text, is_implicit=True)]
        self._take()
        type_text = self._raw_until(closing)
        self._expect(closing)
        return [Binder(name, type_text, is_implicit=opening != "(") for name in names]

    def _raw_until(self, stop: str) -> str:
        first, depth = self._next, 0
        while depth or self._peek() != stop:
            word = self._take()
            depth += (word in _CLOSING) - (word in _CLOSING.values())
        return self._text[self._tokens[first][1] : self._tokens[self._next - 1][2]] if self._next > first else ""

    def _dependent_arrow(self, start: int) -> Expression | None:
        """Read ``(x : T) → body``, which is how Lean prints a ``∀`` into a type."""
        before = self._next
        if not (_FIELD_METHODS.match(self._peek(1)) and (self._peek(2) == ":" or _FIELD_METHODS.match(self._peek(2)))):
            return None
        try:
            self._take()
            binders = tuple(self._bracketed_binder("("))
            self._expect("→")
        except _NotUnderstood:
            self._next = before
            return None
        body = self._expression(25)
        return Expression("∀", (body,), self._since(start), binders)

    def _conditional(self, start: int) -> Expression:
        self._expect("if")
        if self._peek(1) == ":":
            self._take()
            self._take()
        condition = self._expression(0)
        self._expect("then")
        then = self._expression(0)
        self._expect("else")
        otherwise = self._expression(0)
        return Expression("if", (condition, then, otherwise), self._since(start))
