"""One theorem's search, summed up."""

from __future__ import annotations

from typing import Final

import attrs
from attrs.validators import ge, in_

from leanebm.core import Certificate, CertificationRejected, Theorem

__all__ = ["THEOREM_OUTCOMES", "TheoremRecord"]

THEOREM_OUTCOMES: Final = ("proved", "exhausted", "budget_spent", "rejected", "infrastructure")
"""How a search can end. ``infrastructure`` says nothing about the theorem: it is never a label."""


@attrs.frozen(kw_only=True)
class TheoremRecord:
    """How one theorem's search ended, and what it cost.

    Raises:
        ValueError: the outcome is ``proved`` without a certificate, or has one and is not; or the certificate is for
            another theorem.
    """

    theorem: Theorem
    run_id: str
    """The run that searched it; with the theorem's name it identifies the search."""

    outcome: str = attrs.field(validator=in_(THEOREM_OUTCOMES))
    """One of :data:`THEOREM_OUTCOMES`."""

    certificate: Certificate | None = None
    """The proof, its axioms and its whole source; present exactly if the outcome is ``proved``."""

    rejections: tuple[CertificationRejected, ...] = ()
    """Candidate proofs that the certifier did not accept."""

    error_kind: str | None = None
    """The class of the exception that broke the search, if one did."""

    error: str | None = None
    """Its message."""

    started_unix_s: float
    """When the search began, in seconds since 1970-01-01 UTC."""

    nodes: int = attrs.field(validator=ge(0))
    """States found, the root and finished ones included."""

    expansions: int = attrs.field(validator=ge(0))
    """Nodes about which the policy was asked."""

    tactic_calls: int = attrs.field(validator=ge(0))
    """Tactics that Lean ran and answered."""

    wall_s: float = attrs.field(validator=ge(0.0))
    """Seconds from opening the proof to the end of the search."""

    policy_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Of these, seconds spent waiting for candidates."""

    lean_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds spent waiting for tactics."""

    score_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds spent waiting for energies and scores."""

    certify_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds spent waiting for the certifier."""

    def __attrs_post_init__(self) -> None:
        if (self.outcome == "proved") != (self.certificate is not None):
            raise ValueError(f"{self.theorem.name!r}: a theorem is proved exactly if there is a certificate for it")
        if self.certificate is not None and self.certificate.theorem != self.theorem:
            raise ValueError(f"{self.theorem.name!r}: the certificate is for {self.certificate.theorem.name!r}")

    @property
    def is_final(self) -> bool:
        """Whether the search said something about the theorem, so that it need not be repeated."""
        return self.outcome != "infrastructure"
