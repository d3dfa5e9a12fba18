"""Hands a server new weights, and makes sure that it has them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, final

import attrs

from leanebm.errors import PolicyBadRequest, PolicyError, PolicyUnavailable
from leanebm.policy._endpoint import Endpoint, Sleep
from leanebm.policy._model_watch import ModelWatch
from leanebm.policy.model_info import ModelInfo

__all__ = ["WeightUpdate"]

_log = logging.getLogger(__name__)

_ATTEMPTS: Final = 4
_FIRST_PAUSE_S: Final = 1.0


@final
@attrs.frozen(kw_only=True)
class WeightUpdate:
    """One change of weights.

    A server refuses while it has requests from anyone: ours are held back until it is over, others'
    are waited for. It counts as done when the server *says* that it serves the new weights, not when it
    says that the update went well.
    """

    endpoint: Endpoint
    watch: ModelWatch
    model_path: str
    version: str
    deadline_s: float
    """Seconds that loading may take, each time."""

    sleep: Sleep

    async def run(self) -> ModelInfo:
        """Drain, update, and look; up to four times, with growing pauses.

        Raises:
            PolicyError: the server keeps its old weights, or has ones that nobody asked for.
        """
        before = await self.watch.ask()
        if self._is_new(before):
            raise ValueError(f"{self.endpoint.url} already serves {self.version!r}: name new weights anew")
        async with self.endpoint.limit.drained():
            refusal = await self._attempt()
            for attempt in range(1, _ATTEMPTS):
                if refusal is None:
                    break
                pause_s = _FIRST_PAUSE_S * 2.0 ** (attempt - 1)
                _log.warning("%s; trying again in %g s", refusal, pause_s)
                await self.sleep(pause_s)
                refusal = await self._attempt()
            now = await self.watch.ask()
            if self._is_new(now):
                self.watch.adopt(now)
                return now
        if refusal is not None:
            raise PolicyUnavailable(
                f"{self.endpoint.url} still serves {now.weight_version!r}: {refusal}", url=self.endpoint.url
            ) from refusal
        raise PolicyError(
            f"{self.endpoint.url} took {self.version!r} and serves {now.weight_version!r}", url=self.endpoint.url
        )

    async def _attempt(self) -> PolicyError | None:
        """Ask once; ``None`` if the server says that it went well, or at least has the weights."""
        body = {"model_path": self.model_path, "weight_version": self.version, "flush_cache": True}
        try:
            await self.endpoint.post(
                "/update_weights_from_disk", body, weight=None, decode=_require_success, deadline_s=self.deadline_s
            )
        except PolicyError as error:
            return None if self._is_new(await self.watch.ask()) else error
        return None

    def _is_new(self, info: ModelInfo) -> bool:
        if info.weight_version is None:  # an old server, which has no word for it
            return info.model_path == self.model_path
        return info.weight_version == self.version


def _require_success(reply: object) -> None:
    if not isinstance(reply, Mapping) or reply.get("success") is not True:
        message = reply.get("message") if isinstance(reply, Mapping) else reply
        raise PolicyBadRequest(f"the server did not update its weights: {message or 'no reason given'}")
