"""Which encoder made an embedding: vectors of different encoders must never meet in one head."""

from __future__ import annotations

import hashlib
import json

import attrs

from leanebm._shown import fitting_repr


@attrs.frozen(kw_only=True)
class EncoderIdentity:
    """Everything that a vector depends on besides its text; equal identities give equal vectors.

    A field is ``None`` where the encoder does not say.
    """

    model: str | None = None
    """What the server calls its model; of a server of ours, the name of the model's folder."""

    weights: str | None = None
    """Version of the weights, such as a hash of the files or the name of a training round."""

    adapter: str | None = None
    """LoRA adapter on top of the weights, ``name@hash`` where the server says which files it is; ``None`` for the base
    model."""

    pooling: str
    """``mean`` over the tokens, or ``last`` token."""

    layer: str | None = None
    is_normalized: bool
    """Whether vectors come with length 1."""

    includes_bos: bool | None = None
    """Whether the pooled tokens include one for the beginning of the text."""

    dim: int | None = None
    """Width of a vector."""

    dtype: str | None = None
    """Number format the vectors were computed in, such as ``float32``."""

    __repr__ = fitting_repr

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that differ where any field differs."""
        return hashlib.sha256(json.dumps(attrs.asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def differences(self, other: EncoderIdentity) -> tuple[str, ...]:
        """One phrase per field that differs, such as ``dim: 384 here, 4096 there``; empty if equal."""
        mine, theirs = attrs.asdict(self), attrs.asdict(other)
        return tuple(
            f"{name}: {mine[name]!r} here, {theirs[name]!r} there" for name in mine if mine[name] != theirs[name]
        )
