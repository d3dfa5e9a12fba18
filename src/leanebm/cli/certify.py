"""``leanebm certify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leanebm.cli._echo import echo, echo_json
from leanebm.cli._options import lean_options
from leanebm.cli._running import BAD_INPUT, BROKEN, NOT_PROVED, run_to_end
from leanebm.cli._sections import SectionedCommand
from leanebm.core import Certificate, CertificationRejected, CertificationResult
from leanebm.errors import ConfigError, LeanEbmError

if TYPE_CHECKING:
    from leanebm.pipeline import ProofFileReport, RunConfig


@click.command(cls=SectionedCommand)
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list; progress goes to standard error.")
@lean_options(many=False)
def certify(*, files: tuple[Path, ...], as_json: bool, config: RunConfig) -> None:
    """Check proof files again: elaborate each from its text, kernel-check it, collect its axioms.

    Takes files such as `prove` and `search` write, and files as people write them, in which each theorem is
    certified where it stands. A folder, such as a run's, stands for the proofs in it. Each file is checked in a fresh
    process of whichever Lean is chosen. If there is a NAME.certificate.json beside NAME.lean, the file must also be
    the one it records, to the byte, and state what it records. Each file has a report of its own, whatever the
    others are. The exit status is 0 only if every theorem is certified, 2 if a file cannot be read, states no
    theorem or imports what Lean has not, and 3 if Lean broke.
    """
    from leanebm.cli._display import open_display
    from leanebm.pipeline import CertificationRun, proof_files

    found = [file for path in files for file in proof_files(path)]
    with open_display() as display:
        reports = run_to_end(CertificationRun(config.lean, found, observer=display).run())
    if as_json:
        echo_json([_as_json(report) for report in reports])
    else:
        for report in reports:
            echo(_as_text(report))
    if status := max(map(_status, reports)):
        raise click.exceptions.Exit(status)


_ABOUT_CONTEXT = "(after the definitions and other commands in the file, which are part of what it says)"


def _status(report: ProofFileReport) -> int:
    match report.result:
        case Certificate():
            return 0
        case CertificationRejected():
            return NOT_PROVED
        case ConfigError():
            return BAD_INPUT
        case _:
            return BROKEN


def _as_text(report: ProofFileReport) -> str:
    path = str(report.path).replace("\n", " ")
    if report.theorems:
        return "\n".join(_told(f"{path}: {each.name}", each.result, report) for each in report.theorems)
    return _told(path, report.result, report)


def _told(name: str, result: CertificationResult | LeanEbmError, report: ProofFileReport) -> str:
    if isinstance(result, Certificate):
        return _certified(name, result, report)
    if isinstance(result, CertificationRejected):
        return f"rejected   {name}\n           {result.reason}: {_indented(result.message)}"
    return f"unchecked  {name}\n           {_indented(str(result))}"


def _certified(name: str, certificate: Certificate, report: ProofFileReport) -> str:
    how = "not recorded" if report.record is None else "recorded, in part" if report.unconfirmed else "as recorded"
    lines = [
        f"certified  {name} ({how}; Lean {certificate.lean_version.partition(',')[0]}, {certificate.backend})",
        _indented(certificate.statement),
        *([_ABOUT_CONTEXT] if certificate.theorem.context else []),
        f"axioms: {', '.join(certificate.axioms) or 'none'}",
        f"vouched for by {certificate.vouched_for_by}",
    ]
    if report.unconfirmed:
        lines.append(f"recorded, but not found here: {_indented('; '.join(report.unconfirmed))}")
    return f"\n{'':<11}".join(lines)


def _indented(text: str) -> str:
    """Further lines begin where no verdict begins, so that none can be forged."""
    return text.replace("\n", f"\n{'':<11}")


def _as_json(report: ProofFileReport) -> dict[str, Any]:
    told: dict[str, Any] = {"file": str(report.path), "certified": report.is_certified}
    result = report.result
    if isinstance(result, LeanEbmError):
        return told | {"reason": "unchecked", "message": str(result)}
    told |= _result_as_json(result)
    if isinstance(result, Certificate):
        told |= {
            "source_sha256": result.source_sha256,
            "recorded": report.record is not None,
            "unconfirmed": report.unconfirmed,
        }
    theorems = [
        {"name": each.name, "certified": each.is_certified, **_result_as_json(each.result)} for each in report.theorems
    ]
    for theorem in theorems:
        del theorem["source"]
    return told | {"theorems": theorems}


def _result_as_json(result: CertificationResult) -> dict[str, Any]:
    import attrs

    told = attrs.asdict(result, filter=lambda attribute, _: attribute.name != "theorem")
    return told | ({"vouched_for_by": result.vouched_for_by} if isinstance(result, Certificate) else {})
