"""A worker that says what it is told to say: a compromised Lean, as seen from the pipe.

Its argument is a JSON object from a command's name to the answers it gives, one after the other, the last of
them again and again. An answer is a JSON value, or a text that is written as it is. An object repeats the request's
nonce unless it has one of its own; in a text ``NONCE`` stands for it. ``"unasked"`` is written before anything was
asked for.
"""

from __future__ import annotations

import json
import sys
from typing import Any

Answers = dict[str, list[Any]]

HONEST: Answers = {
    "stat": [{"nGoals": 0}],
    "options.set": [{}],
    "goal.delete": [{}],
    "env.describe": [{"imports": [], "modules": [], "leanVersion": "4.28.0"}],
    "env.inspect": [{"type": {"pp": "∀ (n m : Nat), n + m = m + n"}, "isUnsafe": False}],
    "env.apart": [{"commands": []}],
    "expr.echo": [{"expr": {"pp": "p"}, "type": {"pp": "Prop"}}],
    "goal.start": [
        {"stateId": 0, "root": "_uniq.1", "key": "k", "goals": [{"vars": [], "target": {"pp": "1 = 2"}}]},
    ],
}
"""What every worker says to be let in."""


def lying_worker_argv(**answers: Any) -> tuple[str, ...]:
    """A command line that starts one; a keyword is a command's name, its dot an underscore."""
    told = {command.replace("_", "."): said for command, said in answers.items()}
    return (sys.executable, "-I", "-S", __file__, json.dumps(HONEST | told))


def _write(answer: Any, nonce: str) -> None:
    if isinstance(answer, dict):
        answer = {"nonce": nonce} | answer
    text = answer if isinstance(answer, str) else json.dumps(answer) + "\n"
    sys.stdout.write(text.replace("NONCE", nonce))
    sys.stdout.flush()


def _main(answers: Answers) -> None:
    _write("ready.\n", "")
    for line in sys.stdin:
        request = json.loads(line)
        said = answers.get(request["cmd"], [{"error": "command", "desc": f"Unknown command {request['cmd']}"}])
        _write(said[0], request.get("nonce", ""))
        if len(said) > 1:
            said.pop(0)
        if request["cmd"] == "stat":
            _write(answers.get("unasked", [""])[0], "")


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
