"""Settings of the policy client."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import attrs
from attrs.validators import ge, gt, in_, instance_of, le, min_len, optional

from leanebm.policy.prompt import PROMPT_FORMATS

__all__ = ["PolicyClientConfig"]

_POSITIVE: Final = gt(0.0)
_POOLINGS: Final[tuple[Any, ...]] = ("mean", "last", None)


def _http_url(_: object, attribute: attrs.Attribute[Any], value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{attribute.name} must look like http://host:port, got {value!r}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"{attribute.name} must be an address only; the key goes into api_key")


def _without_slash(url: str) -> str:
    return url.rstrip("/")


@attrs.frozen(kw_only=True)
class PolicyClientConfig:
    """Which server to ask, for what, and how patiently."""

    url: str = attrs.field(converter=_without_slash, validator=_http_url)
    """Base address of the server that samples tactics, such as ``http://127.0.0.1:30000``."""

    encode_url: str | None = attrs.field(
        default=None, converter=attrs.converters.optional(_without_slash), validator=optional(_http_url)
    )
    """Base address of the server that makes embeddings; ``None`` asks ``url``."""

    api_key: str | None = attrs.field(default=None, repr=False, validator=optional(min_len(1)))
    """Sent as ``Authorization: Bearer …`` to both servers; never logged and never in an error."""

    adapter: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Name of a LoRA adapter the server has loaded; ``None`` is the base model."""

    # --- sampling ---

    temperature: float = attrs.field(default=1.0, validator=ge(0.0))
    """0 asks for the likeliest tactic only; log-probabilities are those at this temperature."""

    top_p: float = attrs.field(default=1.0, validator=[_POSITIVE, le(1.0)])
    """Nucleus mass in (0, 1]."""

    max_tactic_tokens: int = attrs.field(default=192, validator=ge(1))
    """Longest completion, in tokens; longer ones come back marked as truncated."""

    prompt_format: str = attrs.field(default="state_comment", validator=in_(tuple(PROMPT_FORMATS)))
    """How a state is shown: ``state_comment`` or ``prefix``."""

    sampling_seed: int | None = None
    """Passed on as it is; only our own server and deterministic ones honour it. ``None`` sends none."""

    # --- patience ---

    deadline_s: float = attrs.field(default=120.0, validator=_POSITIVE)
    """Seconds one call may take, retries and pauses included, from when it is first let out."""

    startup_deadline_s: float = attrs.field(default=600.0, validator=_POSITIVE)
    """Seconds ``wait_ready`` waits for a server that is still loading its model."""

    connect_timeout_s: float = attrs.field(default=10.0, validator=_POSITIVE)
    """Seconds until an attempt to connect is given up."""

    max_attempts: int = attrs.field(default=4, validator=ge(1))
    """Attempts a call, when the server cannot be reached; other failures have stricter limits."""

    backoff_base_s: float = attrs.field(default=0.25, validator=_POSITIVE)
    """Upper bound of the first pause; it doubles with every retry. Pauses are uniform below it."""

    backoff_cap_s: float = attrs.field(default=8.0, validator=_POSITIVE)
    """Longest such bound, in seconds."""

    breaker_failures: int = attrs.field(default=5, validator=ge(1))
    """Consecutive transport or 5xx failures after which the server is left alone for a while."""

    breaker_cooldown_s: float = attrs.field(default=5.0, validator=_POSITIVE)
    """Seconds it is first left alone; doubles up to ``breaker_max_cooldown_s``."""

    breaker_max_cooldown_s: float = attrs.field(default=60.0, validator=_POSITIVE)

    # --- bounds ---

    max_sequences_in_flight: int = attrs.field(default=64, validator=ge(1))
    """Samples asked for at once, summed over requests; halved when the server says it is full."""

    max_response_bytes: int = attrs.field(default=64 * 2**20, validator=ge(1024))
    """Longest response that is read."""

    # --- encoding ---

    encode_batch: int = attrs.field(default=32, validator=ge(1))
    """Most texts in one ``/encode`` request."""

    encode_linger_s: float = attrs.field(default=0.003, validator=ge(0.0))
    """Seconds the first text of a batch waits for company."""

    embedding_cache_entries: int = attrs.field(default=8192, validator=ge(0))
    """Embeddings kept, the least recently used dropped first; 0 keeps none."""

    required_pooling: str | None = attrs.field(default="mean", validator=in_(_POOLINGS))
    """Pooling the embeddings must have been made with; ``None`` takes any."""

    stop_on_weight_change: bool = attrs.field(default=False, validator=instance_of(bool))
    """Whether new weights on the server end the run; otherwise they are logged and caches emptied."""
