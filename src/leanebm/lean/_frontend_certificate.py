"""Certification by a worker that lacks ``proof.certify``: have Lean process the file, and read its messages.

What can be had from messages: the file elaborates without error or ``sorry``, so the kernel accepted
it; the declaration says what was asked for; its axioms. A library theorem's proof is printed, too, for
:mod:`leanebm.lean._library_proof` to look into.

Messages can be forged by code that runs while the text is processed, by commands in it, or by a tactic that
prints. So the text may hold no word that runs code, no setting but a literal, and no command but the theorem;
and of two messages that say the same, the last is ours. There is no syntax tree to look at here, only text, so
that more is refused than need be.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

from leanebm.core.certificate import ACCEPTED_AXIOMS
from leanebm.core.theorem import Theorem
from leanebm.core.theorem_text import ERASURE_LINE, split_binders
from leanebm.lean._library_proof import printed_whole
from leanebm.lean._replies import USES_SORRY, CertifiedReply, CertifyRejectedReply, UnitMessages
from leanebm.lean.requests import scope_lines

_RUNS_CODE = re.compile(
    r"""@\[ | (?<![\w.])(
        run_\w+ | by_elab | eval% | include_str | native_decide | set_option | implemented_by | extern | sleep
      | unsafe\w* | dbg\w* | bv_check | bv_decide\?? | polyrith | native | (of)?[rR]educe(Bool|Nat) | IO | EIO | BaseIO
      | println! | _root_
    )(?![\w]) | \.(of)?[rR]educe(Bool|Nat)\b""",
    re.VERBOSE,
)
# A tactic's settings are run. A named argument looks the same in print, and must be as simple here.
# No word is tried again in parts (`++`): of many that are no settings, that would take hours.
_RUN_SETTING = re.compile(
    r"""\(\s*(?!(?:motive|discharger|disch)\b)[^\s()\[\]{}⟨⟩,:=]+\s*:=
        (?!\s*(?:[\w.]+ | "[^"]*" | \{(?:\s*+\w++\s*+:=\s*+[\w.]++\s*+,?)*+\s*+\})\s*\))""",
    re.VERBOSE,
)
# There, names of arguments are many and comments stand between commands: only one inside brackets can hide a setting.
_COMMENT_IN_BRACKETS = re.compile(r"\([^()]*?(--|/-)")
# No command of Lean's begins with a capital, so that nothing else can follow on such a line.
_HEADER_LINE = re.compile(
    r"""universe(\s+[A-Za-z_]\w*)+
      | open(\s+scoped)?(\s+[A-Z][A-Za-z0-9_]*(\.[A-Z][A-Za-z0-9_]*)*)+
      | set_option\s+(linter\.[\w.]+|maxHeartbeats|maxRecDepth|maxSynthPendingDepth|synthInstance\.max(Heartbeats|Size)
          |exponentiation\.threshold)\s+(\d+|true|false)""",
    re.VERBOSE,
)
# A context may hold what declares something and runs nothing. So a command begins at the beginning of a line, with one
# of these words, and no word stands anywhere that begins another kind of command or would change how Lean reads on.
_DECLARES = re.compile(
    r"((private|protected|noncomputable)\s+)*(def|abbrev|theorem|lemma|inductive|structure|class|instance)(?![\w.])"
)
_CONTEXT_LINE = re.compile(rf"\s|\||--|/--|(where|termination_by|decreasing_by)(?![\w.])|{_DECLARES.pattern}")
_OTHER_COMMAND = re.compile(
    r"""\# | @\[ | (?<![\w.])(
        axiom | opaque | constant | partial | mutual | deriving | variables? | include | omit | universes?
      | open | namespace | section | end | export | import | alias | attribute | local | scoped | in | suppress_\w+
      | (macro|syntax|notation\d?|infix[lr]?|prefix|postfix|elab)(_rules)? | declare_\w+ | add_\w+ | register_\w+
      | (builtin_)?initialize\w* | \w*sim(p)?procs?\w* | unif_hint | gen_\w+ | recall | assert_\w+ | library_note
    )(?![\w])""",
    re.VERBOSE,
)
_AXIOMS = re.compile(r"depends on axioms:\s*\[([^\]]*)\]")
_NO_AXIOMS = "does not depend on any axioms"


def audited(source: str, theorem: Theorem, name: str, helpers: Sequence[str] = ()) -> str:
    """``source``, followed by the commands whose messages :func:`verdict` reads, and a library proof printed."""
    checks = [f"example :\n  {_claim_of(theorem)} := @{name}", f"#print axioms {name}"]
    if theorem.copy_from is not None:
        checks.append(printed_whole([name, *helpers]))
    return "\n\n".join([source, *checks]) + "\n"


def _claim_of(theorem: Theorem) -> str:
    return theorem.statement if theorem.statement is not None else f"type_of% @{theorem.copy_from}"


def objection(theorem: Theorem, source: str, name: str) -> CertifyRejectedReply | None:
    """What speaks against processing ``source``, which declares ``name``, at all."""
    front, _, rest = source.partition(f"theorem {name}")
    context = theorem.context
    if (beyond := line_beyond(theorem.header)) is not None:
        return CertifyRejectedReply("forbidden", f"{HEADERS} here, not {beyond!r}")
    if (beyond := beyond_declarations(context)) is not None:
        return CertifyRejectedReply("forbidden", f"{CONTEXTS} here, not {beyond!r}")
    if not context.strip():
        of_file = _without_comments(front).splitlines()
        if theorem.copy_from is not None:
            of_file = [line for line in of_file if ERASURE_LINE.fullmatch(line) is None]
        if (beyond := line_beyond("\n".join(of_file))) is not None:
            return CertifyRejectedReply("forbidden", f"{HEADERS} here, not {beyond!r}")
        if scope_lines(front) != scope_lines(theorem.header):
            return CertifyRejectedReply("forbidden", "the text opens other namespaces than the theorem's header")
    elif _without_comments(front).split() != _without_comments(theorem.preamble).split():
        return CertifyRejectedReply("forbidden", "the text begins with something other than the theorem")
    if split_binders(theorem.statement or "")[0]:
        return CertifyRejectedReply("forbidden", "binders before the statement's colon are not read here: write `∀`")
    claim = " ".join(f": {_claim_of(theorem)} :=".split())
    if not " ".join(rest.split()).startswith(claim):
        return CertifyRejectedReply("forbidden", "the text does not state the theorem word for word")
    # The header's lines were looked at: there, a `set_option` is allowed.
    read = f"{context}\n{name}{rest}"
    if found := _RUNS_CODE.search(read):
        return CertifyRejectedReply("forbidden", f"`{found[0]}` is not allowed: it could run code")
    if found := _RUN_SETTING.search(read):
        message = f"`{found[0]}` is not allowed: Lean runs a setting that is not a literal"
        return CertifyRejectedReply("forbidden", message)
    if _may_hide_a_setting(rest) or _COMMENT_IN_BRACKETS.search(context):
        return CertifyRejectedReply("forbidden", "a comment beside `( … :=` is not allowed: it could hide a setting")
    return None


HEADERS: Final = (
    "a header may hold only `universe` lines, plain `open` lines, and limits (`set_option maxHeartbeats 0`)"
)
CONTEXTS: Final = "a context may hold only definitions, lemmas and types, each from the beginning of a line"


def beyond_declarations(context: str) -> str | None:
    """What of a context may be something else than declarations, each of them from the beginning of a line."""
    if found := _OTHER_COMMAND.search(context):
        return found[0]
    return next((line for line in context.splitlines() if line and not _CONTEXT_LINE.match(line)), None)


def _without_comments(front: str) -> str:
    return "\n".join(line for line in front.splitlines() if not line.startswith("--"))


def line_beyond(header: str) -> str | None:
    """The first line of a header that is neither a ``universe`` line, nor a plain ``open`` line, nor a limit."""
    lines = (line for line in header.splitlines() if line.strip())
    return next((line for line in lines if not _HEADER_LINE.fullmatch(line.strip())), None)


def _may_hide_a_setting(text: str) -> bool:
    _, bracket, rest = text.partition("(")
    return bool(bracket) and ":=" in rest and ("--" in text or "/-" in text)


def verdict(
    said: UnitMessages, name: str, *, source: str, statement: str, lean_version: str
) -> CertifiedReply | CertifyRejectedReply:
    """Judge the messages of a processed :func:`audited` ``source``."""
    theorem_start = len(source[: source.find(f"theorem {name}")].encode())
    text = source.encode()
    commands = (text[start:theorem_start].decode("utf-8", "replace") for start in said.starts if start < theorem_start)
    if any(not _is_in_front(command) for command in commands):
        return CertifyRejectedReply("forbidden", "there is another command in front of the theorem")
    if any(theorem_start < start < len(source.rstrip().encode()) for start in said.starts):
        return CertifyRejectedReply("forbidden", "the proof goes on to another command")
    errors = [text for severity, text in said.messages if severity == "error"]
    texts = [text for severity, text in said.messages if severity != "error"]
    if errors:
        return CertifyRejectedReply("elaboration", "\n".join(errors))
    if any(USES_SORRY.search(text) for text in texts):
        return CertifyRejectedReply("sorry", "the proof uses sorry")
    axioms = _axioms(texts, name)
    if axioms is None:
        return CertifyRejectedReply("elaboration", "Lean listed no axioms, so the theorem was not declared")
    if foreign := sorted(axioms - ACCEPTED_AXIOMS):
        return CertifyRejectedReply("axioms", f"the proof depends on {', '.join(foreign)}")
    digest = hashlib.sha256(" ".join(statement.split()).encode()).hexdigest()[:32]
    return CertifiedReply(
        statement=statement,
        fingerprint=f"text.{digest}",
        axioms=tuple(sorted(axioms)),
        constants=(),
        trusted_constants=(),
        lean_version=lean_version or "unknown",
    )


def _is_in_front(text: str) -> bool:
    """Whether a command that begins ``text`` is one that may stand there: the theorem itself, after a comment, too."""
    code = re.sub(r"\A(?:\s++|--[^\n]*+\n|/-.*?-/)*+", "", text, flags=re.DOTALL)
    first = code.partition("\n")[0]
    lines = (_HEADER_LINE, ERASURE_LINE)
    return not code or _DECLARES.match(code) is not None or any(line.fullmatch(first.strip()) for line in lines)


def _axioms(texts: list[str], name: str) -> frozenset[str] | None:
    # The last word is the command's; a tactic can say the same, but only before.
    for text in reversed(texts):
        if text.startswith(f"'{name}'"):
            if _NO_AXIOMS in text:
                return frozenset()
            if match := _AXIOMS.search(text):
                return frozenset(match[1].replace(",", " ").split())
    return None
