from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result

from leanebm.energy import SpectralNormMode, load_checkpoint
from leanebm.energy.training import RankingLoss
from leanebm.trajectory import read_trajectory

Leanebm = Callable[..., Result]


@pytest.fixture
def run(leanebm_command: Leanebm) -> str:
    Path("numbers.txt").write_text("\n".join(map(str, range(3, 32))) + "\n")
    assert leanebm_command("search", "--theorems", "numbers.txt", "--output", "runs/a").exit_code == 0
    return "runs/a"


@pytest.mark.usefixtures("toy_lean")
def test_a_search_becomes_a_head_and_its_verdict_is_printed(leanebm_command: Leanebm, run: str) -> None:
    result = leanebm_command("train-ebm", run, "--output-dir", "runs/head", "--steps", "20")
    assert result.exit_code == 0
    assert "weight in a search: β = " in result.stdout
    assert "report: runs/head/report.html" in result.stdout
    assert Path("runs/head/report.html").exists()


@pytest.mark.usefixtures("toy_lean")
def test_what_the_report_advises_are_options(leanebm_command: Leanebm, run: str) -> None:
    advised = ("--hidden", "16,8", "--dropout", "0.3", "--loss", "info_nce", "--threads", "1", "--steps", "20")
    made = ("train-ebm", run, "--output-dir", "runs/head")
    assert leanebm_command(*made, *advised).exit_code == 0
    header = load_checkpoint("runs/head").header
    assert (header.config.hidden, header.config.dropout) == ((16, 8), 0.3)
    assert (header.training["loss"], header.training["max_steps"]) == ("info_nce", 20)
    again = leanebm_command(*made, "--steps", "30")
    assert again.exit_code != 0
    assert "to begin again here, delete this one" in again.stderr
    assert "  - --steps: 20 in the folder, 30 now" in again.stderr
    again = leanebm_command(*made, *advised, "--seed", "5", "--threads", "2")
    assert again.stderr.count("  - --seed: 0 in the folder, 5 now\n") == 1
    assert "$." not in again.stderr


@pytest.mark.usefixtures("toy_lean")
def test_heads_to_compare_with_are_options(leanebm_command: Leanebm, run: str) -> None:
    made = ("train-ebm", run, "--steps", "20")
    plain = ("--hidden", "none", "--spectral-norm", "none", "--state-encoder", "counts")
    assert leanebm_command(*made, "--output-dir", "ruler", *plain).exit_code == 0
    config = load_checkpoint("ruler").header.config
    assert (config.d_in, config.hidden, config.spectral_norm.value) == (8, (), "none")
    refused = leanebm_command(
        *made, "--output-dir", "h", "--state-encoder", "counts", "--server-url", "http://127.0.0.1:1"
    )
    assert refused.exit_code == 2
    assert "leave out --server-url" in refused.stderr


OWN = """
from leanebm.core import EncoderIdentity

class Sizes:
    def __init__(self, unit: float = 1.0) -> None:
        self.unit = unit

    async def identity(self):
        return EncoderIdentity(model=f"sizes in {self.unit}", pooling="none", is_normalized=False, dim=2)

    async def encode(self, texts):
        return [(len(text) / self.unit, float(text.count("1"))) for text in texts]
"""


@pytest.mark.usefixtures("toy_lean")
def test_a_head_on_ones_own_encoder_is_searched_with_the_same_code(leanebm_command: Leanebm, run: str) -> None:
    Path("my_sizes.py").write_text(OWN)
    encoder = ("--state-encoder", "my_sizes:Sizes:unit=2.0")
    assert leanebm_command("train-ebm", run, "--output-dir", "head", "--steps", "20", *encoder).exit_code == 0
    assert load_checkpoint("head").header.encoder.model == "sizes in 2.0"
    guided = ("search", "--theorems", "numbers.txt", "--output", "guided", "--ebm-path", "head")
    searched = leanebm_command(*guided, *encoder)
    assert searched.exit_code == 0, searched.stderr
    [record] = read_trajectory("guided/trajectory").runs
    assert record.config["parts"]["encoder"] == {"kind": "my_sizes:Sizes", "unit": 2.0}
    Path("my_sizes.py").write_text(OWN + "# other code\n")
    refused = leanebm_command(*guided, *encoder, "--resume")
    assert refused.exit_code == 2
    assert "my_sizes.py" in refused.stderr


def test_an_encoder_that_is_not_ready_is_named_by_its_option(leanebm_command: Leanebm, tmp_path: Path) -> None:
    method = "    @staticmethod\n    def check_ready(): raise ValueError('there is no table')\n"
    (tmp_path / "no_table.py").write_text(OWN + method)
    unready = ("--state-encoder", "no_table:Sizes")
    refused = leanebm_command("train-ebm", str(tmp_path), "--output-dir", str(tmp_path / "head"), *unready)
    assert refused.exit_code == 2
    assert "Sizes: there is no table @ --state-encoder" in refused.stderr


def test_every_loss_and_normalisation_can_be_asked_for(leanebm_command: Leanebm) -> None:
    help_ = leanebm_command("train-ebm", "--help").stdout
    for choices in (RankingLoss, SpectralNormMode):
        assert f"[{'|'.join(choice.value for choice in choices)}]" in help_


def test_widths_that_are_no_numbers_are_refused(leanebm_command: Leanebm) -> None:
    result = leanebm_command("train-ebm", "--output-dir", "h", "--hidden", "512;256")
    assert result.exit_code == 2
    assert "'512;256' is neither of the form 512,256,128" in result.stderr


@pytest.mark.usefixtures("toy_lean")
@pytest.mark.parametrize(
    ("option", "value", "setting"),
    [("--learning-rate", "-1", "learning_rate"), ("--dropout", "1", "dropout"), ("--hidden", "8,0", "hidden")],
)
def test_settings_that_make_no_sense_are_named(
    leanebm_command: Leanebm, run: str, option: str, value: str, setting: str
) -> None:
    result = leanebm_command("train-ebm", run, "--output-dir", "h", option, value)
    assert result.exit_code == 2
    assert re.search(rf"'{setting}' must be .* @ {option}$", result.stderr, re.MULTILINE)
    assert not Path("h").exists()


def test_nothing_to_learn_from_is_an_error(leanebm_command: Leanebm) -> None:
    result = leanebm_command("train-ebm", "--output-dir", "h")
    assert result.exit_code == 2
    assert "name a run @ RUN, or a folder of groups @ --negatives" in result.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.usefixtures("toy_lean")
def test_a_head_is_trained_and_searched_with_on_cuda(leanebm_command: Leanebm, run: str) -> None:
    made = (run, "--output-dir", "runs/head", "--steps", "20", "--device", "cuda")
    assert leanebm_command("train-ebm", *made).exit_code == 0
    used = ("--ebm-path", "runs/head", "--ebm-device", "cuda", "--beta", "1", "--freeze-spectral")
    assert leanebm_command("search", "--theorems", "numbers.txt", "--output", "runs/b", *used).exit_code == 0
