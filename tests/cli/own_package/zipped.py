"""The smallest build backend: a wheel is a zip file with three more files in it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

NAME, VERSION = "ladder_search", "0.3.0"

_ENTRY_POINTS = """\
[leanebm.scorers]
ladder = ladder_search.parts:LadderScorer

[leanebm.policies]
ladder = ladder_search.parts:LadderPolicy

[leanebm.searches]
ladder = ladder_search.parts:LadderSearch

[leanebm.energy_models]
ladder = ladder_search.parts:LadderEnergy

[leanebm.encoders]
ladder = ladder_search.parts:LadderEncoder

[leanebm.lean_backends]
scripted = ladder_search.backend:ScriptedLean
"""


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: Any = None) -> str:  # noqa: ARG001
    info = f"{NAME}-{VERSION}.dist-info"
    files = {path.as_posix(): path.read_text() for path in sorted(Path(NAME).glob("*.py"))}
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: ladder-search\nVersion: {VERSION}\n"
    files[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: zipped\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/entry_points.txt"] = _ENTRY_POINTS
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    wheel = f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel
