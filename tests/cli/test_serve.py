from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from _tiny_llama import tiny_llama
from click.testing import Result

from leanebm import _extras
from leanebm.cli._options import model_folder
from leanebm.cli.serve import _backend, _serve
from leanebm.core import Goal, ProofState, StateRef
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.serve import SHIPPED_POLICY, PolicyServer, ServeConfig

Leanebm = Callable[..., Result]


@pytest.mark.parametrize(("backend", "form"), [("template", ""), ("hf", ""), ("hf", " --prompt-format goal_digest")])
async def test_it_says_where_it_serves_and_serves_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, backend: str, form: str
) -> None:
    model = {} if backend == "template" else {"model": str(SHIPPED_POLICY if form else tiny_llama(tmp_path))}
    task = asyncio.create_task(_serve(ServeConfig(), _backend(backend, 0, dict(model))))
    url, said, hints = "", "", ""
    while not url:
        await asyncio.sleep(0.001)
        assert not task.done(), task.exception()
        shown = capsys.readouterr()
        said, hints = said + shown.out, hints + shown.err
        url = said.partition(" at ")[2].partition("\n")[0]
    hints += capsys.readouterr().err
    assert f"--server-url {url}{form}\n" in hints
    settings = PolicyClientConfig(url=url, prompt_format=form.rpartition(" ")[2] or "state_comment")
    async with PolicyClient(settings) as client:
        info = await client.wait_ready()
    assert info.model_path == model.get("model", "template")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_model_that_ships_sees_which_hypothesis_closes_a_goal() -> None:
    text = "p q r : Prop\nh : p → r\nh1 : q\nh2 : p\nh3 : r\n⊢ q"
    state = ProofState((Goal(text=text, target="q"),), "key", StateRef(epoch=1, state_id=0))
    backend = _backend("hf", 0, {"model": "logic", "device": "cpu"})
    async with PolicyServer(ServeConfig(port=0), backend) as server:
        settings = PolicyClientConfig(url=server.url, prompt_format="goal_digest", temperature=0.0)
        async with PolicyClient(settings) as client:
            await client.wait_ready()
            (candidate,) = await client.propose(state, 1)
    assert candidate.tactic == "exact h1"


def test_a_taken_port_is_bad_input(leanebm_command: Leanebm) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = leanebm_command("serve", "--port", str(port))
    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--api-key", "a b"], "'api_key' must be visible ASCII"),
        (["--model", "m"], "--model is for --backend hf"),
        (["--trust-remote-code", "--max-context", "5"], "--max-context, --trust-remote-code is for --backend hf"),
        (["--backend", "hf"], "--model PATH"),
        (["--backend", "hf", "--model", "m", "--max-sequences", "0"], "'max_sequences' must be >= 1"),
        (["--backend", "hf", "--model", "m", "--device", "tpu"], "'device' must match"),
        (["--backend", "hf", "--model", "m", "--adapter", "x"], "'x' is not NAME=PATH"),
        (["--backend", "hf", "--model", "m", "--adapter", "x=p", "--adapter", "x=q"], "'x' is given twice"),
        (["--backend", "hf", "--model", "nowhere"], "nowhere is not the folder of a model"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_loaded(
    leanebm_command: Leanebm, arguments: list[str], said: str
) -> None:
    result = leanebm_command("serve", "--port", "0", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_without_the_extra_it_says_what_to_install(
    leanebm_command: Leanebm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "leanebm.serve.backends.hf._language_model", None)
    monkeypatch.setattr(_extras, "missing_of", lambda _: ("peft>=0.15", "torch>=2.5"))
    result = leanebm_command("serve", "--backend", "hf", "--model", str(tiny_llama(tmp_path)))
    assert result.exit_code == 2
    assert "python -m pip install 'leanebm[serve]'" in result.stderr


def test_a_word_stands_for_the_model_that_ships() -> None:
    assert model_folder("logic") == str(SHIPPED_POLICY)
    assert model_folder("models/logic") == "models/logic"
