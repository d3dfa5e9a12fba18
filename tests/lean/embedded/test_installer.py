from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import attrs
import psutil
import pytest

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded import EmbeddedLean, InstallStage, install, locate
from leanebm.lean.embedded._prepared_folder import MANIFEST_NAME
from leanebm.lean.embedded.installer import CACHE_VARIABLE, Installer, cache_folder

from .conftest import Bench, MakeBench


def record(stages: list[InstallStage]) -> object:
    def progress(stage: InstallStage, fraction: float | None) -> None:
        assert fraction is None or 0.0 <= fraction <= 1.0
        if not stages or stages[-1] is not stage:
            stages.append(stage)

    return progress


def test_an_installation_has_every_part(bench: Bench) -> None:
    lean = bench.installer.install()
    assert b"l_Lean_unused" not in (lean.runtime / "lean.wasm").read_bytes()
    assert "l_Lean_unused" not in (lean.runtime / "lean.js").read_text()
    assert {path.name for path in lean.library.rglob("*.olean")} == {"Init.olean", "Core.olean"}
    for module in ("Repl", "ReplProgram"):
        assert (lean.repl / f"{module}.olean").read_text() == "-- Repl.lean\n"
    assert (lean.repl / "Init.image").read_text() == "image of Init\n"
    assert bench.installer.locate() == lean


def test_only_the_prepared_folders_stay(bench: Bench) -> None:
    lean = bench.installer.install()
    assert {path.name for path in bench.installer.root.iterdir()} == {".lock", lean.runtime.name, lean.repl.name}
    assert {path.name for path in lean.runtime.iterdir()} == {
        *("lean.js", "symbols.js", "lean.wasm", "lean.symbols", "lib"),
        MANIFEST_NAME,
    }


def test_the_stages_are_told_in_their_order(bench: Bench) -> None:
    stages: list[InstallStage] = []
    bench.installer.install(record(stages))  # type: ignore[arg-type] # a plain function is a progress
    assert stages == [stage for stage in InstallStage if stage is not InstallStage.WAIT]


def test_what_is_complete_is_not_done_again(bench: Bench) -> None:
    stages: list[InstallStage] = []
    bench.installer.install()
    bench.installer.install(record(stages))  # type: ignore[arg-type]
    assert (bench.downloads(), bench.compilations(), stages) == (1, 1, [])


def test_nothing_is_located_before_the_installation(bench: Bench) -> None:
    assert bench.installer.locate() is None
    assert not bench.installer.root.exists()


@pytest.mark.parametrize("name", ["Repl.lean", "compile.lean", "launch_image.js", "runtime.js"])
def test_a_changed_source_is_compiled_again_without_a_download(bench: Bench, name: str) -> None:
    before = bench.installer.install()
    (bench.sources / name).write_text("-- changed\n")
    assert bench.installer.locate() is None
    after = bench.installer.install()
    assert (bench.downloads(), bench.compilations()) == (1, 2)
    assert after.runtime == before.runtime
    assert after.repl != before.repl


def _age(folder: Path, days: float) -> None:
    then = time.time() - days * 24 * 3600
    os.utime(folder, (then, then))


def test_old_compilations_do_not_pile_up(bench: Bench) -> None:
    for number in range(8):
        (bench.sources / "Repl.lean").write_text(f"-- {number}\n")
        lean = bench.installer.install()
        _age(lean.repl, days=30 - number)
    assert lean.repl.is_dir()
    assert len(list(bench.installer.root.glob("repl-*"))) == 2


def test_what_a_run_may_be_using_is_kept(bench: Bench) -> None:
    used = bench.installer.install()
    _age(used.repl, days=30)
    bench.installer.install()  # as at the start of a run, which goes on
    for number in range(8):
        (bench.sources / "Repl.lean").write_text(f"-- {number}\n")
        bench.installer.install()
    assert used.repl.is_dir()


def test_the_messages_of_a_failed_compilation_are_shown(bench: Bench) -> None:
    (bench.sources / "Repl.lean").write_text("an error\n")
    with pytest.raises(LeanInstallError, match=r"Repl\.lean:1:0: error: as the test wants it"):
        bench.installer.install()
    assert bench.installer.locate() is None


def test_of_other_pins_only_the_newest_is_kept(bench: Bench) -> None:
    for number in range(3):
        other = bench.installer.root / f"lean-{number}"
        other.mkdir(parents=True)
        os.utime(other, (number, number))
    lean = bench.installer.install()
    assert {path.name for path in bench.installer.root.glob("lean-*")} == {"lean-2", lean.runtime.name}


@pytest.mark.parametrize("part", ["lean.js", "lib/Init/Core.olean", MANIFEST_NAME])
def test_a_missing_file_is_noticed_and_the_folder_rebuilt(bench: Bench, part: str) -> None:
    lean = bench.installer.install()
    (lean.runtime / part).unlink()
    assert bench.installer.locate() is None
    assert bench.installer.install() == lean
    assert (lean.runtime / part).exists()
    assert (bench.downloads(), bench.compilations()) == (2, 1)


def test_a_file_of_another_size_is_noticed(bench: Bench) -> None:
    lean = bench.installer.install()
    with (lean.repl / "Repl.olean").open("ab") as file:
        file.write(b"half a page more")
    assert bench.installer.locate() is None
    bench.installer.install()
    assert bench.installer.locate() == lean


def test_a_manifest_that_cannot_be_read_is_no_manifest(bench: Bench) -> None:
    lean = bench.installer.install()
    (lean.runtime / MANIFEST_NAME).write_text('{"files": {"lean.js"')
    assert bench.installer.locate() is None
    assert bench.installer.install() == lean


def test_another_package_is_refused_before_it_is_unpacked(bench: Bench) -> None:
    bench.tarball.write_bytes(bench.tarball.read_bytes() + b"\0")
    stages: list[InstallStage] = []
    with pytest.raises(LeanInstallError, match=r"Nothing of it was unpacked"):
        bench.installer.install(record(stages))  # type: ignore[arg-type]
    assert stages[-1] is InstallStage.VERIFY
    assert [path.name for path in bench.installer.root.iterdir()] == [".lock"]


def test_an_unknown_script_is_refused(make_bench: MakeBench) -> None:
    bench = make_bench(script="var Module={};")
    with pytest.raises(LeanInstallError, match="not the build that leanebm knows"):
        bench.installer.install()
    assert bench.installer.locate() is None


def test_an_interrupted_installation_leaves_nothing_behind(bench: Bench) -> None:
    def interrupt(stage: InstallStage, fraction: float | None) -> None:  # noqa: ARG001 - the protocol's signature
        if stage is InstallStage.UNPACK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.installer.install(interrupt)
    assert [path.name for path in bench.installer.root.iterdir()] == [".lock"]
    assert bench.installer.install().runtime.is_dir()


def test_what_a_killed_installation_left_is_removed(bench: Bench) -> None:
    dead = bench.installer.root / "preparing-dead" / "content"
    dead.mkdir(parents=True)
    bench.installer.install()
    assert not dead.parent.exists()


def test_a_folder_that_cannot_be_written_is_told(bench: Bench) -> None:
    (bench.folder / "file").write_text("")
    installer = attrs.evolve(bench.installer, root=bench.folder / "file" / "cache")
    with pytest.raises(LeanInstallError, match=CACHE_VARIABLE):
        installer.install()


def test_too_little_room_is_told_before_the_download(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("/"))(10, 9, 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(LeanInstallError, match="Make room"):
        bench.installer.install()
    assert bench.downloads() == 0


ANOTHER_PROCESS = """
import pathlib, pickle, sys
from leanebm.lean.embedded.installer import Installer
from leanebm.lean.embedded.node import NodeRuntime
from leanebm.lean.embedded.download import NpmPin
root, pin, sources, node = pickle.load(sys.stdin.buffer)
def progress(stage, fraction):
    if stage.name == "WAIT":
        print("waiting", flush=True)
lean = Installer(root=root, pin=pin, sources=sources, find_node=lambda: node).install(progress)
print(lean.runtime, flush=True)
"""


def start_another(bench: Bench) -> subprocess.Popen[bytes]:
    installer = bench.installer
    process = subprocess.Popen([sys.executable, "-c", ANOTHER_PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(pickle.dumps((installer.root, installer.pin, installer.sources, installer.find_node())))
    process.stdin.close()
    return process


def test_two_processes_do_the_work_once(bench: Bench) -> None:
    waiting: list[bytes] = []
    processes: list[subprocess.Popen[bytes]] = []

    def let_another_come(stage: InstallStage, fraction: float | None) -> None:  # noqa: ARG001
        if not processes:
            processes.append(start_another(bench))
            assert processes[0].stdout is not None
            waiting.append(processes[0].stdout.readline())  # returns once it stands at our lock

    lean = bench.installer.install(let_another_come)
    (second,) = processes
    assert second.stdout is not None
    with second.stdout:
        assert second.stdout.readline().decode().strip() == str(lean.runtime)
    assert second.wait(30) == 0
    assert waiting == [b"waiting\n"]
    assert (bench.downloads(), bench.compilations()) == (1, 1)


def test_an_installer_that_was_killed_does_not_lock_out_the_next(make_bench: MakeBench) -> None:
    bench = make_bench(
        npm='[ -e "{tarball}.pid" ] && cp "{tarball}" "$into/" && exit; '
        'echo $$ > "{tarball}.new"; mv "{tarball}.new" "{tarball}.pid"; exec sleep 600'
    )
    first = start_another(bench)
    npm_pid = Path(f"{bench.tarball}.pid")
    while not npm_pid.exists():  # until npm is at work, and so the lock is held
        assert first.poll() is None
        os.sched_yield()
    first.kill()
    first.wait(30)
    assert first.stdout is not None
    first.stdout.close()
    assert list(bench.installer.root.glob("preparing-*"))
    assert bench.installer.install().runtime.is_dir()
    assert not list(bench.installer.root.glob("preparing-*"))
    with suppress(psutil.NoSuchProcess):  # the npm of the one that was killed ends, too
        while psutil.Process(int(npm_pid.read_text())).status() != psutil.STATUS_ZOMBIE:
            os.sched_yield()


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "link"))
    assert cache_folder() == tmp_path / "real" / "embedded"
    assert locate() is None


def test_install_uses_the_chosen_cache_folder(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(bench.folder))
    seen: list[Path] = []
    monkeypatch.setattr(Installer, "install", lambda self, progress: seen.append(self.root))  # noqa: ARG005
    install()
    assert seen == [bench.folder / "embedded"]


@pytest.mark.lean
def test_the_real_one_is_complete_after_the_installation(embedded_lean: EmbeddedLean) -> None:
    assert locate() == embedded_lean
