"""What a :class:`~leanebm.testing.FakePolicyServer` does with a request: answer it, well or badly, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from leanebm._shown import fitting_repr


@attrs.frozen(kw_only=True)
class Answer:
    """A complete HTTP answer."""

    status: int = 200
    json: object = None
    """Sent as JSON, unless ``body`` is given."""

    body: bytes | None = None
    """Sent as it is."""

    headers: Mapping[str, str] = attrs.field(factory=dict)
    wait_for: asyncio.Event | None = None
    """Answer only once this is set."""

    __repr__ = fitting_repr

    @property
    def content(self) -> bytes:
        """The bytes of the answer's body."""
        if self.body is not None:
            return self.body
        return b"" if self.json is None else json.dumps(self.json).encode()


@attrs.frozen
class Compute:
    """An answer that depends on the request."""

    answer: Callable[[Any], Answer]
    """From the request's body, parsed."""


@attrs.frozen
class HangUp:
    """Close the connection before the status line."""


@attrs.frozen
class Stall:
    """Never answer; wait until the client gives up."""


@attrs.frozen
class Truncate:
    """Promise more bytes than are sent, then close the connection."""

    body: bytes = b'[{"text": "si'


@attrs.frozen(kw_only=True)
class Drip:
    """Send a good answer so slowly that no single wait is long, and for ever if the client lets us."""

    gap_s: float = 0.002
    """Seconds between one byte and the next."""


@attrs.frozen(kw_only=True)
class Raw:
    """Write these bytes to the connection, which need not be HTTP, as often as the client takes them."""

    start: bytes
    again: bytes = b""
    """Written over and over until the client leaves; empty closes the connection after ``start``."""

    __repr__ = fitting_repr


Step = Answer | Compute | Drip | HangUp | Raw | Stall | Truncate
"""What happens to one request."""


def sample_object(
    text: str,
    *log_probs: float | None,
    ids: Sequence[int] | None = None,
    finish: str = "stop",
    weight_version: str | None = None,
    token_texts: Sequence[str | None] | None = None,
) -> dict[str, Any]:
    """One object of a ``/generate`` answer, as a stock server words it.

    Args:
        text: the completion.
        log_probs: one per token.
        ids: the tokens; by default 1, 2, 3 ….
        finish: ``stop``, ``length`` or ``abort``.
        weight_version: left out if ``None``.
        token_texts: one per token; ``None`` for each by default.
    """
    numbered = ids if ids is not None else range(1, len(log_probs) + 1)
    texts = token_texts if token_texts is not None else [None] * len(log_probs)
    meta: dict[str, Any] = {
        "id": "x",
        "finish_reason": {"type": finish},
        "prompt_tokens": 3,
        "completion_tokens": len(log_probs),
        "output_token_logprobs": [list(entry) for entry in zip(log_probs, numbered, texts, strict=True)],
    }
    return {"text": text, "meta_info": meta if weight_version is None else {**meta, "weight_version": weight_version}}


def embedding_objects(
    *vectors: Any, weight_version: str = "w1", adapter_version: str | None = None
) -> list[dict[str, Any]]:
    """An ``/encode`` answer with these vectors; an ``adapter_version`` of ``None`` is left out."""
    meta = {"id": "x", "prompt_tokens": 3, "finish_reason": None, "weight_version": weight_version}
    if adapter_version is not None:
        meta["adapter_version"] = adapter_version
    return [{"embedding": vector, "meta_info": meta} for vector in vectors]


def hashed_embedding(text: str, dim: int = 8) -> list[float]:
    """A vector of its own for each text, the same on every machine; means nothing."""
    digest = hashlib.shake_256(text.encode()).digest(4 * dim)
    return [number / 2**31 - 1.0 for number in struct.unpack(f"<{dim}I", digest)]
