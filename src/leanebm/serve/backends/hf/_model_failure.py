"""What becomes of an error that the model raised."""

from __future__ import annotations

import logging
import traceback

from leanebm.errors import PolicyError

__all__ = ["model_failure"]

_log = logging.getLogger(__name__)


def model_failure(error: Exception) -> PolicyError:
    """What to tell the requests that it ended. The memory that the error's frames hold is free afterwards.

    A pass that fails leaves its tensors in the frames of the traceback, and those in a cycle with the future
    that brought the error here: until Python happens to collect it, a GPU that was full would stay so.
    """
    import torch  # here, because it takes seconds; whoever has a model has it already

    _log.error("the model failed", exc_info=error)
    traceback.clear_frames(error.__traceback__)
    if not isinstance(error, torch.OutOfMemoryError):
        return PolicyError(f"the model failed: {type(error).__name__}: {error}")
    return PolicyError(
        "the GPU ran out of memory, and what was in this pass is lost. If it happens again, start the server with "
        "smaller --max-cache-tokens, --max-batch-tokens or --max-sequences, or ask who else uses the GPU. torch says: "
        f"{str(error).partition('. If reserved')[0]}"
    )
