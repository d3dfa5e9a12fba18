"""A bare pipe to the real REPL: what goes over the wire, with none of our client in between."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chosen_lean import ChosenLean

from leanebm.lean.backends.base import WorkerCommand

Reply = dict[str, Any]

_OF_PANTOGRAPH = re.compile(r"test_dialogues\.py::|::test_\d\d_")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a Pantograph, ask only for what its own client's tests and the numbered list of its protocol do."""
    if config.getoption("--lean-backend") == "pantograph":
        for item in items:
            if item.path.parent == Path(__file__).parent and not _OF_PANTOGRAPH.search(item.nodeid):
                item.add_marker(pytest.mark.skip(reason="plain Pantograph does not have this"))


class Repl:
    """A REPL process and the requests one sends it. Replies are whatever JSON came back."""

    def __init__(self, command: WorkerCommand) -> None:
        stack = f'ulimit -s {(command.stack_mib or 8) * 1024}; exec "$@"'
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", stack, "sh", *command.argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(command.env),
            cwd=command.cwd,
        )
        self.banner = self.read_line()

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read_line(self) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def raw(self, line: str) -> Reply:
        """Send one line as it is."""
        self.write(line.encode() + b"\n")
        reply: Reply = json.loads(self.read_line())
        return reply

    def __call__(self, cmd: str, **payload: object) -> Reply:
        return self.raw(json.dumps({"cmd": cmd, "payload": payload}, ensure_ascii=False))

    def start(self, expr: str, **more: object) -> int:
        """Open a proof of ``expr``; its state id."""
        return int(self("goal.start", expr=expr, **more)["stateId"])

    def tactic(self, state: int, tactic: str, **more: object) -> Reply:
        return self("goal.tactic", stateId=state, tactic=tactic, **more)

    def after(self, expr: str, *tactics: str) -> int:
        """State after some tactics that must all succeed."""
        state = self.start(expr)
        for tactic in tactics:
            reply = self.tactic(state, tactic)
            assert "nextStateId" in reply, reply
            state = reply["nextStateId"]
        return state

    def close(self) -> int:
        """End it by end-of-file; its exit status."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=60)


@pytest.fixture(scope="session")
def shared_repl(chosen_lean: ChosenLean) -> Iterator[Repl]:
    repl = Repl(chosen_lean.command())
    yield repl
    os.kill(repl.process.pid, 9)
    repl.close()


@pytest.fixture
def repl(shared_repl: Repl) -> Repl:
    """The session's REPL, as if it had just started: no states, default options."""
    shared_repl("reset")
    shared_repl("options.set", automaticMode=True, timeout=0, printDependentMVars=False, printExprPretty=True)
    return shared_repl


@pytest.fixture
def new_repl(chosen_lean: ChosenLean) -> Iterator[Callable[..., Repl]]:
    """Starts REPLs of the test's own, for what ends a process."""
    started: list[Repl] = []

    def start(*arguments: str) -> Repl:
        started.append(Repl(chosen_lean.command(*arguments)))
        return started[-1]

    yield start
    for repl in started:
        repl.process.kill()
        repl.close()
