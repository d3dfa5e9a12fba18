"""Prompts and completions, as a policy server is asked and as a model is to answer."""

from __future__ import annotations

from typing import Final

from leanebm.core import ProofState, StateRef
from leanebm.lean import parse_goal_text
from leanebm.policy import PromptFormat, truncate_state

_NOWHERE: Final = StateRef(epoch=0, state_id=0)


def rendered(state: str, prompt_format: PromptFormat, max_chars: int) -> str | None:
    """The prompt for a printed state, as much of it as a server would be shown; ``None`` if the text is not a state."""
    try:
        goals = tuple(map(parse_goal_text, state.split("\n\n")))
    except ValueError:
        return None
    return prompt_format.render(truncate_state(ProofState(goals, "", _NOWHERE), max_chars))


def written(tactic: str, prompt_format: PromptFormat) -> str | None:
    """What a model has to write for ``prompt_format`` to read this tactic; ``None`` if nothing that we know of."""
    for text in (tactic, tactic.replace("\n", "\n  ")):  # the second, where a prompt ends in an indented line
        block = prompt_format.parse(text)
        if block is not None and block.tactic == tactic and not text[block.end :].strip():
            return text
    return None


def fenced(tactic: str, prompt_format: PromptFormat) -> str | None:
    """The same, in a code block, as a model writes that converses."""
    block = f"```lean4\n{tactic}\n```"
    found = prompt_format.parse(block)
    return block if found is not None and found.tactic == tactic else None
