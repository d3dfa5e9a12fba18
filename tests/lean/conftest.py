"""Fake workers for the tests of this folder. No Lean is started here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_worker import fake_worker_argv

from leanebm.lean import CommandBackend, Dialect, LeanPoolConfig

FakeConfig = Callable[..., LeanPoolConfig]

_SCENARIO = {"banner", "dialect", "log", "gate", "fail_starts", "complaint"}


@pytest.fixture
def fake_config(tmp_path: Path) -> FakeConfig:
    """Makes a config of fake workers that share a marker file; keywords go to the scenario or to the config."""

    def make(**settings: Any) -> LeanPoolConfig:
        scenario = {name: settings.pop(name) for name in _SCENARIO & settings.keys()}
        argv = fake_worker_argv(marker=tmp_path / "marker", **scenario)
        dialect = Dialect.PANTOGRAPH if scenario.get("dialect") == "pantograph" else Dialect.LEANEBM
        backend = CommandBackend(argv=argv, name="fake", dialect=dialect)
        defaults: dict[str, Any] = {"backend": backend, "num_workers": 1, "max_restart_delay_s": 0.0, "imports": ()}
        return LeanPoolConfig(**(defaults | settings))

    return make
