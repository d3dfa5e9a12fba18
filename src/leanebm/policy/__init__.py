"""Policies: the client of a policy server, prompts, and a cache."""

from leanebm.policy.cached import CachedPolicy
from leanebm.policy.client import PolicyClient
from leanebm.policy.config import PolicyClientConfig
from leanebm.policy.model_info import EncoderInfo, ModelInfo
from leanebm.policy.prompt import PROMPT_FORMATS, PrefixFormat, PromptFormat, StateCommentFormat, TacticBlock
from leanebm.policy.statistics import PolicyStatistics

__all__ = [
    "PROMPT_FORMATS",
    "CachedPolicy",
    "EncoderInfo",
    "ModelInfo",
    "PolicyClient",
    "PolicyClientConfig",
    "PolicyStatistics",
    "PrefixFormat",
    "PromptFormat",
    "StateCommentFormat",
    "TacticBlock",
]
