from __future__ import annotations

from typing import Any

import pytest

from leanebm.pipeline import FinetuneConfig


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"prompt_format": "chat"}, "chat template"),
        ({"prompt_format": "nonsense"}, "prompt_format"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"unlikelihood": -1.0}, "unlikelihood"),
        ({"epochs": float("inf")}, "epochs"),
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"max_steps": 1.5}, "max_steps"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"max_tokens": 8}, "max_tokens"),
        ({"target_modules": []}, "target_modules"),
        ({"device": "tpu"}, "device"),
        ({"prompt_weight": -0.5}, "prompt_weight"),
        ({"learn": "everything"}, "everything"),
        ({"learn": "whole_proofs", "unlikelihood": 0.1}, "leave out unlikelihood"),
        ({"learn": "whole_proofs", "prompt_format": "bfs_prover"}, "write one tactic"),
        ({"continue_from": "a", "rank": 4, "alpha": 8}, "leave out rank and alpha"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(settings: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        FinetuneConfig(model="m", **settings)
