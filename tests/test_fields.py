from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from leanebm._fields import DEVICE, EMBEDDED_WORKER_MIB, torch_device
from leanebm.errors import ConfigError


def test_a_device_that_is_there_is_found() -> None:
    assert torch_device("cpu") == torch.device("cpu")
    for index in range(torch.cuda.device_count()):
        assert torch_device(f"cuda:{index}") == torch.device("cuda", index)


@pytest.mark.parametrize("seen", [0, 1])
def test_one_that_is_not_there_is_refused(seen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    with pytest.raises(ConfigError, match=rf"'cuda:1' was asked for, but torch .* sees {seen or 'no'} CUDA device"):
        torch_device("cuda:1")
    if not seen:
        with pytest.raises(ConfigError, match="'cuda' was asked for"):
            torch_device("cuda")


def test_names_are_those_that_settings_take() -> None:
    assert all(re.fullmatch(DEVICE, name) for name in ("cpu", "cuda", "cuda:0", "cuda:12"))
    assert not any(re.fullmatch(DEVICE, name) for name in ("", "auto", "tpu", "cuda:", "cuda:x", "cpu:0"))


@pytest.mark.parametrize(
    "page", ["README.md", "docs/backends.md", "docs/cloud-gpu.md", "docs/running-experiments.md", "docs/cli.md"]
)
def test_pages_plan_what_the_program_plans_for_a_worker(page: str) -> None:
    assert f"{EMBEDDED_WORKER_MIB} MiB" in " ".join(
        (Path(__file__).parent.parent / page).read_text(encoding="utf-8").split()
    )
