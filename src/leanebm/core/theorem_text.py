"""Lean text as people write it, cut into its commands, and a theorem to prove found among them.

No Lean is asked. A lexer that knows comments, strings, brackets and the words that begin a command is enough to cut a
file; what a cut gets wrong, Lean's own parser refuses later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import takewhile
from typing import Final

import attrs

from leanebm._shown import listed, shown

_WORD: Final = r"(?:«[^»\n]*»|[^\W\d][\w'!?]*)(?:\.(?:«[^»\n]*»|[^\W\d][\w'!?]*))*"

_TOKEN: Final = re.compile(
    rf"""(?P<doc>/--|/-!)
      | (?P<block>/-)
      | (?P<comment>--[^\n]*)
      | (?P<string>r(?P<fence>\#*)".*?"(?P=fence)|"(?:[^"\\]|\\.)*")
      | (?P<word>{_WORD})
      | (?P<char>'(?:[^'\\\n]|\\[^']+|\\')')
      | (?P<attribute>@\[)
      | (?P<hash>\#[a-z]\w*)
      | (?P<assign>:=)
      | (?P<arrow>←|<-)
      | (?P<open>[(\[{{⟨⦃])
      | (?P<close>[)\]}}⟩⦄])
      | (?P<other>\S)""",
    re.VERBOSE | re.DOTALL,
)

_CLAIMS: Final = frozenset({"theorem", "lemma", "example"})

STATES_NOTHING: Final = (
    "it states nothing: write a proposition such as `∀ n : Nat, n + 0 = n`, or a theorem after its definitions"
)

IN_MUTUAL_BLOCK: Final = (
    "stands in a `mutual` block, where each theorem may use the others: state it outside of the block"
)
"""What is said of such a theorem, which cannot be proved alone."""

# No term can hold one of these, so that they begin a command wherever they stand.
_ANYWHERE: Final = frozenset(
    {"theorem", "example", "def", "abbrev", "axiom", "inductive", "structure", "namespace", "universe", "import"}
)

_AT_LINE_START: Final = frozenset(
    {
        *("attribute", "builtin_initialize", "class", "declare_syntax_cat", "deriving", "elab", "elab_rules", "end"),
        *("export", "include", "infix", "infixl", "infixr", "initialize", "instance", "lemma", "macro", "macro_rules"),
        *("mutual", "notation", "omit", "opaque", "open", "postfix", "prefix", "run_cmd", "run_elab", "run_meta"),
        *("section", "set_option", "simproc", "dsimproc", "syntax", "unif_hint", "universes", "variable"),
        *("variables", "add_decl_doc", "alias", "assert_not_exists", "library_note", "open_locale", "proof_wanted"),
    }
)

_NEVER_BEFORE_A_THEOREM: Final = frozenset(
    {
        *("axiom", "builtin_initialize", "declare_syntax_cat", "dsimproc", "elab", "elab_rules", "initialize", "macro"),
        *("macro_rules", "run_cmd", "run_elab", "run_meta", "simproc", "syntax", "#eval"),
    }
)

_MODIFIERS: Final = frozenset(
    {"private", "protected", "noncomputable", "unsafe", "partial", "nonrec", "local", "scoped", "public", "meta"}
)

# Between these lines, a line break or an indentation means something.
_LAYOUT: Final = frozenset(
    {"by", "calc", "do", "fun", "have", "haveI", "let", "letI", "match", "show", "suffices", "λ"}
)

_TAKES_A_VALUE: Final = frozenset({"let", "letI", "have", "haveI", "let_fun"})

_TAKES_CLAUSES: Final = frozenset({"fun", "λ", "match"})

# A word that begins a term, and no binder.
_BEGINS_A_TERM: Final = frozenset(
    {*_LAYOUT, "if", "assume", "exists", "forall", "from", "let_fun", "nomatch", "open", "set_option", "type_of%"}
)

# The words that are looked for in the code of every command.
_MARKS: Final = frozenset({"sorry", "admit", "end"})

_LEFT_OUT: Final = re.compile(r"(?:by\b *)?(?:sorry|admit)?")

_NAME: Final = re.compile(rf"\s*({_WORD})(?:\.\{{([^}}]*)\}})?")

# Of a name with more parts than any honest one has, the first are looked at.
_MAX_PARTS: Final = 16

# Of many theorems that are left to prove, the first are named.
_NAMED: Final = 8

_COMMENT_MARK: Final = re.compile(r"/-|-/")

_BLANKS: Final = re.compile(r"\s+")

_DERIVING: Final = re.compile(r"deriving\s+(?:noncomputable\s+)?instance\b")

_IMPORTED: Final = re.compile(r"\bimport\s+(?:all\s+)?(\S+)")

# Commands that end before the next line begins, so that an indented line after them begins a command, too.
_ONE_LINERS: Final = frozenset(
    {"", "import", "namespace", "section", "open", "universe", "set_option", "variable", "end", "mutual"}
)

_BEFORE_IN: Final = frozenset({"open", "set_option", "variable", "include", "omit"})

# Up to the first `in`, or to the end: then none stands behind a later word either, and nothing is read twice.
_IN: Final = re.compile(rf"\b((?:{'|'.join(sorted(_BEFORE_IN))})\b(?:(?!(?<!\s)\s++in\b).)*+)(\s++in\b)?", re.DOTALL)

# Every command of Lean starts with a lower-case keyword, and a line may hold several commands:
# `open Nat namespace Trap` is two. So a namespace starts upper-case, and a universe is one letter
# with an index; no command fits either.
_NAMESPACE: Final = r"[A-ZΑ-Ω]\w*(?:\.[A-ZΑ-Ω]\w*)*"

HEADER_LINE: Final = re.compile(
    rf"open(?: +scoped)?(?: +{_NAMESPACE})+"
    rf"|open +{_NAMESPACE} +\([\w.'!? ]+\)"
    r"|universe(?: +[a-z](?:_?\d+|[₀-₉]+|[α-ω])?)+"
    r"|set_option +[a-zA-Z][\w.]* +(?:true|false|\d+)"
)
"""A line of a header, which holds no more than that one command."""

_FINDING: Final = r"-(?:simp|grind|ext|push_cast)"

ERASURE_LINE: Final = re.compile(rf"attribute \[{_FINDING}(?:, {_FINDING})*\] [^\s()\[\]{{}}\"@,:;|`]+")
"""A command in front of a library theorem that keeps tactics from finding one name, as the certifier writes it."""


@attrs.frozen(slots=False)
class LeanCommand:
    """One command of a text, comments and modifiers in front of it included.

    What is derived from its text is found once: it stands before all theorems of a file that come after it.
    """

    keyword: str
    """The word that says what it is, such as ``theorem``; empty for what stands before the first command."""

    text: str
    """The whole command, without blanks around it."""

    start: int
    """Where it begins in the text it was cut from."""

    keyword_start: int
    """Where the keyword begins there."""

    @property
    def is_claim(self) -> bool:
        """Whether it states something: a theorem, lemma or example."""
        return self.keyword in _CLAIMS

    @cached_property
    def code(self) -> str:
        """Its text with a blank for each comment."""
        return without_comments(self.text)

    @cached_property
    def mentions(self) -> frozenset[str]:
        """Its words that may be names, as :func:`mentioned` gives them."""
        return mentioned(self.text)

    @property
    def holds_sorry(self) -> bool:
        """Whether the word ``sorry`` stands in its code."""
        return not self._marks.isdisjoint({"sorry", "admit"})

    @property
    def holds_end(self) -> bool:
        """Whether the word ``end`` stands in its code, where an indented one is not a command of its own."""
        return "end" in self._marks

    @cached_property
    def _marks(self) -> frozenset[str]:
        return _MARKS.intersection(token.text for token in _code(self.text))

    @property
    def declared(self) -> str | None:
        """The name after the keyword, if there is one."""
        match = _NAME.match(self.text, self.keyword_start - self.start + len(self.keyword))
        return None if match is None else match[1]


@attrs.frozen(kw_only=True)
class TheoremText:
    """A theorem taken apart, with what stands before it."""

    imports: tuple[str, ...] = ()
    """Modules that its text imports."""

    header: str = ""
    """Leading ``open``, ``universe`` and ``set_option`` lines."""

    context: str = ""
    """The other commands before it, in their order."""

    name: str | None = None
    statement: str
    """The proposition, with binders and a colon before it if it was written so."""

    proof: str | None = None
    """What follows ``:=``, a proof or the beginning of one, or what stands in its place: clauses such as ``| 0 => …``,
    or ``where`` and fields. ``None`` if that is nothing but ``by`` and ``sorry``."""


@attrs.frozen
class LeanToken:
    """A piece of a text, as far as Lean's lexer is known here."""

    kind: str
    """The name of its group in the pattern, such as ``word``, ``open`` or ``comment``."""

    text: str
    start: int
    end: int


def normalized(text: str) -> str:
    """``text`` without byte order mark, carriage returns and tabs, which Lean does not read."""
    return with_line_feeds(text.removeprefix("\ufeff")).expandtabs(2)


def with_line_feeds(text: str) -> str:
    """``text`` with line feeds in place of carriage returns, which end no line for Lean."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def lean_commands(text: str) -> tuple[LeanCommand, ...]:
    """Cut a text into its commands. What comes before the first one, if anything, is a command without keyword."""
    starts = _command_starts(text)
    if not starts or text[: starts[0][1]].strip():
        starts.insert(0, ("", 0, 0))
    ends = [start for _, start, _ in starts[1:]] + [len(text)]
    return tuple(
        LeanCommand(keyword, text[start:end].strip(), start, at)
        for (keyword, start, at), end in zip(starts, ends, strict=True)
        if text[start:end].strip()
    )


def _command_starts(text: str) -> list[tuple[str, int, int]]:
    """Keyword, start and place of the keyword of each command."""
    starts: list[tuple[str, int, int]] = []
    prefix: int | None = None  # where modifiers and documentation began that belong to the next command
    previous = ""
    brackets = 0  # of the attributes that are being read
    end = 0
    for token in lean_tokens(text):
        at = token.start
        gap, end = text[end:at], token.end  # only blanks stand between two tokens
        if token.kind in {"comment", "block"}:
            continue
        if brackets:
            brackets += (token.kind in {"open", "attribute"}) - (token.kind == "close")
            continue
        is_first = prefix is not None or "\n" in gap or at == len(gap)
        at_margin = at == 0 or gap.endswith("\n")
        if token.kind == "doc" or (is_first and (token.kind == "attribute" or token.text in _MODIFIERS)):
            prefix = at if prefix is None else prefix
            brackets = int(token.kind == "attribute")
            continue
        last = starts[-1][0] if starts else ""
        if token.kind in {"word", "hash"} and previous == "in" and last in _BEFORE_IN and _is_keyword(text, token):
            starts[-1] = (token.text, starts[-1][1], at)  # `open Nat in theorem …` is one command
        elif (token.text in _ANYWHERE and previous != "class") or (
            is_first and _is_keyword(text, token) and (at_margin or prefix is not None or last in _ONE_LINERS)
        ):
            starts.append((token.text, at if prefix is None else prefix, at))
        prefix, previous = None, token.text
    return starts


def _is_keyword(text: str, token: LeanToken) -> bool:
    if token.text == "deriving":
        return _DERIVING.match(text, token.start) is not None
    return token.kind == "hash" or token.text in _ANYWHERE or token.text in _AT_LINE_START


def lean_tokens(text: str) -> Iterator[LeanToken]:
    """The tokens of a text, comments included, without the blanks between them."""
    at = 0
    while (match := _TOKEN.search(text, at)) is not None:
        kind, at = str(match.lastgroup), match.end()
        if kind in {"doc", "block"}:
            at = _end_of_comment(text, at)
        yield LeanToken(kind, match.group(), match.start(), at)


def _end_of_comment(text: str, at: int) -> int:
    """The place after the ``-/`` that ends the comment that was opened before ``at``."""
    depth = 1
    for mark in _COMMENT_MARK.finditer(text, at):
        depth += 1 if mark.group() == "/-" else -1
        if not depth:
            return mark.end()
    return len(text)


def _code(text: str) -> Iterator[LeanToken]:
    return (token for token in lean_tokens(text) if token.kind not in {"comment", "block", "doc"})


def is_in_mutual_block(commands: Sequence[LeanCommand], place: int) -> bool:
    """Whether the command number ``place`` stands between ``mutual`` and its ``end``."""
    start = next((i for i in reversed(range(place)) if commands[i].keyword == "mutual"), place)
    return start < place and not any(command.holds_end for command in commands[start:place])


def imported_modules(commands: Iterable[LeanCommand]) -> tuple[str, ...]:
    """The modules that commands import."""
    return tuple(
        module for command in commands if command.keyword == "import" for module in _IMPORTED.findall(command.code)
    )


def is_covered(module: str, imports: Sequence[str]) -> bool:
    """Whether what imports ``imports`` has ``module``, as far as their names tell."""
    given = {"Init", *imports, *(("Std",) if "Lean" in imports else ())}
    parts = module.split(".")
    return any(".".join(parts[:length]) in given for length in range(1, len(parts) + 1))


def never_before_a_theorem(text: str) -> tuple[str, ...]:
    """The words of commands in ``text`` that Lean's side refuses in a context whatever they say, each once.

    It is not a check, for Lean decides on the syntax itself; it completes a message about other obstacles.
    """
    words = (command.keyword for command in lean_commands(text))
    return tuple(dict.fromkeys(word for word in words if word in _NEVER_BEFORE_A_THEOREM))


def with_theorems_for_lemmas(text: str) -> str:
    """``text`` with ``theorem`` for each command that is called ``lemma``, which is a word of Mathlib's for it."""
    if "lemma" not in text:
        return text
    pieces, at = [], 0
    for command in lean_commands(text):
        if command.keyword == "lemma" and command.declared is not None:
            pieces += [text[at : command.keyword_start], "theorem"]
            at = command.keyword_start + len("lemma")
    return "".join([*pieces, text[at:]])


def mentioned(text: str) -> frozenset[str]:
    """The words of ``text`` that may be names, each whole and in parts.

    For a namespace may be left out before a name, and that of a field stand after it.
    """
    names = [token.text.split(".")[:_MAX_PARTS] for token in _code(text) if token.kind == "word"]
    heads = {".".join(name[:length]) for name in names for length in range(1, len(name) + 1)}
    return frozenset(ending for head in heads for ending in endings(head))


def endings(name: str) -> tuple[str, ...]:
    """What ``name`` may be called inside its namespaces, itself first.

    >>> endings("Nat.Prime.pos")
    ('Nat.Prime.pos', 'Prime.pos', 'pos')
    """
    parts = name.split(".")
    return tuple(".".join(parts[first:]) for first in range(len(parts)))


def without_comments(text: str) -> str:
    """``text`` with a blank for each comment."""
    pieces, at = [], 0
    for token in lean_tokens(text):
        if token.kind in {"comment", "block", "doc"}:
            pieces += [text[at : token.start], " "]
            at = token.end
    return "".join([*pieces, text[at:]])


def split_binders(statement: str) -> tuple[str, str]:
    """A statement's binders, as text, and its proposition. Most statements have no binders before a colon.

    >>> split_binders("(n : Nat) (h : 0 < n) : n ≠ 0")
    ('(n : Nat) (h : 0 < n)', 'n ≠ 0')
    >>> split_binders("∀ n : Nat, n = n")
    ('', '∀ n : Nat, n = n')
    """
    depth = 0
    for token in _code(statement):
        if token.kind in {"open", "close"}:
            depth += 1 if token.kind == "open" else -1
        elif depth or (token.kind == "word" and token.text not in _BEGINS_A_TERM):
            continue
        elif token.text == ":":
            return statement[: token.start].strip(), statement[token.end :].strip()
        else:
            break
    return "", statement.strip()


def command_word(statement: str) -> str | None:
    """The first word of ``statement`` that no term can hold, because it begins a command."""
    words = (token.text for token in _code(statement) if token.kind == "word")
    return next((word for word in words if word in _ANYWHERE), None)


def split_theorem(text: str) -> TheoremText:
    """Find the one theorem to prove in a text, and what stands before it.

    A proposition, with or without binders before it, is a theorem as well; ``:= by sorry`` may follow either.

    Raises:
        ValueError: there is none, or more than one; every obstacle is named.
    """
    text = normalized(text)
    commands = lean_commands(text)
    if not any(command.keyword for command in commands):
        statement, proof = _split_proof(text)
        return TheoremText(statement=_tidied(statement), proof=proof)
    claims = [command for command in commands if command.is_claim]
    open_claims = [command for command in claims if _is_open(command)] or claims[-1:]
    if problems := list(_obstacles(commands, claims, open_claims)):
        raise ValueError("; ".join(problems))
    return theorem_of_command(commands, commands.index(open_claims[0]))


def theorem_of_command(commands: Sequence[LeanCommand], place: int) -> TheoremText:
    """The theorem that the command number ``place`` states, and the commands before it.

    A command before it that leaves something out (``sorry``) is left out.
    """
    claim = commands[place]
    kept: list[LeanCommand] = []
    for command in commands[:place]:
        if command.keyword == "import":
            continue
        if command.keyword == "end" and kept and kept[-1].keyword == "mutual":
            kept.pop()  # for Lean, there is no empty block
        elif command.code.strip() and not command.holds_sorry:
            kept.append(command)
    name, universes, signature = _taken_apart(claim)
    statement, proof = _split_proof(signature)
    scope = [f"universe {' '.join(universes)}"] if universes else []
    before = without_comments(claim.text[: claim.keyword_start - claim.start])
    scope += [" ".join(line.split()) for line, end in _IN.findall(before) if end]
    lines = list(takewhile(HEADER_LINE.fullmatch, (" ".join(command.code.split()) for command in kept)))
    context = [command.text for command in kept[len(lines) :]]
    if context or any(HEADER_LINE.fullmatch(line) is None for line in scope):
        context += scope
    else:
        lines += scope
    return TheoremText(
        imports=imported_modules(commands[:place]),
        header="\n".join(lines),
        context="\n\n".join(context),
        name=name,
        statement=_tidied(statement),
        proof=proof,
    )


def _is_open(claim: LeanCommand) -> bool:
    """Whether its proof is missing, or holds ``sorry``."""
    return claim.holds_sorry or _split_proof(_taken_apart(claim)[2])[1] is None


def _obstacles(
    commands: Sequence[LeanCommand], claims: Sequence[LeanCommand], open_claims: Sequence[LeanCommand]
) -> Iterator[str]:
    if not claims:
        yield STATES_NOTHING
    if len(open_claims) > 1:
        names = listed([claim.declared or claim.keyword for claim in open_claims], _NAMED)
        yield f"it leaves more than one theorem to prove ({names}); write them into a .lean file, or give one of them"
    for claim in open_claims[:_NAMED]:
        if is_in_mutual_block(commands, commands.index(claim)):
            yield f"{shown(claim.declared or claim.keyword)} {IN_MUTUAL_BLOCK}"
    for command in commands:
        if command.keyword and not command.is_claim and command.holds_sorry:
            yield f"{shown(command.declared or command.keyword)} is left as sorry: a definition needs its value"
    if not commands[0].keyword and commands[0].code.strip():
        yield f"{shown(commands[0].text)} in front of it is not a Lean command"


def _taken_apart(claim: LeanCommand) -> tuple[str | None, list[str], str]:
    """Name, names of universe levels, and the rest of a claim."""
    after = claim.text[claim.keyword_start - claim.start + len(claim.keyword) :]
    match = None if claim.keyword == "example" else _NAME.match(after)
    if match is None:
        return None, [], after.strip()
    universes = (match[2] or "").replace(",", " ").split()
    return match[1], universes, after[match.end() :].strip()


def _split_proof(text: str) -> tuple[str, str | None]:
    """Cut at the ``:=`` before the proof, or before its clauses; the proof is ``None`` if it is left out."""
    cut, end = _proof_place(text)
    statement, proof = text[:cut].strip(), text[end:].strip()
    return statement, None if end == len(text) or _is_left_out(proof) else proof


def _is_left_out(proof: str) -> bool:
    return _LEFT_OUT.fullmatch(" ".join(token.text for token in _code(proof))) is not None


def _proof_place(text: str) -> tuple[int, int]:
    """Where the ``:=`` before the proof begins and ends; else, where clauses or fields begin; else, the text's end."""
    if (clauses := _clauses(text)) is not None:
        return clauses, clauses
    depth = values = 0
    last = (len(text), len(text))
    for token in _code(text):
        if token.kind in {"open", "close"}:
            depth += 1 if token.kind == "open" else -1
        elif depth:
            continue
        elif token.text in _TAKES_A_VALUE:
            values += 1
        elif token.kind == "arrow" and values:  # `let x ← …`
            values -= 1
        elif token.kind == "assign":
            last = (token.start, token.end)
            if not values:
                return last
            values -= 1
    # A `let` that takes no `:=` was counted, if what follows the last one is no value.
    return last if _is_left_out(text[last[1] :]) else (len(text), len(text))


def _clauses(text: str) -> int | None:
    """Where ``| pattern => proof`` or ``where`` begins that belongs to no term of the statement before it."""
    start: int | None = None
    depth = values = 0
    awaited = ""  # `fun` or `match`, until the arrow that is its own
    previous = LeanToken("", "", 0, 0)
    for token in _code(text):
        touches = token.start == previous.end
        if token.kind in {"open", "close"}:
            depth += 1 if token.kind == "open" else -1
        elif depth:
            pass
        elif token.text in _TAKES_A_VALUE or token.kind in {"assign", "arrow"}:
            values += 1 if token.kind == "word" else -1
            if values < 0:
                return None
        elif values:
            pass
        elif token.text == "where":
            return token.start
        elif token.text in _TAKES_CLAUSES:
            start, awaited = None, token.text
        elif token.text == "|" and previous.text in {*_TAKES_CLAUSES, "with"}:
            return None
        elif token.text == "|":
            start = token.start if start is None and not awaited and not touches else None  # one that closes `|x|`
        elif token.text == ">" and touches and previous.text == "|":  # `x |> f`
            start = None
        elif token.text == ">" and touches and previous.text == "=":
            if start is not None:
                return start
            awaited = ""
        previous = token
    return None


def _tidied(statement: str) -> str:
    """Without comments or a colon in front, and on one line where lines mean nothing."""
    code = without_comments(statement).strip().removeprefix(":").strip()
    if "\n" not in code:
        return code
    lines = [line.rstrip() for line in code.split("\n")]
    words = {token.text for token in lean_tokens(code)}
    has_layout = bool(words & (_LAYOUT | {"|"}))
    return "\n".join(line for line in lines if line) if has_layout else _spaced(code)


def _spaced(code: str) -> str:
    """Single blanks between words, but for those in strings."""
    pieces, at = [], 0
    for token in lean_tokens(code):
        if token.kind in {"string", "char"}:
            pieces += [_BLANKS.sub(" ", code[at : token.start]), token.text]
            at = token.end
    return "".join([*pieces, _BLANKS.sub(" ", code[at:])]).strip()
