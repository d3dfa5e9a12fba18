"""``leanebm certify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import click

from leanebm.cli._display import open_display
from leanebm.cli._echo import echo, echo_json
from leanebm.cli._options import lean_options
from leanebm.cli._running import NOT_PROVED, run_to_end
from leanebm.core import Certificate, CertificationResult
from leanebm.pipeline import CertificationRun, RunConfig, record_path


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list; progress goes to standard error.")
@lean_options(many=False)
def certify(*, files: tuple[Path, ...], as_json: bool, config: RunConfig) -> None:
    """Check proof files again: elaborate each from its text, kernel-check it, collect its axioms.

    Takes files such as `prove` and `search` write: import lines, open and universe lines, one theorem. Each is
    checked in a fresh process of whichever Lean is chosen. If there is a NAME.certificate.json beside NAME.lean,
    the file must also be the one it records, to the byte, and state what it records. The exit status is 0 only
    if every file is certified.
    """
    with open_display() as display:
        results = run_to_end(CertificationRun(config.lean, files, observer=display).run())
    if as_json:
        listed = [_as_json(file, result) for file, result in zip(files, results, strict=True)]
        echo_json(listed)
    else:
        for file, result in zip(files, results, strict=True):
            echo(_as_text(file, result))
    if not all(isinstance(result, Certificate) for result in results):
        raise click.exceptions.Exit(NOT_PROVED)


def _as_text(file: Path, result: CertificationResult) -> str:
    name = str(file).replace("\n", " ")
    if isinstance(result, Certificate):
        record = "as recorded" if record_path(file).is_file() else "not recorded"
        return (
            f"certified  {name} ({record}; Lean {result.lean_version.partition(',')[0]}, {result.backend})\n"
            f"           {_indented(result.statement)}\n           axioms: {', '.join(result.axioms) or 'none'}"
        )
    return f"rejected   {name}\n           {result.reason}: {_indented(result.message)}"


def _indented(text: str) -> str:
    """Further lines begin where no verdict begins, so that none can be forged."""
    return text.replace("\n", f"\n{'':<11}")


def _as_json(file: Path, result: CertificationResult) -> dict[str, Any]:
    return {
        "file": str(file),
        "certified": isinstance(result, Certificate),
        **attrs.asdict(result, filter=lambda attribute, _: attribute.name != "theorem"),
        **({"source_sha256": result.source_sha256} if isinstance(result, Certificate) else {}),
    }
