"""Tells a server to load the adapter that it does not know."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, final

from leanebm.errors import PolicyBadRequest
from leanebm.policy._endpoint import Endpoint

__all__ = ["AdapterLoader"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_UNKNOWN: Final = re.compile(
    r"\b(lora|adapters?)\b.*\b(not|never|unknown|no such|does ?n.t)\b", re.IGNORECASE | re.DOTALL
)
_ALREADY: Final = re.compile(r"\balready\b", re.IGNORECASE)


@final
class AdapterLoader:
    """A server that was restarted has forgotten what it was told to load; this tells it again, once a call."""

    def __init__(self, endpoint: Endpoint, name: str | None, path: str | None) -> None:
        self._endpoint = endpoint
        self._name = name
        self._path = path
        self._loading = asyncio.Lock()
        self._loads = 0

    async def call(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """``await ask()``; if the server refuses because it does not know the adapter, load it and ask once more.

        Raises:
            PolicyBadRequest: it refuses for another reason, or still; or no path of the adapter is configured.
            PolicyError: the server could not answer.
        """
        seen = self._loads
        try:
            return await ask()
        except PolicyBadRequest as refusal:
            if self._name is None or self._path is None or not _UNKNOWN.search(str(refusal)):
                raise
            _log.warning("%s; telling it to load %s from %s", refusal, self._name, self._path)
        await self._load(seen)
        return await ask()

    async def _load(self, seen: int) -> None:
        async with self._loading:
            if self._loads != seen:
                return  # another call has done so since we asked
            body = {"lora_name": self._name, "lora_path": self._path}
            try:
                await self._endpoint.post("/load_lora_adapter", body, weight=None, decode=_require_success)
            except PolicyBadRequest as refusal:
                if not _ALREADY.search(str(refusal)):
                    raise
            self._loads += 1


def _require_success(reply: object) -> None:
    match reply:
        case {"success": False, **more}:
            raise PolicyBadRequest(f"the server could not load the adapter: {more.get('error_message') or 'no reason'}")
