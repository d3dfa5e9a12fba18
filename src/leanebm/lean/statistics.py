"""What a pool knows about itself."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

from leanebm._shown import fitting_repr


class RetirementReason(StrEnum):
    """Why a worker was replaced."""

    REQUESTS = "requests"
    """It answered as many requests as one worker may."""

    AGE = "age"
    """It lived as long as one worker may."""

    MEMORY = "memory"
    """Its resident memory reached the limit."""

    DIED = "died"
    """Its process ended."""

    TIMEOUT = "timeout"
    """It did not answer in time and was killed."""

    PROTOCOL = "protocol"
    """It answered something that is not the protocol and was killed."""

    @property
    def is_loss(self) -> bool:
        """Whether the worker broke, rather than being replaced in good order."""
        return self in {self.DIED, self.TIMEOUT, self.PROTOCOL}


@attrs.frozen(kw_only=True)
class WorkerStatistics:
    """One living worker."""

    index: int
    """Its place in the pool; a replacement takes over the place."""

    epoch: int
    """Its incarnation: no two workers of this Python process share one."""

    pid: int
    """Process id of its group's leader."""

    is_retiring: bool
    """Whether it takes no new proofs and waits for its open ones to end."""

    requests: int
    """Requests answered."""

    open_proofs: int
    """Proofs open on it."""

    age_s: float
    """Seconds since its process was started."""

    start_s: float
    """Seconds from the start of its process to its first answer."""

    rss_mib: float
    """Resident memory in MiB, as last sampled."""


@attrs.frozen(kw_only=True)
class PoolStatistics:
    """A pool at one moment."""

    backend: str
    workers: tuple[WorkerStatistics, ...]
    """Living workers, by place and age."""

    requests: int
    """Requests answered since the pool was opened, by workers past and present."""

    open_proofs: int
    """Proofs open now."""

    waiting: int
    """Callers that wait for a worker."""

    starts: int
    """Workers that became ready since the pool was opened."""

    start_failures: int
    """Starts that failed."""

    retirements: Mapping[RetirementReason, int]
    """Workers replaced, by reason; reasons that did not occur are missing."""

    __repr__ = fitting_repr
