"""Backends of the policy server, one per folder; :class:`Backend` is what they have in common."""

from leanebm.serve.backends.base import (
    Backend,
    BackendDescription,
    Completion,
    Embedding,
    EncodeDescription,
    Prompt,
    SamplingParams,
    Token,
)
from leanebm.serve.backends.hf import HfBackend, HfConfig
from leanebm.serve.backends.template import TemplateBackend

__all__ = [
    "Backend",
    "BackendDescription",
    "Completion",
    "Embedding",
    "EncodeDescription",
    "HfBackend",
    "HfConfig",
    "Prompt",
    "SamplingParams",
    "TemplateBackend",
    "Token",
]
