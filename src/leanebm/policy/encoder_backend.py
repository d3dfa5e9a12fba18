"""The ways to get embeddings from a server."""

from __future__ import annotations

import enum

__all__ = ["EncoderBackend"]


class EncoderBackend(enum.Enum):
    """Which of a server's interfaces embeddings are asked from; the value is its name in a configuration."""

    ENCODE_POOLED = "encode_pooled"
    """``/encode`` of leanebm's own contract: pooled on the server, which says how. The default."""

    SGLANG_HIDDEN_STATES = "sglang_hidden_states"
    """``/generate`` of a stock SGLang that returns hidden states; averaged over the tokens here."""

    SGLANG_ENCODE = "sglang_encode"
    """``/encode`` of a stock SGLang started as an embedding server: last token, length 1."""

    OPENAI_EMBEDDINGS = "openai_embeddings"
    """``/v1/embeddings`` of an embedding server, such as vLLM's."""
