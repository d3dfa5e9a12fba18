"""The servers behind one setting: one, or several with the same model, of which each request is given to one."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, final

import attrs

from leanebm._shown import reason
from leanebm.errors import ConfigError, PolicyError, PolicyUnavailable
from leanebm.policy._failure import AttemptFailed, Failure
from leanebm.policy._server import Call, Server
from leanebm.policy._versions import WEIGHTS, Versions, adapter_called, versions_told
from leanebm.policy.config import ADDRESS_FILE, PolicyClientConfig, addresses_in, one_http_url, without_slash
from leanebm.policy.model_info import ModelInfo

_log = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
"""Seconds between two looks at the file of addresses, and at the servers that are left alone."""

_MOST_ADDRESSES: Final = 1024

_MOST_FILE_BYTES: Final = 2**20

_INTRODUCTION_S: Final = 25.0

Get = Callable[[str], Awaitable[object]]
"""Asks one server for what stands at a path; raises ``PolicyError``."""


@final
class Fleet:
    """Knows which servers there are, and which of them may be asked. Enter it with ``async with``.

    One server is asked as long as its breaker is closed. Of several, those are asked that have said what they serve,
    and serve the same; of two of them, drawn anew for each request, the one with less to do. What the others are up
    to is looked at beside the requests, never more often than each second: whether they have come back, whether they
    now serve the same, and what the file of addresses says.

    Args:
        url: the setting: an address, several, or a file of them.
        config: how patiently each is asked.
        make_server: of an address.
        introduce: asks one server what it serves.
        clock: seconds, monotonic.
        one_version: whether all must have the same weights.
        adapters: names of those that are asked for, which must then be the same, too.
    """

    def __init__(
        self,
        url: str,
        config: PolicyClientConfig,
        *,
        make_server: Callable[[str], Server],
        introduce: Callable[[Get], Awaitable[ModelInfo]],
        clock: Callable[[], float],
        one_version: bool,
        adapters: Collection[str],
    ) -> None:
        self.url = url
        self.one_version = one_version
        self._adapters = adapters
        self._config = config
        self._make = make_server
        self._introduce = introduce
        self._clock = clock
        # A source of its own: which server is asked must not change what any of them is asked.
        self._rng = random.Random()  # noqa: S311 - balance, not secrets
        self._file = Path(url.removeprefix(ADDRESS_FILE).strip()) if url.startswith(ADDRESS_FILE) else None
        addresses = () if self._file is not None else addresses_in(url)
        self.is_one = len(addresses) == 1
        """Whether there is nothing to choose from, and nothing to compare."""

        self._servers = {address: make_server(address) for address in addresses}
        self._leaving: list[Server] = []
        self._out: dict[str, str] = {}
        """Why each server that is not asked is not, by address; without those whose breaker alone is open."""

        self._model: Mapping[str, object] | None = None
        self._versions: dict[str, str] = {}
        self._meeting = asyncio.Lock()
        self._met_s = -_LOOK_EVERY_S
        self._not_met: AttemptFailed | None = None
        self._read_before: tuple[str, ...] | None = None
        self._looked_s = -_LOOK_EVERY_S
        self._looking: asyncio.Task[None] | None = None
        self._probes: dict[Server, asyncio.Task[None]] = {}
        """Looks at single servers: one that hangs must not keep the others from coming back."""

        self._following = asyncio.Lock()
        self._tasks: asyncio.TaskGroup | None = None
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the connection pools; no server need be up.

        Raises:
            ConfigError: the file of addresses cannot be read, or has a line that is none.
        """
        if self._file is not None:
            for address in await _addresses_of(self._file):
                self._servers[address] = self._make(address)
        async with AsyncExitStack() as resources:
            resources.push_async_callback(self._close)
            self._tasks = await resources.enter_async_context(asyncio.TaskGroup())
            resources.callback(self._stop)
            for server in self.servers:
                await self._open(server)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close every connection."""
        await self._resources.aclose()

    @property
    def servers(self) -> list[Server]:
        """All of them, those included that are not asked now."""
        return list(self._servers.values())

    @property
    def asked(self) -> list[Server]:
        """Those that may be asked now."""
        return [server for server in self.servers if server.url not in self._out and not server.breaker.is_open]

    # --- choosing ---

    async def pick(self, tried: Collection[str] = (), refused_by: Collection[Server] = ()) -> Server:
        """The server to ask next, if possible none of those that were ``tried``, still less one that refused.

        Raises:
            PolicyError: none may be asked; the message names each.
            ConfigError: several were met for the first time, and are not alike.
        """
        if self.is_one:
            (server,) = self.servers
            await server.breaker.admit(server.is_healthy, url=server.url)
            return server
        if self._model is None and (trouble := await self.meet()) is not None:
            raise trouble.error
        self._look_soon()
        while not (asked := self.asked) and (looks := self._looks()):  # one of them may be back
            await asyncio.wait(looks, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            self._look_soon()
        if not asked:
            raise PolicyUnavailable(self._nobody(), url=self.url)
        asked = [server for server in asked if server not in refused_by] or asked
        now_s = self._clock()
        able = [server for server in asked if server.rests_until <= now_s]
        choice = [server for server in able if server.url not in tried] or able
        if not choice:  # all have asked to be left alone for a while: the pause is the caller's
            return min(asked, key=lambda server: server.rests_until)
        return min(self._rng.sample(choice, min(2, len(choice))), key=lambda server: server.limit.load)

    def is_asked(self, server: Server) -> bool:
        """Whether a server is still as it was when it was picked."""
        is_there = self._servers.get(server.url) is server
        return self.is_one or (is_there and server.url not in self._out and not server.breaker.is_open)

    def has_another(self, tried: Collection[str]) -> bool:
        """Whether one may be asked that was not ``tried``."""
        now_s = self._clock()
        return any(server.url not in tried and server.rests_until <= now_s for server in self.asked)

    def rest_of_others(self, refused_by: Collection[Server]) -> float | None:
        """Seconds until one may be asked that has not refused; ``None`` if there is none."""
        others = [server for server in self.asked if server not in refused_by]
        return max(0.0, min(one.rests_until for one in others) - self._clock()) if others else None

    def require_weights(self, server: Server, answer: object) -> None:
        """See that an answer was made with the weights that all have.

        Raises:
            AttemptFailed: it was not; the server is not asked until it has them.
        """
        if self.is_one or not self.one_version:
            return
        versions: Versions = getattr(answer, "versions", {})  # answers to service calls have none
        for what, version in versions.items():
            if version == (ours := self._versions.setdefault(what, version)):
                continue
            error = PolicyError(
                f"the version of the {what} behind {server.url} is {version!r} now, and this run's is {ours!r}",
                url=server.url,
            )
            self._keep_out(server, f"{error}; it is not asked until it has that")
            server.breaker.open()
            raise AttemptFailed(Failure.OTHER_WEIGHTS, error)

    def learn_from(self, server: Server, failure: AttemptFailed) -> None:
        """Note what an attempt's failure says of its server's health."""
        trips = failure.kind.value.trips_breaker
        # One server that is slow is waited for; beside others, its health is to be looked at.
        if trips or (failure.kind is Failure.TIMED_OUT and not self.is_one):
            self._speak_against(server, failure.error)
        now_s = self._clock()
        if failure.retry_after_s:
            server.rests_until = now_s + failure.retry_after_s
        if not self.is_one:  # if all are tired, whoever rises first
            failure.retry_after_s = max(0.0, min((one.rests_until for one in self.asked), default=now_s) - now_s)

    def learn_from_refusals(self, servers: Collection[Server], said: Mapping[str, PolicyError]) -> None:
        """Note that another server answered what these refused: a proxy without a server behind it, another key."""
        if not self.is_one:
            for server in servers:
                self._speak_against(server, said[server.url])

    def _speak_against(self, server: Server, error: PolicyError) -> None:
        was_open = server.breaker.is_open
        server.breaker.record_failure()
        if server.breaker.is_open and not was_open and not self.is_one:
            _log.warning("%s; it is left alone for %.0f s", error, server.breaker.remaining_s)

    # --- meeting ---

    async def meet(self) -> AttemptFailed | None:
        """Look at every server that is not asked; what keeps all from being asked, ``None`` if one can be.

        Raises:
            ConfigError: several serve different things, and nothing is known yet of which is wanted.
            PolicyError: none can be asked, and one of them wants another key, or speaks no API that we know.
        """
        if self.is_one:
            (server,) = self.servers
            return await server.trouble()
        async with self._meeting:
            await self._follow_file(at_once=not self._servers)
            if self._model is not None:
                await asyncio.gather(*map(self._look_at, set(self.servers) - set(self.asked)))
            else:
                now_s = self._clock()
                if self._not_met is not None and now_s - self._met_s < _LOOK_EVERY_S:
                    return self._not_met  # of a moment ago, to somebody else
                troubles = await self._meet_all()
                if self._model is None:
                    self._met_s, self._not_met = self._clock(), self._joined(troubles)
                    return self._not_met
        return None if self.asked else AttemptFailed(Failure.CONNECT, PolicyUnavailable(self._nobody(), url=self.url))

    async def _meet_all(self) -> list[AttemptFailed]:
        met: dict[Server, ModelInfo] = {}
        troubles: dict[Server, AttemptFailed] = {}

        async def meet(server: Server) -> None:
            try:
                met[server] = await self._said_by(server)
            except AttemptFailed as trouble:
                troubles[server] = trouble

        await asyncio.gather(*map(meet, self.servers))
        if not met:
            told = [troubles[server] for server in self.servers]
            for trouble in told:
                if trouble.kind is Failure.REFUSED:  # more patience would not help
                    raise trouble.error
            return told
        facts = {server: self._facts(met[server]) for server in self.servers if server in met}
        first = next(iter(facts))
        if unlike := {server: said for server, said in facts.items() if _differences(said, facts[first])}:
            raise ConfigError(
                f"the servers do not serve the same, and a run is of one model; unlike {first.url},",
                [f"{server.url} has {_differences(said, facts[first])}" for server, said in unlike.items()]
                + ["give them the same, leave some out, or let weights differ: one_version = false @ policy"],
            )
        self._model = facts[first]
        self._versions = dict(versions_told(met[first]))
        self._out.clear()
        for server, trouble in troubles.items():
            self._keep_out(server, f"{trouble.error}; it is not asked until it answers")
            server.breaker.open()
        return []

    def _joined(self, troubles: list[AttemptFailed]) -> AttemptFailed:
        if not troubles:
            return AttemptFailed(Failure.CONNECT, PolicyUnavailable(f"{self.url} names no server", url=self.url))
        # Who answers and is not ready is waited for longer than who cannot be reached.
        telling = next((one for one in troubles if one.kind is not Failure.CONNECT), troubles[0])
        said = "; ".join(str(one.error) for one in troubles)
        return AttemptFailed(telling.kind, type(telling.error)(said, url=self.url))

    async def _said_by(self, server: Server) -> ModelInfo:
        """What a server serves.

        Raises:
            AttemptFailed: it is not healthy, or does not say.
        """
        if (trouble := await server.trouble()) is not None:
            raise trouble

        async def get(path: str) -> object:
            call = Call(
                method="GET", path=path, weight=None, decode=lambda reply: reply, deadline_s=self._config.deadline_s
            )
            try:
                return await server.attempt(call, self._clock() + _INTRODUCTION_S, fresh=True)
            except AttemptFailed as failure:
                raise failure.error from failure

        try:
            return await self._introduce(get)
        except PolicyUnavailable as error:
            raise AttemptFailed(Failure.CONNECT, error) from error
        except PolicyError as error:
            raise AttemptFailed(Failure.REFUSED, error) from error

    def _facts(self, info: ModelInfo) -> dict[str, object]:
        """What must be the same on all servers."""
        config = self._config
        facts: dict[str, object] = {
            "API": info.api,
            "kind of server": info.made_by or info.contract,
            "generation": info.is_generation,
            "form of states": info.prompt_formats.get(config.adapter or ""),
        }
        if config.model is not None and info.models:
            facts["model"] = config.model if config.model in info.models else None
        if self.one_version:
            versions = versions_told(info)
            facts |= {
                "model": facts.get("model", info.model_name),
                WEIGHTS: versions.get(WEIGHTS),
                "encoder": info.encoder,
            }
            facts |= {what: versions.get(what) for what in map(adapter_called, self._adapters)}
        return facts

    # --- looking after those that are not asked ---

    def _look_soon(self) -> None:
        now_s = self._clock()
        is_due = now_s - self._looked_s >= _LOOK_EVERY_S and self._looking is None
        if is_due and self._tasks is not None:
            self._looked_s = now_s
            self._looking = self._tasks.create_task(self._look())

    def _looks(self) -> list[asyncio.Task[None]]:
        """What is under way of that."""
        return [*([self._looking] if self._looking is not None else []), *self._probes.values()]

    async def _look(self) -> None:
        try:
            await self._follow_file()
            for server in self.servers:
                is_left_alone = server.url in self._out or server.breaker.is_open
                if is_left_alone and server not in self._probes and self._tasks is not None:
                    self._probes[server] = self._tasks.create_task(self._probe(server))
        finally:
            self._looking = None

    async def _probe(self, server: Server) -> None:
        try:
            await self._look_at(server)
        finally:
            del self._probes[server]

    async def _look_at(self, server: Server) -> None:
        """Ask a server that is left alone how it is, if the time for that has come; its breaker says when."""
        with suppress(PolicyUnavailable):
            if server.breaker.is_open:
                await server.breaker.admit(partial(self._may_join, server), url=server.url)
            elif not await self._may_join(server):
                server.breaker.open()

    async def _may_join(self, server: Server) -> bool:
        try:
            info = await self._said_by(server)
        except AttemptFailed as trouble:
            self._keep_out(server, str(trouble.error))
            return False
        facts = self._facts(info)
        if self._model is not None and (other := _differences(facts, self._model)):
            self._keep_out(server, f"{server.url} has {other}, and this run's servers have not; it is not asked")
            return False
        if self._out.pop(server.url, None) is not None:
            _log.warning("%s joins", server.url)
        return True

    def _keep_out(self, server: Server, why: str) -> None:
        if self._out.get(server.url) != why:
            _log.warning("%s", why)
        self._out[server.url] = why

    def _nobody(self) -> str:
        told = [
            self._out.get(server.url, f"{server.url} failed several times in a row")
            + f" (asked again in {server.breaker.remaining_s:.0f} s)"
            for server in self.servers
        ]
        return f"none of {len(told)} servers can be asked: {'; '.join(told)}"

    # --- the file of addresses ---

    async def _follow_file(self, *, at_once: bool = False) -> None:
        """Let servers join and leave as the file says, once it has said so twice: it may be half written."""
        if self._file is None:
            return
        async with self._following:
            await self._follow(self._file, at_once=at_once)

    async def _follow(self, file: Path, *, at_once: bool) -> None:
        try:
            read = await _addresses_of(file)
        except ConfigError as error:
            if self._read_before:
                _log.warning("%s; they stay those it named before", error)
            read = self._read_before = ()
        if not read and self._read_before:
            _log.warning("%s names no server; they stay those it named before", self._file)
        is_steady, self._read_before = at_once or read == self._read_before, read
        if read and is_steady and set(read) != set(self._servers):
            await self._replace(read)
        for server in list(self._leaving):
            if not (server.limit.in_flight or server.limit.waiting or server in self._probes):
                self._leaving.remove(server)
                await server.__aexit__(None, None, None)

    async def _replace(self, addresses: tuple[str, ...]) -> None:
        gone = {url: server for url, server in self._servers.items() if url not in addresses}
        for address in gone:
            _log.warning("%s leaves: it stands no more in %s", address, self._file)
            self._out.pop(address, None)
        self._leaving.extend(gone.values())
        servers: dict[str, Server] = {}
        for address in addresses:
            if (known := self._servers.get(address)) is None:
                known = self._make(address)
                self._out[address] = f"{address} has not said yet what it serves"
                await self._open(known)
            servers[address] = known
        self._servers = servers

    # --- beginning and end ---

    async def _open(self, server: Server) -> None:
        server.aborts = self._tasks
        await server.__aenter__()

    def _stop(self) -> None:
        for look in self._looks():
            look.cancel()
        for server in [*self.servers, *self._leaving]:
            server.aborts = None

    async def _close(self) -> None:
        self._tasks = None
        for server in [*self.servers, *self._leaving]:
            await server.__aexit__(None, None, None)


async def _addresses_of(file: Path) -> tuple[str, ...]:
    from leanebm.storage import read_regular  # it loads what reads Parquet

    try:
        text = (await asyncio.to_thread(read_regular, file, max_bytes=_MOST_FILE_BYTES)).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        said = reason(error) if isinstance(error, OSError) else str(error)
        raise ConfigError(f"cannot read the addresses of servers in {file}: {said}") from error
    addresses: dict[str, None] = {}
    mistakes: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        for address in addresses_in(without_slash(line.partition("#")[0])):
            try:
                one_http_url(None, attrs.fields(PolicyClientConfig).url, address)
            except ValueError as mistake:
                mistakes.append(f"{mistake} @ line {number}")
            addresses[address] = None
    if len(addresses) > _MOST_ADDRESSES:
        mistakes.append(f"it names {len(addresses)} servers, and {_MOST_ADDRESSES} is the most")
    if mistakes:
        raise ConfigError(f"{file} is no list of servers:", mistakes)
    return tuple(addresses)


def _differences(said: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """In words, which facts are not as wanted; empty if all are. An adapter that is not named may yet be loaded."""
    unlike = [
        f"{name} {value!r} instead of {wanted.get(name)!r}"
        for name, value in said.items()
        if value != wanted.get(name) and not (name.startswith("adapter ") and None in (value, wanted.get(name)))
    ]
    return ", ".join(unlike)
