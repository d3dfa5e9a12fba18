"""One HTTP attempt. aiohttp's exceptions end here: whatever fails leaves as ``AttemptFailed``."""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from typing import Final, Self, final

import aiohttp

from leanebm._shown import printable
from leanebm.errors import (
    PolicyBadRequest,
    PolicyError,
    PolicyOverloaded,
    PolicyProtocolError,
    PolicyUnauthorized,
    PolicyUnavailable,
    PromptTooLong,
)
from leanebm.policy._failure import AttemptFailed, Failure, NotOffered
from leanebm.policy.config import PolicyClientConfig

_LONGEST_MESSAGE: Final = 500

_LONGEST_RETRY_AFTER_S: Final = 60.0

_TOO_LONG: Final = re.compile(
    r"longer than the model'?s context|context[ _](length|size)|maximum (context|sequence|input)"
    r"|(input|prompt) is too long|`inputs`.*must (be <=|have less than)",
    re.IGNORECASE,
)

_NOT_SO_MANY: Final = re.compile(r"only one completion choice|n_cmpl cannot be", re.IGNORECASE)
"""What llama.cpp calls an error of its own (500), and is a request that it does not take."""


def failure_of_status(status: int, body: str, headers: Mapping[str, str], *, url: str) -> AttemptFailed:
    """The failure that a response with a status other than 200 stands for."""
    said = message_of(body) or f"HTTP {status} without a message"
    retry_after_s = _retry_after(headers)
    kind, error = _judge(status, said, url)
    return AttemptFailed(kind, error, retry_after_s=retry_after_s)


def _judge(status: int, said: str, url: str) -> tuple[Failure, PolicyError]:
    match status:
        case 401 | 403:
            return Failure.UNAUTHORIZED, PolicyUnauthorized(
                f"{url} wants another API key (HTTP {status}): --api-key, LEANEBM_API_KEY, or api_key in the settings",
                url=url,
            )
        case 429 | 503:
            return Failure.OVERLOADED, PolicyOverloaded(f"{url} is overloaded (HTTP {status}): {said}", url=url)
        case _ if status >= 500 and not _NOT_SO_MANY.search(said):
            return Failure.SERVER_ERROR, PolicyUnavailable(f"{url} failed (HTTP {status}): {said}", url=url)
        case 404 | 405:
            return Failure.MISPLACED, NotOffered(
                f"{url} is not offered by this server (HTTP {status}): {said}", url=url
            )
        case _ if 300 <= status < 400:
            return Failure.MISPLACED, PolicyBadRequest(
                f"{url} redirects (HTTP {status}), which is not followed: configure the final address", url=url
            )
        case _ if status < 300:
            return Failure.REFUSED, PolicyBadRequest(f"{url} answered HTTP {status} where 200 was expected", url=url)
        case _:
            refusal = PromptTooLong if _TOO_LONG.search(said) else PolicyBadRequest
            return Failure.REFUSED, refusal(f"{url} refused the request (HTTP {status}): {said}", url=url)


def message_of(body: str) -> str:
    """The human part of an error body, whichever of the known shapes it has, cut to a sane length."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = body
    return printable(" ".join(_innermost(parsed).split()))[:_LONGEST_MESSAGE]  # a sign may be shown by six


def _innermost(body: object) -> str:
    match body:
        case str():
            return body
        case (
            {"error": {"message": str(message)}}
            | {"error": str(message)}
            | {"message": str(message)}
            | {"error_message": str(message)}
        ):
            return message
        case {"detail": [*problems]}:
            return "; ".join(_innermost(problem) for problem in problems)
        case {"detail": str(message)}:
            return message
        case {"loc": [*place], "msg": str(message)}:
            return f"{'.'.join(map(str, place))}: {message}"
        case _:
            return json.dumps(body)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds from a ``Retry-After`` header; its date form is ignored, since clocks disagree."""
    try:
        seconds = float(headers.get("Retry-After", "0"))
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER_S) if math.isfinite(seconds) else 0.0


_KEEPALIVE_S: Final = 3.0
"""Below the 5 s after which uvicorn closes an idle connection, so that we rarely reuse a dead one."""

_PARSE_OFF_LOOP_BYTES: Final = 2**20

_LONGEST_ERROR_BODY: Final = 2**16

# Most specific first: the first row whose class matches decides.
_TRANSLATION: Final[tuple[tuple[type[aiohttp.ClientError], Failure, type[PolicyError], str], ...]] = (
    (aiohttp.ClientConnectorError, Failure.CONNECT, PolicyUnavailable, "cannot be reached"),
    (aiohttp.ServerTimeoutError, Failure.CONNECT, PolicyUnavailable, "does not accept a connection"),
    (aiohttp.ServerDisconnectedError, Failure.DROPPED, PolicyUnavailable, "closed the connection"),
    (aiohttp.ClientPayloadError, Failure.GARBLED, PolicyProtocolError, "sent only a part of its answer"),
    (aiohttp.ClientOSError, Failure.DROPPED, PolicyUnavailable, "broke the connection"),
    (aiohttp.ClientError, Failure.GARBLED, PolicyProtocolError, "did not answer in HTTP"),
)


@contextmanager
def translated_errors(url: str) -> Iterator[None]:
    """Turn aiohttp's exceptions into ours, the original kept as the cause."""
    try:
        yield
    except aiohttp.ClientError as error:
        kind, ours, said = next(row[1:] for row in _TRANSLATION if isinstance(error, row[0]))
        raise AttemptFailed(kind, ours(f"{url} {said}: {_reason(error)}", url=url)) from error


def _reason(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        # Before the next: its number is OpenSSL's, which as one of the system's means something else.
        why = getattr(error.certificate_error, "verify_message", "") or str(error.certificate_error)
        return f"its certificate is not trusted ({why}); the variable SSL_CERT_FILE names a file of others to trust"
    if isinstance(error, aiohttp.ClientSSLError):
        return f"no encrypted connection ({error.os_error.strerror}); an address without encryption starts with http://"
    if isinstance(error, aiohttp.ClientConnectorError) and (number := error.os_error.errno or 0) > 0:
        return os.strerror(number).lower()  # "connection refused"; aiohttp's own text repeats the address twice
    return str(error) or type(error).__name__


@final
class Transport:
    """Sends requests to one server. Enter it with ``async with``."""

    def __init__(self, base_url: str, config: PolicyClientConfig) -> None:
        self.base_url = base_url
        self._config = config
        self._resources = AsyncExitStack()
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open two sessions: one that reuses connections, one that never does."""
        # No limit on connections: how much is in flight is decided by our own adaptive limit, and
        # waiting for a connection must not eat a request's deadline.
        pooled = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_S)
        self._pooled = await self._resources.enter_async_context(self._session(pooled))
        fresh = aiohttp.TCPConnector(limit=0, force_close=True)
        self._fresh = await self._resources.enter_async_context(self._session(fresh))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close every connection."""
        self._pooled = self._fresh = None
        await self._resources.aclose()

    async def send(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, fresh: bool = False
    ) -> object:
        """Send one request and return the JSON it is answered with; ``None`` for an empty body.

        Cancelling closes the connection, which tells the server to stop.

        Args:
            method: ``GET`` or ``POST``.
            path: from the base address, with its leading slash.
            body: sent as JSON.
            fresh: whether to open a new connection for it.

        Raises:
            AttemptFailed: always, for whatever reason no usable answer came.
        """
        url = self.base_url + path
        session = self._fresh if fresh else self._pooled
        if session is None:
            raise RuntimeError("the policy client was used outside its `async with`")
        with translated_errors(url):
            async with session.request(method, url, json=body, allow_redirects=False) as response:
                if response.status != 200:
                    raise failure_of_status(
                        response.status, await self._error_text(response), response.headers, url=url
                    )
                return await self._parse(await self._read(response, url), url)

    def _session(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        key = self._config.api_key
        return aiohttp.ClientSession(
            connector=connector,
            headers={"Authorization": f"Bearer {key}"} if key else None,
            # total=None: our deadline stands around the attempt and knows about retries.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._config.connect_timeout_s),
            auto_decompress=True,
        )

    async def _read(self, response: aiohttp.ClientResponse, url: str) -> bytes:
        limit = self._config.max_response_bytes
        body = await _read_up_to(response, limit + 1)
        if len(body) > limit:
            response.close()
            raise _garbled(url, f"answered with more than {limit} bytes")
        return body

    async def _parse(self, body: bytes, url: str) -> object:
        if not body:
            return None
        try:
            if len(body) > _PARSE_OFF_LOOP_BYTES:
                return await asyncio.to_thread(json.loads, body)
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            what = "a web page: is the address right?" if body.lstrip()[:1] == b"<" else f"something else ({error})"
            raise _garbled(url, f"answered not with JSON but with {what}") from error

    async def _error_text(self, response: aiohttp.ClientResponse) -> str:
        text = (await _read_up_to(response, _LONGEST_ERROR_BODY)).decode(errors="replace")
        return text.replace(self._config.api_key, "[api key]") if self._config.api_key else text


async def _read_up_to(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(2**16):
        body += chunk
        if len(body) >= limit:
            break
    return bytes(body)


def _garbled(url: str, said: str) -> AttemptFailed:
    return AttemptFailed(Failure.GARBLED, PolicyProtocolError(f"{url} {said}", url=url))
