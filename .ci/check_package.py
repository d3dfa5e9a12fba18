"""Looks into the wheel and the sdist, and uses the wheel as somebody who has nothing else.

``python .ci/check_package.py DIST`` checks what is in both, then installs the wheel into an empty environment of each
supported Python that this machine has, and proves a theorem there with the real Lean.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import BytesParser
from pathlib import Path

from readme_renderer import markdown

ROOT = Path(__file__).parent.parent
LARGEST_MIB = {".whl": 8.0, ".gz": 9.0}
"""More than this is a file that got in by mistake; today they have 7.2 and 8.4 MiB, 4.9 of them weights."""

STATEMENT = "∀ n : Nat, n + 0 = n"
NEEDS_NOTHING_HEAVY = "import leanebm, sys; sys.exit(bool({'torch', 'aiohttp'} & set(sys.modules)))"


def ours() -> set[str]:
    """The files that git tracks or would track."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    return {name for name in listed if (ROOT / name).is_file()}


def contents(archive: Path) -> set[str]:
    """The files in a wheel or sdist, without the folder that a sdist has them in."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return set(wheel.namelist())
    with tarfile.open(archive) as sdist:
        return {name.split("/", 1)[1] for name in sdist.getnames()}


def check_contents(archive: Path) -> None:
    """The wheel holds the library and what describes it, the sdist the checkout; nothing is missing or too much."""
    found = contents(archive)
    if archive.suffix == ".whl":
        expected = {name.removeprefix("src/") for name in ours() if name.startswith("src/")}
        found = {name for name in found if ".dist-info/" not in name}
    else:
        expected = ours() | {"PKG-INFO"}
    size_mib = archive.stat().st_size / 2**20
    print(f"{archive.name}: {len(found)} files, {size_mib:.1f} MiB")
    if found != expected:
        sys.exit(f"missing: {sorted(expected - found)}\ntoo much: {sorted(found - expected)}")
    if size_mib > LARGEST_MIB[archive.suffix]:
        sys.exit(f"{archive.name} has {size_mib:.1f} MiB, more than {LARGEST_MIB[archive.suffix]}")


def check_readme(wheel: Path) -> None:
    """What PyPI would show is README, rendered, with its tables."""
    with zipfile.ZipFile(wheel) as file:
        [name] = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        text = BytesParser().parsebytes(file.read(name)).get_payload(decode=True).decode()
    page = markdown.render(text)
    if page is None or page.count("<table") < 3 or ">leanebm<" not in page:
        sys.exit("README does not render as a page with its tables")
    if lost := re.findall(r'href="(?!https?:|#)([^"]*)"', page):
        sys.exit(f"README links to what a package index does not have: {', '.join(lost)}")


def pythons() -> Iterator[tuple[str, str]]:
    """The supported versions, each with an interpreter if there is one: on PATH, or among pyenv's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    marks = [each.rsplit(" ", 1)[1] for each in project["classifiers"] if "Python :: 3." in each]
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    for version in marks:
        for candidate in (f"python{version}", *map(os.fspath, pyenv.glob(f"versions/{version}.*/bin/python"))):
            try:
                subprocess.run([candidate, "-c", "import venv"], check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                continue  # a shim of a version that is not activated exists, too, and fails
            yield version, candidate
            break
        else:
            print(f"Python {version}: not on this machine")


def first_proof(python: str, wheel: Path, folder: Path) -> None:
    """What README tells a user to do, with the wheel alone, in an empty folder; our pip spares it one of its own."""
    bin_ = folder / "environment" / "bin"
    work = folder / "work"
    work.mkdir()

    def run(*argv: str | Path) -> None:
        subprocess.run(argv, cwd=work, check=True, stdin=subprocess.DEVNULL)

    pip = (sys.executable, "-m", "pip", "--python", bin_ / "python")
    run(python, "-m", "venv", "--without-pip", bin_.parent)
    run(*pip, "install", "--quiet", "-c", ROOT / "constraints.txt", f"{wheel}[embedded]")
    run(bin_ / "python", "-c", NEEDS_NOTHING_HEAVY)
    run(bin_ / "leanebm", "prove", STATEMENT)


def main(dist: Path) -> None:
    """Check both files; raises, or ends with a message, at the first fault."""
    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    check_contents(wheel)
    check_contents(sdist)
    check_readme(wheel)
    for version, python in pythons():
        with tempfile.TemporaryDirectory() as folder:
            first_proof(python, wheel.resolve(), Path(folder))
        print(f"Python {version}: installed the wheel and proved a theorem", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
