"""What elan, Lake and Lean say when they fail, and what to do about it: whose fault it is, and what to type next."""

from __future__ import annotations

import re
from typing import Final

NOT_UNDERSTOOD: Final = re.compile(r"(?m)^error: .*\bRepl\.lean:\d+:\d+|\bRepl\.lean:\d+:\d+: error")
"""How Lean, or Lake for it, says that the source of our REPL is wrong."""

_OF_REPL: Final = (
    "our REPL is written for Lean 4.28, and for what changed up to 4.35, but only 4.28 has run it, and this Lean does "
    "not understand it: use another, or the embedded one (--lean embedded), and please report what it said"
)
_OF_MEMORY: Final = (
    "most likely there was too little memory: close something, use fewer workers (--num-workers), or import less than "
    "all of Mathlib (--imports)"
)
_OF_NETWORK: Final = (
    "the network was not reached: look at HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE, which elan and Lake are given, or "
    "copy a toolchain and a built project from where there is one"
)

_OF_DISK: Final = "the disk is full: make room there (a toolchain takes a gigabyte, and Mathlib five)"

_SAID_BY_ANY: Final = {
    NOT_UNDERSTOOD.pattern: _OF_REPL,
    r"^cannot run ['\"]": (  # as our own guard says it
        "see whether that program is there, was built for this machine, may be executed (chmod +x), and is on a disk "
        "from which programs may run"
    ),
    r"libleanshared\w*\.(so|dylib)": (
        "the program does not find the Lean that it was built with: build it again where it came from (lake build), or "
        "set LD_LIBRARY_PATH to the folder lib/lean of that toolchain, which `lean --print-prefix` names"
    ),
    r"loading shared librar|library not loaded|version `[^'\n]*' not found": (
        "the program does not find a library that it needs, or only another version of it: build it again on this "
        "machine, or install that library; programs get LD_LIBRARY_PATH as you have set it"
    ),
    r"no space left|disk quota": _OF_DISK,
    r"out of memory|cannot allocate memory|bad_alloc|exited with code 137": _OF_MEMORY,
}

_SAID_BY_A_TOOLCHAIN: Final = {
    r"no default toolchain": (
        "elan has no toolchain for this folder: type 'elan default stable', or name a Lake project with --project"
    ),
    r"incompatible header|invalid header": (
        "the project's .olean files were made by another Lean than its lean-toolchain names now: run 'lake build' "
        "there, and 'lake exe cache get' before that if it has Mathlib"
    ),
    r"nonexistent lean version|toolchain '[^'\n]*' (is not installed|does not have)": (
        "elan has no such toolchain: correct the project's lean-toolchain, or type 'elan toolchain install NAME'"
    ),
    r"could not download|during download|could(n't| not) (resolve|connect)|failed to connect": _OF_NETWORK,
    r"connection (refused|reset|timed out)|from proxy|certificate": _OF_NETWORK,
    r"read-only file system|permission denied|operation not permitted": (
        "a file may not be written: Lake writes into the project's folder .lake, and elan into ~/.elan. Make both "
        "writable, or work in a copy"
    ),
    r"lakefile\.(lean|toml)\b.*\berror|error: .*lakefile\.(lean|toml)|configuration .*has errors": (
        "the project's lakefile is wrong, or not for this Lake: correct it until 'lake build' goes through there"
    ),
}
"""Patterns, the first that fits counting, and advice. The words are elan's, Lake's, curl's and the system's."""


def what_to_do(said: str, *, toolchain: bool = True) -> str:
    """What to do about a failure that was told in these words; empty if none of them is known.

    Args:
        said: what a program wrote.
        toolchain: whether elan and Lake have a part in it. The same words of a program of the user's own mean something
            else, and what to do about elan would lead astray.
    """
    known = _SAID_BY_ANY | (_SAID_BY_A_TOOLCHAIN if toolchain else {})
    flags = re.IGNORECASE | re.MULTILINE
    return next((advice for pattern, advice in known.items() if re.search(pattern, said, flags)), "")


def is_lasting(advice: str) -> bool:
    """Whether another attempt would fail the same way; memory, a disk and a network may be there the next time."""
    return advice not in {"", _OF_MEMORY, _OF_DISK, _OF_NETWORK}


def for_killed(status: int | None) -> str:
    """What to do about a program that ended as a system ends what takes too much memory; empty if it did not."""
    return _OF_MEMORY if status in {-9, 128 + 9} else ""


def gist(said: str, *, lines: int = 8, characters: int = 1000) -> str:
    """The lines of a long output that tell of errors, or else its end."""
    all_lines = said.splitlines()
    errors = [line for line in all_lines if re.search(r"(?i)\berror\b|exception|panic|caused by", line)][:lines]
    return "\n".join(errors or all_lines[-lines:])[:characters]
