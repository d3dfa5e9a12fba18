"""Certification by a worker that lacks ``proof.certify``: have Lean process the file, and read its messages.

What can be had from messages: the file elaborates without error or ``sorry``, so the kernel accepted
it; the declaration says what was asked for; its axioms. For a library theorem the whole proof term is
printed, and must not name that theorem; a proof whose printing is cut short, or leads on to helper
lemmas of its own, is refused, for it cannot be inspected.

Messages can be forged by code that runs while the text is processed, by commands in it, or by a tactic that
prints. So the text may hold no word that runs code, no setting but a literal, and no command but the theorem;
and of two messages that say the same, the last is ours. There is no syntax tree to look at here, only text, so
that more is refused than need be.
"""

from __future__ import annotations

import hashlib
import re

from leanebm.core.certificate import ACCEPTED_AXIOMS
from leanebm.core.theorem import Theorem
from leanebm.core.theorem_text import ERASURE_LINE, split_binders
from leanebm.lean._replies import CertifiedReply, CertifyRejectedReply, UnitMessages
from leanebm.lean.requests import open_lines

_RUNS_CODE = re.compile(
    r"""@\[ | (?<![\w.])(
        run_\w+ | by_elab | eval% | include_str | native_decide | set_option | implemented_by | extern | sleep
      | unsafe\w* | dbg\w* | bv_check | bv_decide\?? | polyrith | native | (of)?[rR]educe(Bool|Nat) | IO | EIO | BaseIO
      | println! | _root_
    )(?![\w]) | \.(of)?[rR]educe(Bool|Nat)\b""",
    re.VERBOSE,
)
# A tactic's settings are run. A named argument looks the same in print, and must be as simple here.
_RUN_SETTING = re.compile(
    r"""\(\s*(?!(?:motive|discharger|disch)\b)[^\s()\[\]{}⟨⟩,:=]+\s*:=
        (?!\s*(?:[\w.]+ | "[^"]*" | \{(?:\s*\w+\s*:=\s*[\w.]+\s*,?)*\s*\})\s*\))""",
    re.VERBOSE,
)
# No command of Lean's begins with a capital, so that nothing else can follow on such a line.
_HEADER_LINE = re.compile(r"universe(\s+[A-Za-z_]\w*)+|open(\s+scoped)?(\s+[A-Z][A-Za-z0-9_]*(\.[A-Z][A-Za-z0-9_]*)*)+")
_AXIOMS = re.compile(r"depends on axioms:\s*\[([^\]]*)\]")
_NO_AXIOMS = "does not depend on any axioms"
_USES_SORRY = re.compile(r"declaration uses ['`]sorry['`]")
_PRINT_ALL = "set_option pp.all true in\nset_option pp.deepTerms true in\nset_option pp.maxSteps 1000000 in\n"


def audited(source: str, theorem: Theorem, name: str) -> str:
    """``source``, followed by the commands whose messages :func:`verdict` reads."""
    claim = theorem.statement if theorem.statement is not None else f"type_of% @{theorem.copy_from}"
    checks = [f"example :\n  {claim} := @{name}", f"#print axioms {name}"]
    if theorem.copy_from is not None:
        checks.append(f"{_PRINT_ALL}#print {name}")
    return "\n\n".join([source, *checks]) + "\n"


def objection(theorem: Theorem, source: str, name: str) -> CertifyRejectedReply | None:
    """What speaks against processing ``source``, which declares ``name``, at all."""
    front, _, rest = source.partition(f"theorem {name}")
    of_file = [line for line in front.splitlines() if not line.startswith("--")]
    if theorem.copy_from is not None:
        of_file = [line for line in of_file if ERASURE_LINE.fullmatch(line) is None]
    lines = [*theorem.preamble.splitlines(), *of_file]
    if (beyond := line_beyond("\n".join(lines))) is not None:
        return CertifyRejectedReply(
            "forbidden", f"a header may hold only `universe` lines and plain `open` lines here, not {beyond!r}"
        )
    if open_lines(front) != open_lines(theorem.header):
        return CertifyRejectedReply("forbidden", "the text opens other namespaces than the theorem's header")
    if split_binders(theorem.statement or "")[0]:
        return CertifyRejectedReply("forbidden", "binders before the statement's colon are not read here: write `∀`")
    if found := _RUNS_CODE.search(source):
        return CertifyRejectedReply("forbidden", f"`{found[0]}` is not allowed: it could run code")
    if found := _RUN_SETTING.search(rest):
        message = f"`{found[0]}` is not allowed: Lean runs a setting that is not a literal"
        return CertifyRejectedReply("forbidden", message)
    if _may_hide_a_setting(rest):
        return CertifyRejectedReply("forbidden", "a comment beside `( … :=` is not allowed: it could hide a setting")
    return None


def line_beyond(header: str) -> str | None:
    """The first line of a header that is no ``universe`` line and no plain ``open`` line."""
    lines = (line for line in header.splitlines() if line.strip())
    return next((line for line in lines if not _HEADER_LINE.fullmatch(line.strip())), None)


def _may_hide_a_setting(text: str) -> bool:
    _, bracket, rest = text.partition("(")
    return bool(bracket) and ":=" in rest and ("--" in text or "/-" in text)


def verdict(
    said: UnitMessages, theorem: Theorem, name: str, *, source: str, statement: str, lean_version: str
) -> CertifiedReply | CertifyRejectedReply:
    """Judge the messages of a processed :func:`audited` ``source``."""
    theorem_start = len(source[: source.find(f"theorem {name}")].encode())
    if any(theorem_start < start < len(source.rstrip().encode()) for start in said.starts):
        return CertifyRejectedReply("forbidden", "the proof goes on to another command")
    errors = [text for severity, text in said.messages if severity == "error"]
    texts = [text for severity, text in said.messages if severity != "error"]
    if errors:
        return CertifyRejectedReply("elaboration", "\n".join(errors))
    if any(_USES_SORRY.search(text) for text in texts):
        return CertifyRejectedReply("sorry", "the proof uses sorry")
    axioms = _axioms(texts, name)
    if axioms is None:
        return CertifyRejectedReply("elaboration", "Lean listed no axioms, so the theorem was not declared")
    if foreign := sorted(axioms - ACCEPTED_AXIOMS):
        return CertifyRejectedReply("axioms", f"the proof depends on {', '.join(foreign)}")
    if theorem.copy_from is not None and (objection := _self_reference(texts, theorem.copy_from, name)):
        return CertifyRejectedReply("self_reference", objection)
    digest = hashlib.sha256(" ".join(statement.split()).encode()).hexdigest()[:32]
    return CertifiedReply(
        statement=statement,
        fingerprint=f"text.{digest}",
        axioms=tuple(sorted(axioms)),
        constants=(),
        trusted_constants=(),
        lean_version=lean_version or "unknown",
    )


def _axioms(texts: list[str], name: str) -> frozenset[str] | None:
    # The last word is the command's; a tactic can say the same, but only before.
    for text in reversed(texts):
        if text.startswith(f"'{name}'"):
            if _NO_AXIOMS in text:
                return frozenset()
            if match := _AXIOMS.search(text):
                return frozenset(match[1].replace(",", " ").split())
    return None


def _self_reference(texts: list[str], library_name: str, name: str) -> str | None:
    printed = next((text for text in reversed(texts) if text.startswith(f"theorem {name}")), None)
    if printed is None:
        return "Lean did not print the proof, so it cannot be seen whether it uses the theorem itself"
    _, _, proof = printed.partition(":=")
    names = set(re.findall(r"[^\s()\[\]{}@,:]+", proof))
    # pp.all appends universe levels, as in List.map.{u, v}.
    names = {_unquoted(used.partition(".{")[0].removesuffix(".")) for used in names}
    if _unquoted(library_name) in names:
        return f"the proof uses {library_name}, which is the theorem itself"
    if "⋯" in proof or any(used.startswith(f"{name}.") for used in names):
        return "the printed proof is incomplete, so it cannot be seen whether it uses the theorem itself"
    return None


def _unquoted(name: str) -> str:
    return name.replace("«", "").replace("»", "")
