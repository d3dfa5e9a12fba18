"""Settings of the encoder's side of a policy client."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import attrs
from attrs.validators import ge, in_, min_len, optional

from leanebm.policy._addresses import http_url, without_slash
from leanebm.policy.encoder_backend import EncoderBackend

__all__ = ["EncoderConfig"]

_POOLINGS: Final[tuple[Any, ...]] = ("mean", "last", None)


@attrs.frozen(kw_only=True)
class EncoderConfig:
    """Where embeddings come from, which ones will do, and which are remembered.

    Raises:
        ValueError: ``pooling`` is missing where only you can know it, or given where the server knows better.
    """

    backend: EncoderBackend = attrs.field(default=EncoderBackend.ENCODE_POOLED, converter=EncoderBackend)
    """Which interface of the server is asked."""

    url: str | None = attrs.field(
        default=None, converter=attrs.converters.optional(without_slash), validator=optional(http_url)
    )
    """Base address of the server that makes embeddings; ``None`` asks the policy server."""

    model: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Which model to ask for, on a server of ``openai_embeddings``; ``None`` takes the first it lists."""

    adapter: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Name of a LoRA adapter that embeddings are made with; ``None`` is the base model.

    Not the adapter that tactics are sampled with: that one changes every round, and with it every
    vector. ``openai_embeddings`` serves an adapter as a ``model``.
    """

    pooling: str | None = attrs.field(default=None, validator=in_(_POOLINGS))
    """How a server of ``openai_embeddings`` pools, which it does not say: ``mean`` or ``last``."""

    weights: str | None = attrs.field(default=None, validator=optional(min_len(1)))
    """Version of the weights, for a server that does not say; the cache on disk needs to know."""

    required_pooling: str | None = attrs.field(default="mean", validator=in_(_POOLINGS))
    """Pooling the embeddings must have been made with; ``None`` takes any."""

    batch_size: int = attrs.field(default=32, validator=ge(1))
    """Most texts in one request; a server or a backend may allow fewer."""

    linger_s: float = attrs.field(default=0.003, validator=ge(0.0))
    """Seconds the first text of a batch waits for company."""

    cache_entries: int = attrs.field(default=8192, validator=ge(0))
    """Embeddings kept in memory, the least recently used dropped first; 0 keeps none."""

    cache_file: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """Where embeddings are kept between runs, an SQLite file that several processes may share; ``None`` keeps none."""

    cache_file_mib: int = attrs.field(default=4096, validator=ge(1))
    """Size in MiB beyond which the embeddings that were not used for longest are dropped from the file."""

    def __attrs_post_init__(self) -> None:
        is_silent = self.backend is EncoderBackend.OPENAI_EMBEDDINGS
        if is_silent and self.pooling is None:
            raise ValueError("openai_embeddings does not say how it pools: set encoder.pooling to 'mean' or 'last'")
        if not is_silent and self.pooling is not None:
            raise ValueError(f"{self.backend.value} itself says how it pools: leave encoder.pooling out")
        if is_silent and self.adapter is not None:
            raise ValueError("openai_embeddings serves an adapter as a model: set encoder.model instead of adapter")
        if not is_silent and self.model is not None:
            raise ValueError(f"{self.backend.value} has one model: leave encoder.model out")
