"""What can be seen of a certificate without Lean: whether it contradicts itself.

A certifier's worker that is broken, or was made to lie, can say anything. These checks do not make its
word true; they refuse a certificate that could not be one even if every word of it were.
"""

from __future__ import annotations

from leanebm.core.certificate import ACCEPTED_AXIOMS
from leanebm.core.theorem import Theorem
from leanebm.lean._replies import CertifiedReply, CertifyRejectedReply

__all__ = ["audit"]

_SORRY = "sorryAx"


def audit(theorem: Theorem, reply: CertifiedReply | CertifyRejectedReply) -> CertifiedReply | CertifyRejectedReply:
    """``reply``, or a rejection where it says itself that it is no certificate for ``theorem``."""
    if isinstance(reply, CertifyRejectedReply):
        return reply
    named = {*reply.axioms, *reply.constants, *reply.trusted_constants}
    if _SORRY in named:
        return CertifyRejectedReply("sorry", f"the certificate itself names {_SORRY}")
    if foreign := sorted(set(reply.axioms) - ACCEPTED_AXIOMS):
        return CertifyRejectedReply("axioms", f"the certificate itself names the axioms {', '.join(foreign)}")
    if theorem.copy_from in named:
        return CertifyRejectedReply("self_reference", f"the certificate itself names {theorem.copy_from}")
    if not reply.statement.strip() or not reply.fingerprint.strip():
        return CertifyRejectedReply("elaboration", "the certificate does not say what was proved")
    return reply
