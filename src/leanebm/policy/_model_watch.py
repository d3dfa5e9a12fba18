"""What a server serves, and whether it still does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import final

from leanebm.errors import PolicyError
from leanebm.policy._endpoint import Endpoint
from leanebm.policy._failure import NotOffered
from leanebm.policy._meter import Meter
from leanebm.policy.model_info import ModelInfo

__all__ = ["ModelWatch"]

_log = logging.getLogger(__name__)


@final
class ModelWatch:
    """Remembers what a server said about its model until an answer shows that it has another one."""

    def __init__(self, endpoint: Endpoint, *, meter: Meter, stop_on_change: bool) -> None:
        self._endpoint = endpoint
        self._meter = meter
        self._stop_on_change = stop_on_change
        self._info: ModelInfo | None = None
        self._asking = asyncio.Lock()
        self._weights: str | None = None
        self.on_change: list[Callable[[], None]] = []
        """Called when the weights have changed, before anything is made with the new ones."""

    async def info(self) -> ModelInfo:
        """What the server says; asked once, and again when its weights have changed.

        Raises:
            PolicyError: the server could not answer.
        """
        async with self._asking:
            if self._info is None:
                self._info = await self.ask()
                if self._weights is None:
                    self._weights = self._info.weight_version
            return self._info

    async def ask(self) -> ModelInfo:
        """What the server says now: under the name of today, then under the old one.

        A server that knows neither says nothing.

        Raises:
            PolicyError: the server could not answer.
        """
        for path in ("/model_info", "/get_model_info"):
            try:
                return ModelInfo.from_reply(await self._endpoint.get(path))
            except NotOffered:
                continue
        return ModelInfo()

    def note(self, version: str | None) -> None:
        """An answer was made with this version of the weights.

        Raises:
            PolicyError: it is another one than before, and this run must not mix them.
        """
        before = self._weights
        if version is None or version == before:
            return
        self._weights = version
        if before is None:
            return
        self._changed()
        said = f"the weights behind {self._endpoint.url} changed from {before!r} to {version!r}"
        if self._stop_on_change:
            raise PolicyError(f"{said}; this run must not mix them", url=self._endpoint.url)
        _log.warning("%s; embeddings made before are forgotten", said)

    def adopt(self, info: ModelInfo) -> None:
        """The weights were changed by ourselves."""
        self._weights = info.weight_version
        self._changed()
        self._info = info

    def _changed(self) -> None:
        self._meter.weight_changes += 1
        self._info = None
        for react in self.on_change:
            react()
