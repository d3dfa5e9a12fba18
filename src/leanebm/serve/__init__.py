"""Our own policy server: the wire contract of SGLang's native API over a backend of choice."""

from leanebm.serve.backends import (
    Backend,
    BackendDescription,
    Completion,
    Embedding,
    EncodeDescription,
    HfBackend,
    HfConfig,
    Prompt,
    SamplingParams,
    TemplateBackend,
    Token,
)
from leanebm.serve.backends.hf.config import SHIPPED_POLICY
from leanebm.serve.config import ServeConfig
from leanebm.serve.server import PolicyServer

__all__ = [
    "SHIPPED_POLICY",
    "Backend",
    "BackendDescription",
    "Completion",
    "Embedding",
    "EncodeDescription",
    "HfBackend",
    "HfConfig",
    "PolicyServer",
    "Prompt",
    "SamplingParams",
    "ServeConfig",
    "TemplateBackend",
    "Token",
]
