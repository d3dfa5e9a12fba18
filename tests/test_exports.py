"""The public surface: every package says what it offers, and says it in order."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import leanebm

MODULES = ["leanebm", *(module.name for module in pkgutil.walk_packages(leanebm.__path__, "leanebm."))]
PACKAGES = [name for name in MODULES if hasattr(importlib.import_module(name), "__path__")]


def test_the_root_offers_these_names() -> None:
    assert leanebm.__all__ == [
        "BestFirstSearch",
        "Candidate",
        "Certificate",
        "EnergyHead",
        "Goal",
        "LeanPool",
        "LeanPoolConfig",
        "LeanWorker",
        "PolicyClient",
        "PolicyClientConfig",
        "ProofHandle",
        "ProofHandleOwned",
        "ProofState",
        "SearchBudget",
        "SearchConfig",
        "SearchOutcome",
        "SearchResult",
        "Theorem",
    ]


@pytest.mark.parametrize("name", leanebm.__all__)
def test_a_root_name_is_its_layers_name(name: str) -> None:
    value = getattr(leanebm, name)
    assert getattr(importlib.import_module(".".join(value.__module__.split(".")[:2])), name) is value


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_say_what_they_offer(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__doc__
    names = getattr(module, "__all__", [])
    assert list(names) == sorted(names, key=_isort_order)
    assert all(hasattr(module, name) for name in names)


@pytest.mark.parametrize("name", MODULES)
def test_modules_offer_only_what_they_have(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    assert all(hasattr(module, each) for each in getattr(module, "__all__", []))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        leanebm.Nonsense  # noqa: B018
    assert "LeanPool" in dir(leanebm)
    assert isinstance(leanebm.__version__, str)


def test_importing_leanebm_imports_nothing_heavy() -> None:
    code = "import sys, leanebm; print(sorted({'aiohttp', 'pyarrow', 'rich', 'torch'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _isort_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as the linter sorts them."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name
