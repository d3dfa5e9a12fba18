"""The APIs that tactics can be asked through, one class each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from leanebm.policy._dialects.base import Dialect
from leanebm.policy._dialects.openai import OpenAIChat, OpenAICompletions
from leanebm.policy._dialects.sglang import Sglang
from leanebm.policy.config import PolicyApi

__all__ = ["DIALECTS", "Dialect"]

DIALECTS: Final[Mapping[PolicyApi, type[Dialect]]] = MappingProxyType(
    {
        PolicyApi.SGLANG: Sglang,
        PolicyApi.OPENAI: OpenAICompletions,
        PolicyApi.OPENAI_CHAT: OpenAIChat,
    }
)
"""Which class speaks which API."""
