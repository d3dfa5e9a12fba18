from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from leanebm.pipeline import Health, HealthCheck

Leanebm = Callable[..., Result]


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEANEBM_CACHE_DIR", str(tmp_path / "cache"))


def test_a_person_gets_one_line_a_thing_and_advice_below(leanebm_command: Leanebm) -> None:
    result = leanebm_command("doctor")
    assert "ok  Python" in result.stdout
    assert "--  embedded Lean" in result.stdout
    assert "→ nothing: the first command that needs it downloads" in result.stdout
    assert result.stderr.splitlines()[:2] == ["looking: at Python and Node.js …", "looking: at the embedded Lean …"]


def test_json_holds_the_same(leanebm_command: Leanebm) -> None:
    listed = json.loads(leanebm_command("doctor", "--json").stdout)
    assert {"subject", "verdict", "finding", "advice"} == set(listed[0])
    assert {each["verdict"] for each in listed} <= {verdict.value for verdict in Health}


def test_it_fails_if_something_stands_in_the_way(leanebm_command: Leanebm, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = HealthCheck(subject="disk", verdict=Health.BAD, finding="full", advice="make room")
    monkeypatch.setattr("leanebm.pipeline.examine", lambda *_, **__: (bad,))
    result = leanebm_command("doctor")
    assert result.exit_code == 3
    assert "!!  disk" in result.stdout
    assert "→ make room" in result.stdout


def test_a_doctor_that_is_stopped_ends_as_every_command_does(
    leanebm_command: Leanebm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("leanebm.pipeline.examine", stopped)
    result = leanebm_command("doctor")
    assert (result.exit_code, result.stderr) == (130, "Stopped.\n")
