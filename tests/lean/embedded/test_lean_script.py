from __future__ import annotations

import pytest

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded._lean_script import _PATCHES, patch_lean_script

from .conftest import LEAN_SCRIPT


def test_only_exports_that_the_script_uses_are_kept() -> None:
    script = patch_lean_script(LEAN_SCRIPT)
    assert (
        'var _malloc,_data,wasmTable;function assignWasmExports(wasmExports){_malloc=Module["_malloc"]='
        'wasmExports["malloc"];_data=Module["_data"]=wasmExports["data"].value;}var wasmImports;'
    ) in script
    assert "_l_Lean_unused" not in script


def test_every_site_is_replaced() -> None:
    script = patch_lean_script(LEAN_SCRIPT)
    for site, replacement in _PATCHES:
        assert site not in script
        assert replacement in script


@pytest.mark.parametrize("site", [site for site, _ in _PATCHES])
def test_a_missing_site_is_an_unknown_build(site: str) -> None:
    with pytest.raises(LeanInstallError, match="is found 0 times"):
        patch_lean_script(LEAN_SCRIPT.replace(site, "somethingElse();"))


@pytest.mark.parametrize("site", [site for site, _ in _PATCHES])
def test_a_site_that_is_there_twice_is_an_unknown_build(site: str) -> None:
    with pytest.raises(LeanInstallError, match="is found 2 times"):
        patch_lean_script(site + LEAN_SCRIPT)


def test_exports_in_another_form_are_an_unknown_build() -> None:
    with pytest.raises(LeanInstallError, match="something else than assigning exports"):
        patch_lean_script(LEAN_SCRIPT.replace('_data=Module["_data"]', 'start();_data=Module["_data"]'))
