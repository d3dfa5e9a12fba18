from __future__ import annotations

from pathlib import Path

import pytest

from leanebm.lean.backends.native import _lean_settings


@pytest.mark.parametrize(
    ("lakefile", "settings"),
    [
        ("", ()),
        ("[leanOptions]\nautoImplicit = false\nweak.linter.all = true", ("--autoImplicit=false", "--linter.all=true")),
        ('leanOptions = [{name = "maxSynthPendingDepth", value = 3}]', ("--maxSynthPendingDepth=3",)),
        ('moreLeanArgs = ["-DrelaxedAutoImplicit=false", "-q"]', ("--relaxedAutoImplicit=false",)),
        # Neither belongs to what a text may choose: the first would have proofs believed that nobody checked.
        ("[leanOptions]\ndebug.skipKernelTC = true\nElab.async = false", ()),
        ("this is no TOML", ()),
    ],
)
def test_the_options_that_a_text_may_choose_are_taken(tmp_path: Path, lakefile: str, settings: tuple[str, ...]) -> None:
    (tmp_path / "lakefile.toml").write_text(lakefile)
    assert _lean_settings(tmp_path) == settings


def test_a_lakefile_in_lean_is_translated_by_lake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "lakefile.lean").touch()
    lake = tmp_path / "lake"
    # As Lake's sources have it: the third word is where to, a file that is there is an error, options are a table.
    lake.write_text(
        '#!/bin/sh\n[ "$#:$1:$2" = "3:translate-config:toml" ] && [ ! -e "$3" ] || exit 1\n'
        'printf \'name = "p"\\ndefaultTargets = ["P"]\\n\\n[leanOptions]\\npp.unicode.fun = true\\n\\n'
        '[[lean_lib]]\\nname = "P"\\n\' >"$3"\n'
    )
    assert _lean_settings(tmp_path) == ()
    assert "are not applied" in caplog.text
    lake.chmod(0o755)
    assert _lean_settings(tmp_path) == ("--pp.unicode.fun=true",)
