"""Settings of the policy client."""

from __future__ import annotations

from typing import Final

import attrs
from attrs.validators import ge, gt, in_, instance_of, le, min_len, optional

from leanebm._api_key import check_api_key
from leanebm.policy._addresses import http_url, without_slash
from leanebm.policy.encoder_config import EncoderConfig
from leanebm.policy.prompt import PROMPT_FORMATS

__all__ = ["PolicyClientConfig"]

_POSITIVE: Final = gt(0.0)


@attrs.frozen(kw_only=True)
class PolicyClientConfig:
    """Which server to ask, for what, and how patiently."""

    url: str = attrs.field(converter=without_slash, validator=http_url)
    """Base address of the server that samples tactics, such as ``http://127.0.0.1:30000``."""

    api_key: str | None = attrs.field(default=None, repr=False, validator=check_api_key)
    """Sent as ``Authorization: Bearer …`` to both servers; never logged and never in an error."""

    adapter: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Name of the LoRA adapter that tactics are sampled with; ``None`` is the base model."""

    adapter_path: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Where the *server* finds that adapter: a server that does not know it is told to load it, once a call."""

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

    max_state_chars: int = attrs.field(default=16_000, validator=ge(256))
    """Longest state shown to the model, in characters, about a third as many tokens. A longer one loses
    the hypotheses that are farthest from its goal, and says so."""

    # --- the rest ---

    encoder: EncoderConfig = attrs.field(factory=EncoderConfig)
    """Where embeddings come from."""

    stop_on_weight_change: bool = attrs.field(default=False, validator=instance_of(bool))
    """Whether new weights on the server end the run; otherwise they are logged and caches emptied."""
