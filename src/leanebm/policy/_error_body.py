"""What a response that is not 200 means. Servers and proxies have many ways to say it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Final

from leanebm.errors import (
    PolicyBadRequest,
    PolicyError,
    PolicyOverloaded,
    PolicyUnauthorized,
    PolicyUnavailable,
    PromptTooLong,
)
from leanebm.policy._failure import AttemptFailed, Failure, NotOffered

__all__ = ["failure_of_status", "message_of"]

_LONGEST_MESSAGE: Final = 500
_LONGEST_RETRY_AFTER_S: Final = 60.0
_TOO_LONG: Final = re.compile(
    r"longer than the model'?s context|context[ _]length|maximum (context|sequence|input)|(input|prompt) is too long",
    re.IGNORECASE,
)


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
                f"{url} wants another API key (HTTP {status}): set api_key", url=url
            )
        case 429 | 503:
            return Failure.OVERLOADED, PolicyOverloaded(f"{url} is overloaded (HTTP {status}): {said}", url=url)
        case _ if status >= 500:
            return Failure.SERVER_ERROR, PolicyUnavailable(f"{url} failed (HTTP {status}): {said}", url=url)
        case 404:
            return Failure.REFUSED, NotOffered(f"{url} is not offered by this server (HTTP 404): {said}", url=url)
        case _ if 300 <= status < 400:
            return Failure.REFUSED, PolicyBadRequest(
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
    return " ".join(_innermost(parsed).split())[:_LONGEST_MESSAGE]


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
