"""A sign of illness in an energy head: what a rule looks at, what it is, and what it says."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping

import attrs

from leanebm._shown import fitting_repr
from leanebm.energy.diagnostics.estimate import Estimate
from leanebm.energy.diagnostics.slices import Slice

__all__ = ["Alarm", "AlarmRule", "Findings", "Severity"]


class Severity(enum.Enum):
    """How bad it is."""

    FATAL = "fatal"
    """The figures themselves cannot be trusted; the head must not steer a search."""

    WARNING = "warning"
    """The head is worse than it could be, or looks better than it is."""


@attrs.frozen(kw_only=True)
class Alarm:
    """A rule that found what it looks for."""

    name: str
    severity: Severity
    finding: str
    """What was measured."""

    cause: str
    """What most likely lies behind it."""

    remedy: str
    """What to do."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class Findings:
    """What rules look at."""

    metrics: Mapping[str, Estimate]
    slices: tuple[Slice, ...] = ()

    __repr__ = fitting_repr

    def value(self, name: str) -> float:
        """A figure's value; ``nan``, which no comparison holds for, where it was not measured."""
        found = self.metrics.get(name)
        return math.nan if found is None or found.value is None else found.value


@attrs.frozen(kw_only=True)
class AlarmRule:
    """One illness."""

    name: str
    severity: Severity
    cause: str
    remedy: str
    sign: Callable[[Findings], str | None]
    """What is wrong, in one clause with the figure in it; ``None`` if nothing is."""

    __repr__ = fitting_repr

    def __call__(self, findings: Findings) -> Alarm | None:
        """Look for the sign."""
        finding = self.sign(findings)
        if finding is None:
            return None
        return Alarm(name=self.name, severity=self.severity, finding=finding, cause=self.cause, remedy=self.remedy)
