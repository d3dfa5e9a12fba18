"""The diagnosis as a page."""

from leanebm.energy.diagnostics.report.page import REPORT_NAME, write_report

__all__ = ["REPORT_NAME", "write_report"]
