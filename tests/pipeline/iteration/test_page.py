from __future__ import annotations

from pathlib import Path

import attrs

from leanebm.pipeline import IterationSummary, iteration_table, summarise_iteration, write_iteration_page


def test_the_page_has_a_curve_per_arm_and_figure_and_needs_nothing_else(iterated: Path, tmp_path: Path) -> None:
    summary = attrs.evolve(summarise_iteration(iterated), notes=("<b>steering\x1b",))
    page = write_iteration_page(tmp_path / "report.html", summary).read_text()
    arms = {row.arm for row in summary.rows}
    assert page.count("<polyline") == 3 * len(arms)
    assert page.count("<circle") == 3 * len(summary.rows)
    assert all(word not in page for word in ("src=", "href=", "<b>", "\x1b"))


def test_a_point_stands_as_high_as_its_share(iterated: Path, tmp_path: Path) -> None:
    summary = summarise_iteration(iterated)
    row = attrs.evolve(summary.rows[0], proved=3, of=12)
    page = write_iteration_page(tmp_path / "report.html", attrs.evolve(summary, rows=(row,))).read_text()
    assert 'points="240.0,180.0"' in page


def test_a_row_of_the_table_has_a_cell_per_heading(iterated: Path) -> None:
    summary: IterationSummary = summarise_iteration(iterated)
    headings, rows = iteration_table(summary)
    assert {len(row) for row in rows} == {len(headings)}
    assert rows[0][headings.index("siblings")] == "-"
    energy = summary.rows[1]
    assert rows[1][headings.index("siblings")] == f"{energy.sibling_accuracy:.3f}"
