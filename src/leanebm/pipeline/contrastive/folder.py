"""Where contrastive groups are kept."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from leanebm.errors import ConfigError
from leanebm.pipeline.contrastive.audit import NegativeAudit
from leanebm.pipeline.contrastive.report import ContrastiveReport
from leanebm.pipeline.run_folder import write_text

__all__ = ["ContrastiveFolder"]


@attrs.frozen
class ContrastiveFolder:
    """A folder of contrastive groups: the groups, the settings and the report, side by side.

    .. code-block:: text

        data/negatives/
          config.toml    the settings, defaults filled in
          groups/        Parquet shards, one row a decision point
          report.json    how many of each, and how far they can be trusted
    """

    path: Path = attrs.field(converter=Path)

    @property
    def groups(self) -> Path:
        """The directory of Parquet shards."""
        return self.path / "groups"

    @property
    def config(self) -> Path:
        """The settings, with every default written out."""
        return self.path / "config.toml"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.json"

    @classmethod
    def groups_in(cls, path: str | os.PathLike[str]) -> Path:
        """The shards that ``path`` means, be it the whole folder or the shards themselves."""
        folder = cls(path)
        return folder.groups if folder.groups.is_dir() else folder.path

    def write_report(self, report: ContrastiveReport) -> None:
        """Put the report in place of an older one."""
        write_text(self.report, json.dumps(report.as_json(), ensure_ascii=False, indent=2) + "\n")

    def read_audit(self) -> NegativeAudit | None:
        """The audit in the report that is there, if one is.

        Raises:
            ConfigError: the report cannot be read, or is none that we wrote.
        """
        if not self.report.exists():
            return None
        try:
            report = json.loads(self.report.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            way_out = "move it away to go on without the audit that it may hold"
            raise ConfigError(f"{self.report} cannot be read: {error}", [way_out]) from error
        audit = report.get("audit") if isinstance(report, Mapping) else report
        return None if audit is None else NegativeAudit.from_json(audit, source=str(self.report))
