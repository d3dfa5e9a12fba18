"""Makes sure that nothing but the run's own certifier makes a theorem proved, whoever wrote the search.

A search is given a certifier that remembers what it certified, and its result is compared with that. It is a guard
against mistakes and shortcuts. A part runs in our process, so one that is out to deceive could reach into anything
here; ``leanebm certify`` checks the written proofs again, in processes that never load it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import attrs

from leanebm.core import (
    Certificate,
    CertificationResult,
    NodeStatus,
    ProofCertifier,
    ProofSearch,
    SearchOutcome,
    SearchResult,
    Theorem,
)
from leanebm.errors import PartBroken

__all__ = ["IssuingCertifier", "OverseenSearch"]


@attrs.define(eq=False)
class IssuingCertifier:
    """A certifier that remembers which certificates it gave."""

    certifier: ProofCertifier
    _issued: set[Certificate] = attrs.field(init=False, factory=set)

    async def certify(self, theorem: Theorem, tactics: Sequence[str]) -> CertificationResult:
        """Certify, and remember the certificate by its value: what is done to the object later changes nothing."""
        verdict = await self.certifier.certify(theorem, tactics)
        if isinstance(verdict, Certificate):
            self._issued.add(copy.deepcopy(verdict))
        return verdict

    def has_issued(self, certificate: Certificate) -> bool:
        """Whether it gave a certificate that says exactly this."""
        return certificate in self._issued


@attrs.frozen
class OverseenSearch:
    """A search whose results are believed only as far as the certifier's word goes."""

    search: ProofSearch
    certifier: IssuingCertifier
    """The one that ``search`` was given."""

    async def run(self, theorem: Theorem) -> SearchResult:
        """Search for a proof of ``theorem``.

        Raises:
            StatementError: the theorem's statement or header does not elaborate.
            PartBroken: the search claims a proof that was not certified, or answers something else than it was asked.
        """
        asked = copy.deepcopy(theorem)
        result = await self.search.run(theorem)
        if objection := self._objection(result, asked):
            raise PartBroken(
                f"{type(self.search).__qualname__} broke the contract of a search on {asked.name!r}: {objection}. "
                "Nothing of it was recorded. That is a mistake in the search; `leanebm check` tries it alone"
            )
        return result

    def _objection(self, result: object, theorem: Theorem) -> str | None:
        if not isinstance(result, SearchResult):
            return f"it returned {type(result).__name__}, not a SearchResult"
        certificate = result.certificate
        if result.theorem != theorem:
            return f"it answered about another theorem, {result.theorem.name!r}"
        if (result.outcome is SearchOutcome.PROVED) != (certificate is not None):
            return f"its outcome is {result.outcome!r} and its certificate {'missing' if certificate is None else 'there'}"
        if certificate is None:
            claims = any(node.status is NodeStatus.PROVED for node in result.nodes)
            return "it calls a node proved without a certificate" if claims else None
        if not self.certifier.has_issued(certificate):
            return "its certificate is none that the run's certifier gave"
        return None if certificate.theorem == theorem else "its certificate is for another theorem"
