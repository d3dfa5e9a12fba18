"""Backends of the policy server, one a folder; :class:`Backend` is what they have in common."""

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
from leanebm.serve.backends.template import TemplateBackend

__all__ = [
    "Backend",
    "BackendDescription",
    "Completion",
    "Embedding",
    "EncodeDescription",
    "Prompt",
    "SamplingParams",
    "TemplateBackend",
    "Token",
]
