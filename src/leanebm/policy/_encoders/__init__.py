"""The interfaces that embeddings can be asked from, one class each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from leanebm.policy._encoders.base import BatchEncoder, EncodePooled
from leanebm.policy._encoders.openai_embeddings import OpenAIEmbeddings
from leanebm.policy._encoders.sglang import SglangEncode, SglangHiddenStates
from leanebm.policy.config import EncoderBackend

__all__ = ["ENCODERS", "BatchEncoder", "EncodePooled", "OpenAIEmbeddings", "SglangEncode", "SglangHiddenStates"]

ENCODERS: Final[Mapping[EncoderBackend, type[BatchEncoder]]] = MappingProxyType(
    {
        EncoderBackend.ENCODE_POOLED: EncodePooled,
        EncoderBackend.SGLANG_HIDDEN_STATES: SglangHiddenStates,
        EncoderBackend.SGLANG_ENCODE: SglangEncode,
        EncoderBackend.OPENAI_EMBEDDINGS: OpenAIEmbeddings,
    }
)
"""Which class speaks which interface."""
