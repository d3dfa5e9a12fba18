"""Policies: the client of a policy server and of the encoder beside it, and prompts."""

from leanebm.policy.client import PolicyClient
from leanebm.policy.config import EncoderBackend, EncoderConfig, PolicyApi, PolicyClientConfig
from leanebm.policy.model_info import ModelInfo
from leanebm.policy.prompt import (
    PROMPT_FORMATS,
    WHOLE_PROOF_FORMATS,
    PrefixFormat,
    PromptFormat,
    StateCommentFormat,
    TemplateFormat,
    prompt_format_of,
)
from leanebm.policy.statistics import PolicyStatistics
from leanebm.policy.tactic_block import TacticBlock
from leanebm.policy.truncation import truncate_state, truncate_text

__all__ = [
    "PROMPT_FORMATS",
    "WHOLE_PROOF_FORMATS",
    "EncoderBackend",
    "EncoderConfig",
    "ModelInfo",
    "PolicyApi",
    "PolicyClient",
    "PolicyClientConfig",
    "PolicyStatistics",
    "PrefixFormat",
    "PromptFormat",
    "StateCommentFormat",
    "TacticBlock",
    "TemplateFormat",
    "prompt_format_of",
    "truncate_state",
    "truncate_text",
]
