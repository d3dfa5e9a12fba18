"""Notices new weights on a server, gives it new ones, and makes sure that it has them."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar, final

import attrs

from leanebm.errors import PolicyBadRequest, PolicyError, PolicyProtocolError, PolicyUnauthorized, PolicyUnavailable
from leanebm.policy._endpoint import Endpoint, Sleep
from leanebm.policy._failure import NotOffered
from leanebm.policy.config import PolicyApi
from leanebm.policy.model_info import ModelInfo
from leanebm.policy.statistics import RequestMeter

_log = logging.getLogger(__name__)


_NATIVE: Final = ("/model_info", "/get_model_info")
_MODELS: Final = "/v1/models"
_ASKED: Final[Mapping[PolicyApi, tuple[str, ...]]] = {
    PolicyApi.AUTO: (*_NATIVE, _MODELS),
    PolicyApi.SGLANG: _NATIVE,
    PolicyApi.OPENAI: (_MODELS,),
    PolicyApi.OPENAI_CHAT: (_MODELS,),
}


@final
class ModelWatch:
    """Remembers what a server said about its model until an answer shows that it has another one."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        meter: RequestMeter,
        stop_on_change: bool,
        api: PolicyApi = PolicyApi.AUTO,
        model: str | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._api = api
        self._model = model
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
        """What the server says now: as SGLang does, under the name of today or the old one; or in a list of models.

        A server that knows none of these says nothing.

        Raises:
            PolicyError: the server could not answer.
        """
        infos: list[ModelInfo] = []
        refusals: list[PolicyError] = []
        for path in _ASKED[self._api]:
            try:
                reply = await self._endpoint.get(path)
            except NotOffered:
                continue
            except (PolicyUnauthorized, PolicyBadRequest, PolicyProtocolError) as refusal:
                # For this path, which it may not have either: some redirect, or show a web page, for any other.
                refusals.append(refusal)
                continue
            if path == _MODELS:
                infos.append(ModelInfo.from_models(reply, wanted=self._model))
            else:
                infos.append(ModelInfo.from_reply(reply))
            if infos[-1].api is not None:
                return infos[-1]
        if refusals:
            raise refusals[-1]
        return infos[0] if infos else ModelInfo()

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
                "/update_weights_from_disk", body, weight=None, decode=_require_update, deadline_s=self.deadline_s
            )
        except PolicyError as error:
            return None if self._is_new(await self.watch.ask()) else error
        return None

    def _is_new(self, info: ModelInfo) -> bool:
        if info.weight_version is None:  # an old server, which has no word for it
            return info.model_path == self.model_path
        return info.weight_version == self.version


def _require_update(reply: object) -> None:
    if not isinstance(reply, Mapping) or reply.get("success") is not True:
        message = reply.get("message") if isinstance(reply, Mapping) else reply
        raise PolicyBadRequest(f"the server did not update its weights: {message or 'no reason given'}")


_T = TypeVar("_T")

_UNKNOWN: Final = re.compile(
    r"\b(lora|adapters?)\b.*\b(not|never|unknown|no such|does ?n.t)\b", re.IGNORECASE | re.DOTALL
)

_ALREADY: Final = re.compile(r"\balready\b", re.IGNORECASE)


@final
class AdapterLoader:
    """A server that was restarted has forgotten what it was told to load; this tells it again, once per call."""

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
                await self._endpoint.post("/load_lora_adapter", body, weight=None, decode=require_load)
            except PolicyBadRequest as refusal:
                if not _ALREADY.search(str(refusal)):
                    raise
            self._loads += 1


def require_load(reply: object) -> None:
    """See that a server loaded an adapter.

    Raises:
        PolicyBadRequest: it says that it did not.
    """
    match reply:
        case {"success": False, **more}:
            raise PolicyBadRequest(f"the server could not load the adapter: {more.get('error_message') or 'no reason'}")
