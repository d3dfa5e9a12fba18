"""Notices new weights on a server, and makes sure that it has the adapter."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar, final

from leanebm.errors import PolicyBadRequest, PolicyError, PolicyProtocolError, PolicyUnauthorized, PolicyUnavailable
from leanebm.policy._endpoint import Endpoint
from leanebm.policy._failure import NotOffered
from leanebm.policy._fleet import Get
from leanebm.policy._server import Server
from leanebm.policy._versions import Versions, versions_told
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


async def introduce(get: Get, *, api: PolicyApi = PolicyApi.AUTO, model: str | None = None) -> ModelInfo:
    """What a server says of its model: as SGLang does, under the name of today or the old one; or in a list of models.

    A server that knows none of these says nothing.

    Raises:
        PolicyError: the server could not answer.
    """
    infos: list[ModelInfo] = []
    refusals: list[PolicyError] = []
    for path in _ASKED[api]:
        try:
            reply = await get(path)
        except NotOffered:
            continue
        except (PolicyUnauthorized, PolicyBadRequest, PolicyProtocolError) as refusal:
            # For this path, which it may not have either: some redirect, or show a web page, for any other.
            refusals.append(refusal)
            continue
        if path == _MODELS:
            infos.append(ModelInfo.from_models(reply, wanted=model))
        else:
            infos.append(ModelInfo.from_reply(reply))
        if infos[-1].api is not None:
            return infos[-1]
    if refusals:
        raise refusals[-1]
    return infos[0] if infos else ModelInfo()


@final
class ModelWatch:
    """Remembers what a server said about its model until an answer shows that it has another one."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        meter: RequestMeter,
        stop_on_change: bool,
        may_mix: bool = False,
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
        self._versions: dict[str, str] = {}
        self._may_mix = may_mix
        self._mixed: defaultdict[str, set[str]] = defaultdict(set)
        self.on_change: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        """Called when what the key says has changed, before anything is made with the new one."""

    async def info(self) -> ModelInfo:
        """What the server says; asked once, and again when its weights have changed.

        Raises:
            PolicyError: the server could not answer.
        """
        async with self._asking:
            if self._info is None:
                self._info = await introduce(self._endpoint.get, api=self._api, model=self._model)
                self._versions = {**versions_told(self._info), **self._versions}
            return self._info

    def note(self, versions: Versions) -> None:
        """An answer was made with these.

        Raises:
            PolicyError: one is another than before, and this run must not mix them.
        """
        for what, version in versions.items():
            if self._may_mix:
                self._note_mixed(what, version)
            elif version != self._versions.get(what):
                self._note_new(what, version)

    def _note_mixed(self, what: str, version: str) -> None:
        mixed = self._mixed[what]
        if version not in mixed:
            mixed.add(version)
            _log.info("answers are made with the %s %s", what, ", ".join(sorted(mixed)))

    def _note_new(self, what: str, version: str) -> None:
        before = self._versions.get(what)
        self._versions[what] = version
        self._info = None  # it says something else, or nothing yet
        for react in self.on_change[what]:
            react()
        if before is None:
            return
        self._meter.weight_changes += 1
        said = f"the {what} behind {self._endpoint.url} changed from {before!r} to {version!r}"
        if self._stop_on_change:
            raise PolicyError(
                f"{said}, and this run must not mix them: whoever runs that server gave it others. "
                "Have it serve the former again and resume, or begin another run",
                url=self._endpoint.url,
            )
        _log.warning("%s%s", said, "; embeddings made before are forgotten" if self.on_change[what] else "")


_T = TypeVar("_T")

_UNKNOWN: Final = re.compile(
    r"\b(lora|adapters?)\b.*\b(not|never|unknown|no such|does ?n.t)\b", re.IGNORECASE | re.DOTALL
)


def knows_no_adapter(refusal: PolicyBadRequest) -> bool:
    """Whether a server refuses because the adapter that was asked for is not loaded."""
    return _UNKNOWN.search(str(refusal)) is not None


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
            if self._name is None or self._path is None or not knows_no_adapter(refusal):
                raise
            _log.warning("%s; telling it to load %s from %s", refusal, self._name, self._path)
        await self._load(seen)
        return await ask()

    async def load(self) -> None:
        """Tell every server that is there, whatever it has loaded already.

        Raises:
            PolicyBadRequest: it cannot load it.
            PolicyError: the server could not answer.
        """
        await self._load(self._loads)

    async def _load(self, seen: int) -> None:
        async with self._loading:
            if self._loads != seen:
                return  # another call has done so since we asked
            for server in await self._endpoint.present():
                await self._load_at(server)
            self._loads += 1

    async def _load_at(self, server: Server) -> None:
        try:
            await load_adapter(self._endpoint, server, str(self._name), str(self._path))
        except PolicyBadRequest as refusal:
            if not _ALREADY.search(str(refusal)):
                raise
        except PolicyUnavailable:
            if self._endpoint.fleet.is_one:
                raise
            _log.warning("%s could not be told to load %s; it will be when it is asked", server.url, self._name)


async def load_adapter(endpoint: Endpoint, server: Server, name: str, path: str) -> None:
    """Have one server load a LoRA adapter.

    Raises:
        PolicyBadRequest: it has one of that name already, or cannot load it.
        PolicyError: it could not answer.
    """
    body = {"lora_name": name, "lora_path": path}
    await endpoint.post("/load_lora_adapter", body, weight=None, decode=require_load, at=server)


def require_load(reply: object) -> None:
    """See that a server loaded an adapter.

    Raises:
        PolicyBadRequest: it says that it did not.
    """
    match reply:
        case {"success": False, **more}:
            raise PolicyBadRequest(f"the server could not load the adapter: {more.get('error_message') or 'no reason'}")
