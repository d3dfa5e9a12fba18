from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from _tiny_llama import tiny_llama
from click.testing import Result

from leanebm.pipeline import LessonKind
from leanebm.serve import HfBackend, HfConfig, PolicyServer, ServeConfig

Leanebm = Callable[..., Result]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_llama(tmp_path_factory.mktemp("model") / "tiny", spread=0.1))


@pytest.fixture
def made(leanebm_command: Leanebm, tiny: str) -> tuple[str, ...]:
    """A command that fine-tunes on a search of the toy world."""
    Path("numbers.txt").write_text("\n".join(map(str, range(3, 24))) + "\n")
    assert leanebm_command("search", "--theorems", "numbers.txt", "--output", "runs/a").exit_code == 0
    quick = ("--steps", "4", "--batch-size", "4", "--learning-rate", "0.01", "--rank", "4")
    return ("finetune", "runs/a", "--model", tiny, "--output", "runs/ft", *quick)


@pytest.mark.usefixtures("toy_lean")
def test_a_search_becomes_an_adapter_and_a_model(leanebm_command: Leanebm, made: tuple[str, ...]) -> None:
    result = leanebm_command(*made, "--merge", "runs/merged", "--target-module", "q_proj", "--target-module", "v_proj")
    assert result.exit_code == 0, result.stderr
    assert "held-out loss" in result.stdout
    assert "adapter: runs/ft/adapter; search with --prompt-format state_comment" in result.stdout
    settings = json.loads(Path("runs/ft/adapter/adapter_config.json").read_text())
    assert (settings["r"], settings["lora_alpha"], settings["target_modules"]) == (4, 8, ["q_proj", "v_proj"])
    assert Path("runs/merged/model.safetensors").is_file()
    other = leanebm_command(*made, "--target-module", "q_proj", "--steps", "9", "--rank", "5")
    assert other.exit_code == 2
    assert "  - --steps: 4 in the folder, 9 now\n" in other.stderr
    assert "  - --rank: 4 in the folder, 5 now\n" in other.stderr
    assert "$." not in other.stderr
    again = leanebm_command(*made, "--merge", "runs/merged")
    assert (again.exit_code, "already exists" in again.stderr) == (2, True)


@pytest.mark.usefixtures("toy_lean")
def test_a_search_becomes_a_whole_model(leanebm_command: Leanebm, made: tuple[str, ...]) -> None:
    options = made[: made.index("--rank")]
    result = leanebm_command(*options, "--whole", "--renamed-copies", "1")
    assert result.exit_code == 0, result.stderr
    assert "model: runs/ft/model; search with --prompt-format state_comment" in result.stdout
    assert Path("runs/ft/model/model.safetensors").is_file()


def test_a_place_for_a_merged_model_that_is_none_is_refused_before_training(
    leanebm_command: Leanebm, tiny: str
) -> None:
    Path("file").touch()
    result = leanebm_command("finetune", "--model", tiny, "--output", "runs/ft", "--merge", "file/merged")
    assert (result.exit_code, "file is not a folder; choose another place" in result.stderr) == (2, True)
    assert not Path("runs/ft").exists()


@pytest.mark.parametrize(("option", "value"), [("--merge", "runs/merged"), ("--load-into", "http://127.0.0.1:9")])
def test_a_whole_model_is_no_adapter_to_merge_or_load(
    leanebm_command: Leanebm, tiny: str, option: str, value: str
) -> None:
    result = leanebm_command("finetune", "--model", tiny, "--output", "runs/ft", "--whole", option, value)
    assert (result.exit_code, "there is no adapter to merge or to load" in result.stderr) == (2, True)


def test_a_name_for_no_server_is_refused(leanebm_command: Leanebm, tiny: str) -> None:
    result = leanebm_command("finetune", "--model", tiny, "--output", "runs/ft", "--adapter-name", "mine")
    assert (result.exit_code, "--load-into" in result.stderr) == (2, True)


@pytest.mark.parametrize("learn", [kind.value for kind in LessonKind if kind is not LessonKind.PROOFS])
def test_what_searches_tried_is_not_learnt_without_a_search(leanebm_command: Leanebm, tiny: str, learn: str) -> None:
    Path("pairs.jsonl").touch()
    result = leanebm_command(
        "finetune", "--model", tiny, "--pairs", "pairs.jsonl", "--output", "runs/ft", "--learn", learn
    )
    assert (result.exit_code, "@ --learn" in result.stderr) == (2, True)


@pytest.mark.usefixtures("toy_lean")
async def test_the_server_is_told_once_and_a_name_that_it_has_for_another_adapter_costs_no_training(
    leanebm_command: Leanebm, made: tuple[str, ...], tiny: str
) -> None:
    async with PolicyServer(ServeConfig(), HfBackend(HfConfig(model=tiny))) as server:
        into = (*made, "--load-into", server.url, "--adapter-name", "mine")
        for _ in range(2):
            result = await asyncio.to_thread(leanebm_command, *into)
            assert (result.exit_code, "loaded as mine" in result.stdout) == (0, True), result.stderr
        other = await asyncio.to_thread(leanebm_command, *into, "--output", "runs/other")
    assert (other.exit_code, "has another adapter called mine" in other.stderr) == (2, True), other.stderr
    assert not Path("runs/other").exists()


@pytest.mark.usefixtures("toy_lean")
def test_a_server_that_is_not_there_cannot_be_told_of_the_adapter(
    leanebm_command: Leanebm, made: tuple[str, ...]
) -> None:
    result = leanebm_command(*made, "--load-into", "http://127.0.0.1:9")
    assert result.exit_code == 3, result.stderr
    assert "It may be started meanwhile: it is told of the adapter at the end" in result.stderr
    assert "start the server, and give the same command again" in result.stderr
    assert Path("runs/ft/report.json").is_file(), "what was trained is kept"


@pytest.mark.usefixtures("toy_lean")
@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--learning-rate", "-1", "@ --learning-rate"),
        ("--prompt-format", "chat", "chat template"),
        ("--unlikelihood", "-1", "@ --unlikelihood"),
        ("--epochs", "0", "@ --epochs"),
    ],
)
def test_settings_that_make_no_sense_are_named(
    leanebm_command: Leanebm, made: tuple[str, ...], option: str, value: str, said: str
) -> None:
    result = leanebm_command(*made, option, value)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not Path("runs/ft").exists()


def test_nothing_to_learn_from_is_an_error(leanebm_command: Leanebm, tiny: str) -> None:
    result = leanebm_command("finetune", "--model", tiny, "--output", "runs/ft")
    assert result.exit_code == 2
    assert "name a run @ RUN, or a file @ --pairs" in result.stderr


def test_without_the_extra_it_says_what_to_install(
    leanebm_command: Leanebm, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith("leanebm.pipeline.finetune")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "peft", None)
    monkeypatch.setattr("leanebm._extras.missing_of", lambda _: ("peft>=0.14",))
    result = leanebm_command("finetune", "--model", tiny, "--output", "runs/ft")
    assert result.exit_code == 2
    assert "fine-tuning needs the extra 'serve'" in result.stderr
    assert "pip install 'leanebm[serve]'" in result.stderr
