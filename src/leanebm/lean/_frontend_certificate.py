"""Certification by a worker that lacks ``proof.certify``: have Lean process the file, and read its messages.

What can be had from messages: the file elaborates without error or ``sorry``, so the kernel accepted
it; the declaration says what was asked for; its axioms. For a library theorem the whole proof term is
printed, and must not name that theorem; a proof whose printing is cut short, or leads on to helper
lemmas of its own, is refused, for it cannot be inspected.
"""

from __future__ import annotations

import hashlib
import re

from leanebm.core.theorem import Theorem
from leanebm.lean._replies import CertifiedReply, CertifyRejectedReply, UnitMessages

__all__ = ["audited", "verdict"]

_TRUSTED_AXIOMS = frozenset({"propext", "Classical.choice", "Quot.sound"})
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


def verdict(
    said: UnitMessages, theorem: Theorem, name: str, *, statement: str, lean_version: str
) -> CertifiedReply | CertifyRejectedReply:
    """Judge the messages of a processed :func:`audited` text."""
    errors = [text for severity, text in said.messages if severity == "error"]
    texts = [text for severity, text in said.messages if severity != "error"]
    if errors:
        return CertifyRejectedReply("elaboration", "\n".join(errors))
    if any(_USES_SORRY.search(text) for text in texts):
        return CertifyRejectedReply("sorry", "the proof uses sorry")
    axioms = _axioms(texts, name)
    if axioms is None:
        return CertifyRejectedReply("elaboration", "Lean listed no axioms, so the theorem was not declared")
    if foreign := sorted(axioms - _TRUSTED_AXIOMS):
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
    for text in texts:
        if text.startswith(f"'{name}'"):
            if _NO_AXIOMS in text:
                return frozenset()
            if match := _AXIOMS.search(text):
                return frozenset(match[1].replace(",", " ").split())
    return None


def _self_reference(texts: list[str], library_name: str, name: str) -> str | None:
    printed = next((text for text in texts if text.startswith(f"theorem {name}")), None)
    if printed is None:
        return "Lean did not print the proof, so it cannot be seen whether it uses the theorem itself"
    _, _, proof = printed.partition(":=")
    names = set(re.findall(r"[^\s()\[\]{}@,:]+", proof))
    # pp.all appends universe levels, as in List.map.{u, v}.
    names = {used.partition(".{")[0].removesuffix(".") for used in names}
    if library_name in names:
        return f"the proof uses {library_name}, which is the theorem itself"
    if "⋯" in proof or any(used.startswith(f"{name}.") for used in names):
        return "the printed proof is incomplete, so it cannot be seen whether it uses the theorem itself"
    return None
