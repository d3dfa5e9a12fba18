"""What a run of the conformance and soundness suites says of a Lean that we do not have: a page to send us."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Final

import attrs
import psutil
import pytest
from chosen_lean import ChosenLean

from leanebm.errors import ConfigError, LeanError
from leanebm.lean.probe import LeanProbe, probe

_SUITES: Final = {"tests/lean/repl": "conformance", "tests/soundness": "soundness"}
_FAILURES_SHOWN: Final = 20
_FAILURE_CHARACTERS: Final = 1500
_OUTCOMES: Final = ("passed", "failed", "skipped")


@attrs.define(eq=False)  # pytest keeps plugins in sets
class LeanReport:
    """A pytest plugin that tries a Lean, counts outcomes for each suite, and writes ``path`` at the end."""

    path: Path
    lean: ChosenLean
    project: Path | None
    remarks: list[str] = attrs.field(factory=list)
    """Lines that other plugins add."""
    start: LeanProbe | str = "it was not tried"
    counts: dict[str, Counter[str]] = attrs.field(factory=dict)
    failures: list[str] = attrs.field(factory=list)
    skipped: Counter[str] = attrs.field(factory=Counter)
    began: float = attrs.field(factory=time.monotonic)

    def pytest_sessionstart(self) -> None:
        try:
            self.start = probe(self.lean.backend, self.lean.imports)
        except (ConfigError, LeanError) as error:
            self.start = str(error)
            self.write()
            pytest.exit(f"this Lean does not start, which is all that {self.path} says: {error}", returncode=1)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = report.outcome if report.when == "call" or report.outcome != "passed" else ""
        if not outcome:
            return
        suite = next((name for folder, name in _SUITES.items() if report.nodeid.startswith(folder)), "others")
        counts = self.counts.setdefault(suite, Counter())
        if report.when == "teardown":
            self.failures.append(_failure(report))
            return
        counts[outcome] += 1
        if outcome == "failed":
            self.failures.append(_failure(report))
        elif outcome == "skipped":
            self.skipped[_reason(report)] += 1

    # The last of all, after what the suites themselves sum up.
    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        self.write()
        terminalreporter.section("a Lean of yours")
        terminalreporter.line(self.path.read_text(encoding="utf-8").partition("\n## What failed")[0])
        terminalreporter.line(f"All of it is in {self.path}. Please look through it and send it to us.")

    def write(self) -> None:
        """Write the report."""
        text = "\n".join([*self._about(), *self._table(), *self.remarks, *self._skips(), *self._failures()])
        self.path.write_text(_without_home(text) + "\n", encoding="utf-8")

    def _about(self) -> list[str]:
        memory_gib = psutil.virtual_memory().total / 2**30
        started = self.start
        says = (
            f"Lean {started.lean_version or 'unknown'}; ready after {started.start_s:.1f} s, {started.rss_mib:.0f} MiB"
            if isinstance(started, LeanProbe)
            else f"does not start: {started}"
        )
        return [
            "# leanebm over a Lean of yours",
            "",
            f"- leanebm {version('leanebm')}, Python {platform.python_version()}, {platform.platform()}",
            f"- {os.cpu_count()} processors, {memory_gib:.0f} GiB",
            f"- backend `{self.lean.backend.name}` over {', '.join(self.lean.imports)}",
            f"- project: {self._project()}",
            f"- worker: {says}",
            f"- run: `{' '.join(['pytest', *sys.argv[1:]])}`, {time.monotonic() - self.began:.0f} s",
            "",
        ]

    def _project(self) -> str:
        if self.project is None:
            return "none"
        toolchain = self.project / "lean-toolchain"
        pinned = toolchain.read_text(encoding="utf-8").strip() if toolchain.is_file() else "no lean-toolchain"
        return f"`{self.project.resolve()}` ({pinned})"

    def _table(self) -> list[str]:
        lines = ["| suite | passed | failed | skipped |", "| --- | --- | --- | --- |"]
        for suite, counts in sorted(self.counts.items()):
            lines.append(f"| {suite} | " + " | ".join(str(counts[outcome]) for outcome in _OUTCOMES) + " |")
        return [*lines, ""]

    def _skips(self) -> list[str]:
        lines = [f"- {count} times: {reason}" for reason, count in sorted(self.skipped.items())]
        return ["", "Skipped:", "", *lines] if lines else []

    def _failures(self) -> list[str]:
        shown = self.failures[:_FAILURES_SHOWN]
        heading = f"## What failed: {len(self.failures)}"
        heading += f", the first {len(shown)}" if len(shown) < len(self.failures) else ""
        return ["", heading, "", *shown]


def _failure(report: pytest.TestReport) -> str:
    said = report.longreprtext.strip()[-_FAILURE_CHARACTERS:]
    return f"### {report.nodeid} ({report.when})\n\n```\n{said}\n```\n"


def _reason(report: pytest.TestReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def _without_home(text: str) -> str:
    home = str(Path.home())
    return text if home == "/" else text.replace(home, "~")
