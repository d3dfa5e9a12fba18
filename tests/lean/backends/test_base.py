from __future__ import annotations

from collections.abc import Callable

import psutil
import pytest

from leanebm.lean import LeanPoolConfig
from leanebm.lean._worker import LeanWorker
from leanebm.lean.backends.base import minimal_environment
from leanebm.lean.embedded import EmbeddedLean

FakeConfig = Callable[..., LeanPoolConfig]

_SECRETS = {
    "LEANEBM_API_KEY": "hunter2",
    "HF_TOKEN": "hf_hunter2",
    "OPENAI_API_KEY": "sk-hunter2",
    "AWS_SECRET_ACCESS_KEY": "hunter2",
    "GITHUB_TOKEN": "ghp_hunter2",
    "SSH_AUTH_SOCK": "/run/hunter2",
    "PYTHONPATH": "/hunter2",
    "NODE_OPTIONS": "--require=/hunter2",
    "LD_PRELOAD": "",
}


@pytest.fixture
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, secret in _SECRETS.items():
        monkeypatch.setenv(name, secret)


async def _environments(config: LeanPoolConfig) -> list[dict[str, str]]:
    """What the system says of a worker's guard, of the worker, and of everything below."""
    async with LeanWorker.running(config) as worker:
        guard = psutil.Process(worker.pid)
        return [process.environ() for process in (guard, *guard.children(recursive=True))]


@pytest.mark.usefixtures("_secrets")
async def test_a_worker_inherits_none_of_our_keys(fake_config: FakeConfig) -> None:
    environments = await _environments(fake_config())
    assert len(environments) >= 2
    for environment in environments:
        assert not _SECRETS.keys() & environment.keys()
        assert "hunter2" not in str(environment)


@pytest.mark.lean
@pytest.mark.usefixtures("_secrets")
async def test_the_embedded_lean_inherits_none_of_our_keys(embedded_lean: EmbeddedLean) -> None:
    assert embedded_lean.node.is_file()
    for environment in await _environments(LeanPoolConfig.embedded()):
        assert not _SECRETS.keys() & environment.keys()
        assert "hunter2" not in str(environment)


@pytest.mark.usefixtures("_secrets")
def test_what_is_inherited_is_listed_and_can_be_added_to() -> None:
    environment = minimal_environment(MINE="1")
    assert environment.pop("MINE") == "1"
    assert environment.keys() <= {
        *("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH"),
        *("ELAN_HOME", "ELAN_TOOLCHAIN", "LEAN_SYSROOT", "XDG_CACHE_HOME"),
    }
