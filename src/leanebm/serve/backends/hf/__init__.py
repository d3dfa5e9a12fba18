"""A language model from a local Hugging Face folder."""

from leanebm.serve.backends.hf.backend import HfBackend
from leanebm.serve.backends.hf.config import HfConfig

__all__ = ["HfBackend", "HfConfig"]
