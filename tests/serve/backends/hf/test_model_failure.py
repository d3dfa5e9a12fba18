"""What requests are told of an error, and what is left of it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch

from leanebm.serve.backends.hf._model_failure import model_failure

OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.19 GiB. "
    "Of the allocated memory 71 GiB is allocated by PyTorch, and 4 GiB is reserved by PyTorch but unallocated. If "
    "reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True."
)


def failing_pass(seen: list[weakref.ref[torch.Tensor]]) -> None:
    activations = torch.zeros(8)
    seen.append(weakref.ref(activations))
    raise torch.OutOfMemoryError(OUT_OF_MEMORY)


def test_a_full_gpu_is_told_with_what_to_do() -> None:
    told = str(model_failure(torch.OutOfMemoryError(OUT_OF_MEMORY)))
    assert "the GPU ran out of memory" in told
    assert "--max-cache-tokens" in told
    assert "Tried to allocate 2.00 GiB" in told
    assert "expandable_segments" not in told


def test_other_errors_are_told_by_name() -> None:
    assert str(model_failure(IndexError("row 7"))) == "the model failed: IndexError: row 7"


def test_the_tensors_of_a_failed_pass_are_let_go_at_once(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[weakref.ref[torch.Tensor]] = []
    cycle: dict[str, Any] = {}
    gc.disable()
    try:
        failing_pass(seen)
    except torch.OutOfMemoryError as error:
        cycle["error"] = error  # as a future does whose awaiting frame is in the error's own traceback
        model_failure(error)
    assert seen[0]() is None
    gc.enable()
    assert "failing_pass" in caplog.text
