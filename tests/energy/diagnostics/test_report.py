from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leanebm.energy.diagnostics import SiblingSet, diagnose, save_validation
from leanebm.energy.diagnostics.report import METRICS, write_report
from leanebm.errors import ConfigError, EnergyError

from .planted import Examined, planted_energies, planted_groups


class Page(HTMLParser):
    """What a browser would make of a page: its words, its pictures and its references."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.references += [values[name] or "" for name in ("src", "href", "xlink:href") if name in values]
        if tag == "img":
            self.pictures.append(values)
        assert tag not in {"script", "iframe", "link"}

    def handle_data(self, data: str) -> None:
        self.words += data


def training_log(folder: Path) -> None:
    rows = [
        {"step": step, "train_loss": 0.7 - step / 1e4, "validation_pairwise_sibling": pairwise, "twin_pairwise": 0.5}
        for step, pairwise in ((50, None), (500, 0.6), (1000, 0.7))
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "metrics.parquet")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, healthy: Examined) -> str:
    folder = tmp_path_factory.mktemp("head")
    report, siblings, frontiers = healthy
    report.write(folder)
    save_validation(folder, siblings, frontiers)
    training_log(folder)
    return write_report(folder).read_text(encoding="utf-8")


def test_the_page_needs_nothing_beside_it(full: str) -> None:
    assert all(reference.startswith("data:image/svg+xml;base64,") for reference in Page(full).references)
    assert not re.search(r"@import|url\(", full)


def test_every_picture_can_be_drawn(full: str) -> None:
    for picture in Page(full).pictures:
        data = base64.b64decode((picture["src"] or "").partition(",")[2])
        assert ElementTree.fromstring(data).tag.endswith("}svg")  # noqa: S314 - our own picture


def test_whoever_cannot_see_the_figures_reads_what_they_show(full: str, healthy: Examined) -> None:
    measured = {name: f"{found.value:.3f}" for name, found in healthy[0].metrics.items() if found.value is not None}
    descriptions = [picture["alt"] or "" for picture in Page(full).pictures]
    assert len(descriptions) == full.count("<figcaption>") == 6
    assert f"the head: {measured['pairwise_sibling']}" in descriptions[0]
    assert f"length alone: {measured['auc_length_only']}" in descriptions[0]
    assert f"shuffled twin: {measured['twin_pairwise']}" in descriptions[0]
    assert f"policy and energy: {measured['auc_frontier_sum']}" in descriptions[1]
    assert f"the energy: {measured['auc_frontier']}" in descriptions[1]
    assert f"the policy: {measured['auc_frontier_policy']}" in descriptions[1]
    assert "fitted weight 1, in use 1" in descriptions[2]
    assert "shuffled twin: from 0.500 to 0.500" in descriptions[-1]


def test_every_figure_is_explained_once(healthy: Examined) -> None:
    names = [info.name for info in METRICS]
    assert len(names) == len(set(names))
    assert set(names) == set(healthy[0].metrics)


def test_it_says_the_verdict_and_the_figures(full: str) -> None:
    words = " ".join(Page(full).words.split())
    for expected in (
        "Promoted",
        "Fit to guide a search",
        "Sibling pairwise accuracy",
        "Shuffled twin",
        "weight β, in use",
        "modules or single theorems",
        "planted",
    ):
        assert expected in words


def test_the_same_diagnosis_gives_the_same_page(noise: Examined, tmp_path: Path) -> None:
    diagnosis, *_ = noise
    diagnosis.write(tmp_path)
    assert write_report(tmp_path).read_bytes() == write_report(tmp_path).read_bytes()


def test_alarms_come_with_cause_and_remedy(noise: Examined, tmp_path: Path) -> None:
    diagnosis, *_ = noise
    diagnosis.write(tmp_path)
    words = " ".join(Page(write_report(tmp_path).read_text(encoding="utf-8")).words.split())
    assert "No better than chance" in words
    assert diagnosis.alarms
    for alarm in diagnosis.alarms:
        assert alarm.cause[1:] in words
        assert alarm.remedy[1:] in words


def test_a_diagnosis_alone_makes_a_page(tmp_path: Path) -> None:
    diagnose(SiblingSet.from_groups([], {})).write(tmp_path)
    assert not Page(write_report(tmp_path).read_text(encoding="utf-8")).pictures


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    groups = planted_groups(theorems=12)
    about = {"data": "<script>x</script>\x1bc\u202e"}
    diagnosis = diagnose(SiblingSet.from_groups(groups, planted_energies(groups)), about=about)
    diagnosis.write(tmp_path)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "<script>" not in page
    assert r"\u001bc\u202e" in page
    assert not any(each in page for each in "\x1b\u202e")


def test_a_damaged_log_is_reported(healthy: Examined, tmp_path: Path) -> None:
    healthy[0].write(tmp_path)
    (tmp_path / "metrics.parquet").write_text("no Parquet")
    with pytest.raises(EnergyError, match="cannot be read as Parquet"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *(("validation", name) for name in ("part", "on_path", "energy", "remaining", "log_prob")),
        *(("metrics", name) for name in ("step", "validation_pairwise_sibling")),
    ],
)
@pytest.mark.parametrize("is_there", [True, False])
def test_a_table_of_another_leanebm_is_told_of(
    healthy: Examined, tmp_path: Path, table: str, column: str, is_there: bool
) -> None:
    report, siblings, frontiers = healthy
    report.write(tmp_path)
    save_validation(tmp_path, siblings, frontiers)
    training_log(tmp_path)
    path = tmp_path / f"{table}.parquet"
    before = pq.read_table(path)
    other = before.drop([column])
    if is_there:
        other = other.append_column(column, pa.array(["x"] * before.num_rows))
    pq.write_table(other, path)
    is_missed = column in ("part", "on_path", "energy", "remaining", "step")
    if (column == "part" and is_there) or not (is_missed or is_there):
        assert write_report(tmp_path).exists()
        return
    with pytest.raises(EnergyError, match=rf"column '{column}'.*leanebm did not write it\. Move it away"):
        write_report(tmp_path)


def test_without_a_diagnosis_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()
