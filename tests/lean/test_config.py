from __future__ import annotations

import copy
import logging
import shlex
from pathlib import Path
from typing import Any

import attrs
import pytest
from fake_worker import fake_worker_argv

from leanebm.errors import LeanInstallError
from leanebm.lean import CommandBackend, EmbeddedBackend, LeanPoolConfig, NativeBackend, PantographBackend


def _program(path: Path, script: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory and a PATH that are both this empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_the_defaults_are_the_settled_ones() -> None:
    config = LeanPoolConfig()
    assert (config.request_deadline_s, config.max_requests, config.max_age_s) == (30.0, 1000, 1800.0)
    assert config.imports == ("Init",)


@pytest.mark.parametrize(
    "setting",
    [
        {"num_workers": 0},
        {"request_deadline_s": 0.0},
        {"startup_deadline_s": -1.0},
        {"max_requests": 0},
        {"max_rss_mib": 0},
        {"max_line_bytes": 10},
        {"max_heartbeats": -1},
        {"max_rec_depth": -1},
        {"max_synth_pending_depth": -1},
        {"max_drain_s": -0.1},
        {"max_starting": 0},
        {"imports": ("--run",)},
        {"imports": ("Init Std",)},
        {"imports": ("",)},
    ],
)
def test_a_senseless_setting_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        LeanPoolConfig(**setting)


def test_other_settings_go_with_a_backend(bare_machine: Path) -> None:
    assert LeanPoolConfig.auto(num_workers=5).num_workers == 5
    assert LeanPoolConfig.native(bare_machine, max_rss_mib=9).max_rss_mib == 9


def test_over_mathlib_tactics_have_longer_and_few_workers_start_at_once() -> None:
    for imports, tactic_s, starting in ((("Init",), 5.0, 17), (("Init", "Mathlib.Tactic"), 20.0, 2)):
        config = LeanPoolConfig(imports=imports, num_workers=16)
        assert (config.tactic_timeout_s, config.max_starting) == (tactic_s, starting)
    chosen = LeanPoolConfig(imports=("Mathlib",), tactic_timeout_s=3.0, max_starting=8)
    assert (chosen.tactic_timeout_s, chosen.max_starting) == (3.0, 8)


def test_memory_goes_by_what_is_imported() -> None:
    for module, mib in (("Init", 3072), ("Std.Data.HashMap", 3072), ("Mathlib.Tactic", 12288), ("Own", 12288)):
        for config in (LeanPoolConfig.native(imports=(module,)), LeanPoolConfig.embedded(imports=(module,))):
            assert config.max_rss_mib == mib


def test_a_module_of_a_project_that_has_mathlib_counts_as_mathlib(tmp_path: Path) -> None:
    backend = NativeBackend(project=tmp_path)
    assert LeanPoolConfig(backend=backend, imports=("Own.Basic",)).max_starting > 2
    (tmp_path / ".lake/packages/mathlib").mkdir(parents=True)
    config = LeanPoolConfig(backend=backend, imports=("Own.Basic",))
    assert (config.startup_deadline_s, config.tactic_timeout_s, config.max_starting) == (600.0, 20.0, 2)
    assert LeanPoolConfig(backend=backend, imports=("Init", "Std")).startup_deadline_s == 120.0


def test_a_project_is_looked_into_once_for_a_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_into: list[Path] = []

    def has_mathlib(project: Path) -> bool:
        looked_into.append(project)
        return False

    monkeypatch.setattr("leanebm.lean.config.has_mathlib", has_mathlib)
    config = LeanPoolConfig.native(tmp_path, imports=("Own.Basic",))
    assert (config.startup_deadline_s, config.tactic_timeout_s, config.max_starting) == (120.0, 5.0, 3)
    assert looked_into == [tmp_path]
    assert copy.deepcopy(config) == config


def test_what_goes_by_the_imports_goes_by_those_of_a_file() -> None:
    """As for `certify` and `fill`, which read them there."""
    shared: dict[str, Any] = {"backend": EmbeddedBackend(), "num_workers": 16, "max_heartbeats": 7}
    config = LeanPoolConfig(**shared, max_rss_mib=77)
    assert config.over(["Mathlib"]) == LeanPoolConfig(**shared, max_rss_mib=77, imports=("Mathlib",))
    assert config.over(["Mathlib"]).over(["Init"]) == config
    chosen = LeanPoolConfig(**shared, tactic_timeout_s=3.0, startup_deadline_s=4.0, max_starting=5)
    assert chosen.over(["Mathlib"]) == attrs.evolve(chosen, imports=["Mathlib"], max_rss_mib=12288)


def test_a_worker_over_mathlib_has_longer_to_start() -> None:
    assert LeanPoolConfig().startup_deadline_s == 120.0
    assert LeanPoolConfig(imports=("Init", "Mathlib.Tactic")).startup_deadline_s == 600.0
    assert LeanPoolConfig(imports=("MathlibToo",)).startup_deadline_s == 120.0
    assert LeanPoolConfig(imports=("Mathlib",), startup_deadline_s=5.0).startup_deadline_s == 5.0


def test_leans_limits_reach_its_command_line_and_only_those_that_are_set() -> None:
    backend = CommandBackend(argv=("repl",))
    assert LeanPoolConfig(backend=backend).prepare().argv == ("repl", "Init")
    config = LeanPoolConfig(backend=backend, max_heartbeats=0, max_rec_depth=1000, max_synth_pending_depth=3)
    assert config.prepare().argv == (
        "repl",
        "Init",
        "--maxHeartbeats=0",
        "--maxRecDepth=1000",
        "--maxSynthPendingDepth=3",
    )


def test_imports_may_come_as_a_list() -> None:
    assert attrs.evolve(LeanPoolConfig(), imports=["Init", "Std"]).imports == ("Init", "Std")


def test_auto_prefers_pantograph_then_native_then_embedded(
    bare_machine: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert isinstance(LeanPoolConfig.auto().backend, EmbeddedBackend)
    _program(bare_machine / "lean", f"exec {shlex.join(fake_worker_argv())}")
    assert isinstance(LeanPoolConfig.auto().backend, NativeBackend)
    pantograph = shlex.join(fake_worker_argv(dialect="pantograph"))
    _program(bare_machine / "vendor/Pantograph/.lake/build/bin/repl", f'[ "$1" = --version ] || exec {pantograph}')
    assert isinstance(LeanPoolConfig.auto().backend, PantographBackend)
    said = [record.getMessage() for record in caplog.records if record.name == "leanebm.lean.config"]
    assert [word for text, word in zip(said, ["embedded", "native", "pantograph"], strict=True) if word in text]


async def test_auto_passes_over_what_does_not_start_and_tries_it_once(
    bare_machine: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where a loop is running, as in a notebook."""
    _program(bare_machine / "lean", "echo start >>starts; echo error: no default toolchain >&2; exit 1")
    for _ in range(2):
        assert isinstance(LeanPoolConfig.auto().backend, EmbeddedBackend)
    assert (bare_machine / "starts").read_text().split() == ["start"]
    said = [
        record.getMessage()
        for record in caplog.records
        if record.name == "leanebm.lean.config" and record.levelname == "WARNING"
    ]
    assert all("not native" in text and "no default toolchain" in text and "\n" not in text for text in said)
    assert len(said) == 2


def test_the_bundled_pantograph_has_to_be_built(bare_machine: Path) -> None:
    with pytest.raises(LeanInstallError, match=r"vendor/Pantograph.* check out d047b1d\w+ \(Lean 4.26.0\)"):
        LeanPoolConfig.with_bundled_pantograph()
    (bare_machine / "lean-toolchain").write_text("leanprover/lean4:v4.29.1\n")
    with pytest.raises(LeanInstallError, match=r"check out 842c0fe\w+ \(Lean 4.29.1\)"):
        LeanPoolConfig.with_bundled_pantograph(bare_machine)
    binary = _program(bare_machine / "vendor/Pantograph/.lake/build/bin/repl")
    backend = LeanPoolConfig.with_bundled_pantograph().backend
    assert isinstance(backend, PantographBackend)
    assert backend.binary == binary
