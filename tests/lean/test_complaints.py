"""What becomes of a whole toolchain that fails in these words is in ``test_probe.py``."""

from __future__ import annotations

import pytest

from leanebm.lean._complaints import for_killed, gist, is_lasting, what_to_do


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        # Each names a file or a folder, too, which is not what is wrong.
        ("error: could not download file from 'u' to '/x': permission denied", "network"),
        ("./lakefile.lean:3:0: error: unknown package 'Init'\nerror: x: package configuration has errors", "lakefile"),
        ('info: downloading\nError(Download(Msg("error during download")))', "network"),
        ("error: [7] Failed to connect to proxy.corp port 3128: Connection refused", "network"),
        ("error: [60] SSL certificate problem: self-signed certificate in certificate chain", "network"),
        ("error: Received HTTP code 407 from proxy after CONNECT", "network"),
        ("error: read-only file system (error code: 30)\n  file: ./.lake/lakefile.olean.trace", "written"),
        ("error: could not download nonexistent lean version `lean4`", "no such toolchain"),
        ("error: external command 'clang' exited with code 137", "memory"),
        ("cannot run '/x/repl': Permission denied", "may be executed"),
        ("cannot run '/x/repl': No such file or directory", "is there"),
        ("repl: libleanshared_1.so: cannot open shared object file: No such file or directory", "lean --print-prefix"),
        ("dyld[7]: Library not loaded: @rpath/libleanshared.dylib", "lean --print-prefix"),
        ("repl: error while loading shared libraries: libgmp.so.10: cannot open shared object file", "install that"),
        ("repl: /lib/libc.so.6: version `GLIBC_2.38' not found (required by repl)", "build it again on this machine"),
        ("Mathlib/Repl.lean is a file of mine", ""),
        ("all is well", ""),
    ],
)
def test_what_is_known_is_told_and_nothing_else(said: str, advice: str) -> None:
    assert advice in what_to_do(said)
    assert bool(advice) is bool(what_to_do(said))


@pytest.mark.parametrize(
    ("said", "of_any_program"),
    [
        ("error: no default toolchain configured", False),
        ("cat: /x/log: Permission denied", False),
        ("mkdir: x: Read-only file system", False),
        ("ssh: connect to host x: Connection refused", False),
        ("INTERNAL PANIC: out of memory", True),
        ("write: No space left on device", True),
        ("libleanshared.so: cannot open shared object file", True),
        ("cannot run '/x/repl': Permission denied", True),
    ],
)
def test_elan_and_lake_are_advised_only_where_they_have_a_part(said: str, of_any_program: bool) -> None:
    assert what_to_do(said)
    assert bool(what_to_do(said, toolchain=False)) is of_any_program


def test_memory_a_disk_and_a_network_may_be_there_the_next_time() -> None:
    assert not is_lasting(for_killed(-9))
    for said in ("out of memory", "no space left on device", "ssh: connect to host x: Connection refused"):
        assert what_to_do(said)
        assert not is_lasting(what_to_do(said))
    assert not is_lasting("")
    assert is_lasting(what_to_do("no default toolchain"))
    assert for_killed(1) == for_killed(None) == for_killed(0) == ""


def test_of_a_long_output_the_errors_are_shown_or_its_end() -> None:
    lines = [f"[{n}/999] Building X{n}" for n in range(999)]
    assert gist("\n".join(lines), lines=2) == "[997/999] Building X997\n[998/999] Building X998"
    assert gist("\n".join([*lines, "error: a", *lines, "error: b", "c"])) == "error: a\nerror: b"
    assert len(gist("error: " + "x" * 9999)) == 1000
    assert gist("") == ""
