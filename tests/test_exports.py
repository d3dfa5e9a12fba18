"""The public surface: every package says what it offers, and says it in order."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import leanebm

MODULES = ["leanebm", *(module.name for module in pkgutil.walk_packages(leanebm.__path__, "leanebm."))]
PACKAGES = [name for name in MODULES if hasattr(importlib.import_module(name), "__path__")]
OFFERED = set(vars(leanebm)["__all__"])
LAYERS = [
    name.removeprefix("leanebm.")
    for name in PACKAGES
    if name.count(".") == 1 and name != "leanebm.cli" and not name.startswith("leanebm._")
]

FOR_A_SCRIPT = {
    *("Theorem", "load_theorems", "RunConfig", "read_run_config", "SearchRun", "ProofRun", "summarise_run"),
    *("Part", "Parts"),
    *("BestFirstSearch", "SearchBudget", "SearchConfig", "SearchResult", "SearchTree", "Node", "Workbench"),
    *("LeanPool", "LeanPoolConfig", "ReplayingEnvironment", "Certifier", "PolicyClient", "PolicyClientConfig"),
    *("BreadthFirst", "CumulativeLogProb", "LengthNormalisedLogProb", "NegativeEnergy", "WeightedSum"),
    *("EnergyHead", "HeadEnergyModel", "load_checkpoint", "errors", "testing"),
}
"""What it takes to assemble a search, and to run one."""


def test_the_root_offers_what_a_script_needs() -> None:
    assert OFFERED >= FOR_A_SCRIPT
    assert {*LAYERS, "errors"} <= OFFERED


def test_nobody_is_offered_what_only_leanebm_builds() -> None:
    assert not {"LeanWorker", "TrajectoryRow", "LeanProcess"} & OFFERED


def test_the_root_names_each_thing_alike_for_python_and_for_type_checkers() -> None:
    tree = ast.parse(Path(leanebm.__file__).read_text(encoding="utf-8"))
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in checked.body if isinstance(node, ast.ImportFrom)]
    homes = {alias.name: node.module for node in imports for alias in node.names}
    assert sorted(homes) == sorted(OFFERED)
    for name, home in homes.items():
        value = getattr(leanebm, name)
        assert value is getattr(importlib.import_module(str(home)), name)


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_say_what_they_offer(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__doc__
    names = getattr(module, "__all__", [])
    assert list(names) == sorted(names, key=_isort_order)
    assert all(hasattr(module, name) for name in names)


def test_modules_offer_only_what_they_have() -> None:
    modules = [importlib.import_module(name) for name in MODULES]
    assert [module.__name__ for module in modules if not module.__doc__] == []
    offered = [(module, name) for module in modules for name in getattr(module, "__all__", [])]
    assert [f"{module.__name__}.{name}" for module, name in offered if not hasattr(module, name)] == []


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        leanebm.Nonsense  # noqa: B018
    assert "LeanPool" in dir(leanebm)
    assert isinstance(leanebm.__version__, str)


def test_help_is_given_without_the_energy_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"EnergyHead", "EnergyTrainingRun", "energy"} <= set(dir(leanebm))
    monkeypatch.setattr("leanebm._extras.missing_of", lambda extra: ("torch>=2.5",) if extra == "energy" else ())
    offered = set(dir(leanebm))
    assert not {"EnergyHead", "EnergyTrainingConfig", "EnergyTrainingRun", "HeadEnergyModel", "energy"} & offered
    assert {"EnergyModel", "EnergySources", "SearchRun", "policy"} <= offered
    assert "SearchRun" in pydoc.plain(pydoc.render_doc(leanebm))


def _printed_by(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_importing_leanebm_imports_nothing_heavy() -> None:
    heavy = "{'aiohttp', 'attrs', 'click', 'numpy', 'pyarrow', 'rich', 'torch'}"
    assert _printed_by(f"import sys, leanebm; print(sorted({heavy} & sys.modules.keys()))") == "[]"


@pytest.mark.parametrize("layer", [*LAYERS, "errors"])
def test_packages_are_attributes_of_the_root(layer: str) -> None:
    assert _printed_by(f"import leanebm; print(leanebm.{layer}.__name__)") == f"leanebm.{layer}"


def _isort_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as the linter sorts them."""
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name
