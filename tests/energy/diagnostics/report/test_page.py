from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leanebm.energy.diagnostics import HeadReport, SiblingSet, ValidationStates, diagnose
from leanebm.energy.diagnostics.report import write_report
from leanebm.errors import EnergyError

from ..planted import planted_energies, planted_groups

Examined = tuple[HeadReport, ValidationStates]


class Page(HTMLParser):
    """What a browser would make of a page: its elements, its words and its references."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.figures = 0
        self.pictures: list[dict[str, str | None]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.figures += tag == "figure"
        self.ids += [value for value in [values.get("id")] if value]
        self.references += [values[name] or "" for name in ("src", "href", "xlink:href") if name in values]
        if tag == "svg":
            self.pictures.append(values)
        assert tag not in {"script", "iframe", "link"}

    def handle_data(self, data: str) -> None:
        self.words += data


def training_log(folder: Path) -> None:
    rows = [
        {"step": step, "train_loss": 0.7 - step / 1e4, "twin_loss": 0.69, "validation_pairwise_sibling": pairwise}
        for step, pairwise in ((50, None), (500, 0.6), (1000, 0.7))
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "metrics.parquet")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, healthy: Examined) -> str:
    folder = tmp_path_factory.mktemp("head")
    diagnosis, states = healthy
    diagnosis.write(folder)
    states.save(folder)
    training_log(folder)
    return write_report(folder).read_text(encoding="utf-8")


def test_the_page_needs_nothing_beside_it(full: str) -> None:
    page = Page(full)
    assert all(reference.startswith("#") for reference in page.references)
    assert not re.search(r"@import|url\((?!#)", full)


def test_every_reference_within_it_finds_its_one_target(full: str) -> None:
    page = Page(full)
    assert len(page.ids) == len(set(page.ids))
    wanted = {reference[1:] for reference in page.references} | set(re.findall(r"url\(#([^)]+)\)", full))
    assert wanted <= set(page.ids)


def test_whoever_cannot_see_the_figures_is_told_what_they_show(full: str) -> None:
    page = Page(full)
    assert page.figures == len(page.pictures) == 10
    for picture in page.pictures:
        assert picture["role"] == "img"
        assert set((picture["aria-labelledby"] or "").split()) <= set(page.ids)
    assert "the head: 0.85" in page.words
    assert full.count("<figcaption>") == 10


def test_colours_are_the_pages_own(full: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", full, flags=re.DOTALL)
    drawn = {colour for picture in pictures for colour in re.findall(r"(?:fill|stroke): (#\w+)", picture)}
    assert drawn <= {"#ffffff", "#000000"}, "a colour that neither a dark page nor a printer would change"


def test_it_says_the_verdict_and_the_figures(full: str) -> None:
    words = " ".join(Page(full).words.split())
    for expected in (
        "Promoted",
        "Fit to guide a search",
        "Sibling pairwise accuracy",
        "Shuffled twin",
        "Layers",
        "planted",
    ):
        assert expected in words


def test_the_same_diagnosis_gives_the_same_page(noise: Examined, tmp_path: Path) -> None:
    diagnosis, _ = noise
    diagnosis.write(tmp_path)
    assert write_report(tmp_path).read_bytes() == write_report(tmp_path).read_bytes()


def test_alarms_come_with_cause_and_remedy(noise: Examined, tmp_path: Path) -> None:
    diagnosis, _ = noise
    diagnosis.write(tmp_path)
    words = " ".join(Page(write_report(tmp_path).read_text(encoding="utf-8")).words.split())
    assert "No better than chance" in words
    assert diagnosis.alarms
    for alarm in diagnosis.alarms:
        assert alarm.cause[1:] in words
        assert alarm.remedy[1:] in words


def test_a_diagnosis_alone_makes_a_page(tmp_path: Path) -> None:
    diagnose(SiblingSet.from_groups([], {})).write(tmp_path)
    assert Page(write_report(tmp_path).read_text(encoding="utf-8")).figures == 0


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    groups = planted_groups(theorems=12)
    about = {"data": "<script>x</script>\x1bc\u202e"}
    diagnosis = diagnose(SiblingSet.from_groups(groups, planted_energies(groups)), about=about)
    attrs.evolve(diagnosis).write(tmp_path)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "<script>" not in page
    assert r"\u001bc\u202e" in page
    assert not any(each in page for each in "\x1b\u202e")


def test_a_damaged_log_is_told(healthy: Examined, tmp_path: Path) -> None:
    healthy[0].write(tmp_path)
    (tmp_path / "metrics.parquet").write_text("no Parquet")
    with pytest.raises(EnergyError, match="cannot be read as Parquet"):
        write_report(tmp_path)


def test_without_a_diagnosis_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(EnergyError, match="does not exist"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()
