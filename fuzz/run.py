"""Fuzz one target, or all of them in turn, guided by coverage.

Usage: ``python fuzz/run.py TARGET --seconds 60``, with ``atheris`` installed (``pip install atheris``). A finding is
kept as a file in ``fuzz/corpus/TARGET``, where the tests replay it from then on; the search goes on, so one
campaign may bring several. Whatever kills or stops the process itself (a crash in C++, an endless loop, all
memory gone) ends the campaign and leaves its file there, too.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import attrs

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

CORPUS: Final = ROOT / "fuzz" / "corpus"
SLOW_S: Final = 20
"""An input that takes longer is a finding, in seconds."""

MEMORY_MIB: Final = 4096
"""So is one that takes more memory."""

MAX_INPUT_BYTES: Final = 2**17


@attrs.define
class Campaign:
    """Runs a harness until its time is up, and keeps what it finds, once for each place in the code it comes from."""

    name: str
    harness: Callable[[bytes], None]
    ends_s: float
    """On the monotonic clock."""

    executions: int = 0
    places: set[str] = attrs.field(factory=set)

    def __call__(self, data: bytes) -> None:
        """Try one input."""
        if time.monotonic() >= self.ends_s:
            print(f"{self.name}: {self.executions} executions, {len(self.places)} findings", flush=True)
            os._exit(0)  # libFuzzer knows no better way to stop; the parent process clears up
        self.executions += 1
        try:
            self.harness(data)
        except Exception as error:  # noqa: BLE001 - whatever leaves a harness is a finding
            self._keep(data, error)

    def _keep(self, data: bytes, error: Exception) -> None:
        place = f"{type(error).__name__} in {_place_of(error)}"
        if place not in self.places:
            self.places.add(place)
            path = CORPUS / self.name / f"finding-{hashlib.sha256(data).hexdigest()[:16]}"
            path.write_bytes(data)
            print(f"FINDING {place}: {error!s:.300}\n        kept as {path}", flush=True)


def main() -> int:
    """Run the campaigns that the command line asks for, one after the other, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="its name, or `all`")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # in the process of one campaign
    arguments = parser.parse_args()
    if arguments.folder is not None:
        _fuzz(arguments.target, arguments.seconds, arguments.folder)
        return 1  # libFuzzer does not come back
    from fuzz.targets import TARGETS

    names = TARGETS if arguments.target == "all" else [arguments.target]
    failed = [name for name in names if not _run(name, arguments.seconds)]
    if failed:
        print(f"ended by a crash, a hang or want of memory: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


def _run(name: str, seconds: int) -> bool:
    """Whether the campaign came to its end."""
    with tempfile.TemporaryDirectory(prefix="leanebm-fuzz-") as folder:
        command = [sys.executable, __file__, name, "--seconds", str(seconds), "--folder", folder]
        return subprocess.run(command, check=False, env={**os.environ, "TMPDIR": folder}).returncode == 0


def _fuzz(name: str, seconds: int, folder: Path) -> None:
    import atheris  # type: ignore[import-untyped] # installed by who wants a campaign

    with atheris.instrument_imports(include=["leanebm"]):
        from fuzz.mutation import mutated
        from fuzz.targets import TARGETS
    logging.disable()
    target = TARGETS[name]
    inputs, kept = folder / "inputs", CORPUS / name
    inputs.mkdir()
    kept.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (inputs / f"seed-{number}").write_bytes(seed)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = Random(seed)  # noqa: S311 - no secret
        if rng.random() < 0.5:
            return mutated(data, rng, target.words)[:max_size]
        return bytes(atheris.Mutate(data, max_size))

    options = (
        f"-timeout={SLOW_S}", f"-rss_limit_mb={MEMORY_MIB}", f"-max_len={MAX_INPUT_BYTES}", f"-artifact_prefix={kept}/",
        "-verbosity=0", str(inputs), str(kept),
    )  # fmt: skip
    campaign = Campaign(name, target.harness, time.monotonic() + seconds)
    atheris.Setup([sys.argv[0], *options], campaign, custom_mutator=mutate)
    atheris.Fuzz()


def _place_of(error: Exception) -> str:
    """The last line of leanebm, or of the target, that the error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "leanebm" in frame.filename or "/fuzz/" in frame.filename]
    last = (ours or frames)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


if __name__ == "__main__":
    sys.exit(main())
