"""How many negatives are false: search for proofs of a sample of them, with a larger budget than a search has.

The session that is searched begins at the negative: the proof is opened at the theorem and its tactics are
replayed up to there. What is found is certified as one proof, from the theorem's statement to the end, so
that a proof of a negative counts only as every other proof does.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any, Final, Self

import attrs
from attrs.validators import instance_of

from leanebm._shown import fitting_repr, how_many
from leanebm.core import ContrastiveGroup, Evidence, NegativeState, SearchOutcome, SearchResult, Theorem
from leanebm.data import KnownProof
from leanebm.pipeline.settings import structure_settings

_CONFIDENCE: Final = 0.95

_DERIVED: Final = ("decided", "false", "rate", "interval")
"""What is written of an audit for readers of the file, and not read again."""


@attrs.frozen(kw_only=True)
class AuditedNegative:
    """A negative, and what a search from it found."""

    theorem: str
    path: tuple[str, ...]
    """The tactics from the theorem to the negative."""

    evidence: Evidence
    outcome: SearchOutcome = attrs.field(validator=instance_of(SearchOutcome))
    """``proved`` says that the label is false."""

    proof: tuple[str, ...] = ()
    """What proves it, if something does: the tactics after ``path``."""

    error: str = ""
    """What broke, if the outcome is ``infrastructure``."""

    __repr__ = fitting_repr

    @classmethod
    def of(cls, chosen: ChosenNegative, result: SearchResult) -> AuditedNegative:
        """What ``result``, of a search from ``chosen``, says of it."""
        certificate = result.certificate
        return cls(
            theorem=chosen.theorem.name,
            path=chosen.path,
            evidence=chosen.negative.evidence,
            outcome=result.outcome,
            proof=certificate.tactics[len(chosen.path) :] if certificate is not None else (),
            error=f"{type(result.error).__name__}: {result.error}" if result.error is not None else "",
        )


@attrs.frozen
class ChosenNegative:
    """A negative that is to be audited."""

    theorem: Theorem
    path: tuple[str, ...]
    negative: NegativeState

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class NegativeAudit:
    """The share of negatives that are false, estimated from a sample."""

    audited: tuple[AuditedNegative, ...] = attrs.field(repr=how_many)
    groups: int
    """Decision points whose negatives the sample was drawn from; a run that goes on adds to them."""

    ended_unix_s: float
    """When the last search ended, in seconds since 1970."""

    @property
    def decided(self) -> int:
        """Negatives of which the search said something: all but those lost to infrastructure."""
        return sum(each.outcome is not SearchOutcome.INFRASTRUCTURE for each in self.audited)

    @property
    def false(self) -> int:
        """Negatives for which a proof was found and certified."""
        return sum(each.outcome is SearchOutcome.PROVED for each in self.audited)

    @property
    def rate(self) -> float | None:
        """Share of the decided that are false; ``None`` if none was decided."""
        return self.false / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval of the rate, at 95 % (Wilson 1927); (0, 1) if none was decided."""
        return wilson_interval(self.false, self.decided)

    def as_json(self) -> dict[str, Any]:
        """The audit as plain values, what follows from them among them."""
        return {
            **{name: getattr(self, name) for name in _DERIVED},
            "groups": self.groups,
            "ended_unix_s": self.ended_unix_s,
            "audited": [attrs.asdict(each) | {"evidence": each.evidence.value} for each in self.audited],
        }

    @classmethod
    def from_json(cls, values: Any, *, source: str) -> Self:
        """Read what :meth:`as_json` made, and was found in ``source``.

        Raises:
            ConfigError: it is something else.
        """
        if isinstance(values, Mapping):
            values = {name: value for name, value in values.items() if name not in _DERIVED}
        return structure_settings(values, cls, source=source)


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    r"""Where a share lies, with 95 % confidence, that was met ``successes`` times in ``trials``.

    With :math:`p` the observed share and :math:`z = 1.96`,

    .. math:: \frac{p + z^2/2n \pm z \sqrt{p(1-p)/n + z^2/4n^2}}{1 + z^2/n}
    """
    if not trials:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2)
    share, correction = successes / trials, z**2 / trials
    centre = share + correction / 2
    reach = z * math.sqrt(share * (1 - share) / trials + correction / (4 * trials))
    low, high = (centre - reach) / (1 + correction), (centre + reach) / (1 + correction)
    return max(0.0, min(share, low)), min(1.0, max(share, high))  # rounding must not leave the share outside


def sample_negatives(
    groups: Sequence[ContrastiveGroup], proofs: Mapping[str, KnownProof], size: int, *, seed: int
) -> list[ChosenNegative]:
    """Up to ``size`` different negatives, drawn evenly from all that belong to a known proof."""
    pool = [
        ChosenNegative(
            theorem=proofs[group.theorem].theorem,
            path=(*proofs[group.theorem].tactics[: group.depth], negative.tactic),
            negative=negative,
        )
        for group in sorted(groups, key=lambda group: (group.theorem, group.depth))  # shards come in any order
        if group.theorem in proofs
        for negative in group.negatives
    ]
    return random.Random(seed).sample(pool, min(size, len(pool)))  # noqa: S311 - a sample, not a secret
