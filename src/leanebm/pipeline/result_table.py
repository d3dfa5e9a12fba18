"""The tables that results can be read as, and their columns."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import pyarrow as pa

from leanebm._shown import hint
from leanebm.errors import ConfigError
from leanebm.trajectory import SCHEMA


class ResultTable(enum.StrEnum):
    """A table of what runs found, or a training set made of it; :func:`columns_of` says what is in it."""

    THEOREMS = "theorems"
    """One row for each theorem: how its search ended, its proof, and what it cost."""

    NODES = "nodes"
    """One row for each proof state that a search met."""

    TACTICS = "tactics"
    """One row for each tactic that was run, with what Lean made of it."""

    PAIRS = "pairs"
    """One row for each step of a certified proof: what ``generate-negatives``, ``finetune`` and ``iterate`` read."""

    LEANDOJO = "leandojo"
    """One row for each certified proof, as LeanDojo's benchmark writes them, with ``traced_tactics``."""

    COMPLETION = "completion"
    """For supervised fine-tuning: a prompt, and the completion that is the proof's next tactic."""

    CHAT = "chat"
    """The same as a conversation: ``messages`` of a user and an assistant."""

    PREFERENCES = "preferences"
    """For preference training: beside a state of a certified proof, its tactic and one that Lean refused."""

    CHAT_PREFERENCES = "chat-preferences"
    """The same as conversations."""

    @classmethod
    def named(cls, word: ResultTable | str) -> ResultTable:
        """The table of that name.

        Raises:
            ConfigError: there is none.
        """
        try:
            return cls(word)
        except ValueError:
            close = hint(word, cls)
            raise ConfigError(f"there is no table {word!r}{close}", [f"choose one of {', '.join(cls)}"]) from None


_TEXT, _INT, _REAL = pa.string(), pa.int64(), pa.float64()
_TEXTS: Final = pa.list_(pa.string())
_MESSAGES: Final = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_TRACED: Final = pa.list_(
    pa.struct([("tactic", pa.string()), ("state_before", pa.string()), ("state_after", pa.string())])
)


def _unit(field: pa.Field) -> str:
    unit = (field.metadata or {}).get(b"unit", b"").decode()
    return f" ({unit})" if unit else ""


_RUN: Final = {"run": (_TEXT, "The path that was given.")}
_THEOREM: Final = {
    "theorem": (_TEXT, "The theorem's name."),
    "step": (_INT, "Which step of its proof, from 0."),
}

_COLUMNS: Final[Mapping[ResultTable, Mapping[str, tuple[pa.DataType, str]]]] = {
    ResultTable.THEOREMS: {
        **_RUN,
        "run_id": (_TEXT, "The run that searched it."),
        "theorem": (_TEXT, "Its name."),
        "statement": (_TEXT, "Its statement, or @ and the library name it was taken from."),
        "header": (_TEXT, "Its open, universe and set_option lines."),
        "context": (_TEXT, "Definitions and other commands before it."),
        "outcome": (
            _TEXT,
            "proved, exhausted, budget_spent, rejected or infrastructure; the last says nothing about it.",
        ),
        "tactics": (_TEXTS, "The certified proof; null if there is none."),
        "axioms": (_TEXTS, "What the proof depends on; null if there is none."),
        "rejections": (_INT, "Candidate proofs that the certifier did not accept."),
        "error_kind": (_TEXT, "The class of what broke the search; null if nothing did."),
        "error": (_TEXT, "Its message."),
        "nodes": (_INT, "States found."),
        "expansions": (_INT, "Nodes about which the policy was asked."),
        "tactic_calls": (_INT, "Tactics that Lean ran."),
        "policy_calls": (_INT, "Times the policy was asked; null if the search did not count."),
        "energy_calls": (_INT, "States that were given an energy; null if the search did not count."),
        "wall_s": (_REAL, "Seconds of the search."),
        "policy_s": (_REAL, "Of these, seconds spent on the policy."),
        "policy_wait_s": (_REAL, "Of these, seconds that requests waited for room or for a full server."),
        "policy_weights": (_TEXTS, "Versions of the weights that tactics came from, as far as servers say."),
        "lean_s": (_REAL, "Seconds spent on tactics."),
        "score_s": (_REAL, "Seconds spent on energies and scores."),
        "certify_s": (_REAL, "Seconds spent on the certifier."),
        "started_unix_s": (_REAL, "When it began, in seconds since 1970-01-01 UTC."),
    },
    ResultTable.NODES: {
        **_RUN,
        **{
            field.name: (field.type, f"As in leanebm.trajectory.TrajectoryRow{_unit(field)}.")
            for field in SCHEMA
            if field.name != "attempts"
        },
    },
    ResultTable.TACTICS: {
        **_RUN,
        "run_id": (_TEXT, "The run."),
        "theorem": (_TEXT, "The theorem's name."),
        "outcome": (_TEXT, "How the theorem's search ended; rows of one that ended in infrastructure are not labels."),
        "node": (_INT, "The node that it was run on."),
        "depth": (_INT, "Tactics from the root to that node."),
        "state": (_TEXT, "All goals of the node, as Lean prints them."),
        "tactic": (_TEXT, "What was run; it begins with rotate_left where it was for another goal than the first."),
        "log_prob": (_REAL, "Natural logarithm of its probability under the policy."),
        "kind": (_TEXT, "advanced, merged, cyclic, finished, rejected or timed_out."),
        "target": (_INT, "The node that it led to; -1 if nowhere."),
        "message": (_TEXT, "Lean's words, if it refused."),
        "elapsed_s": (_REAL, "Seconds that Lean took."),
    },
    ResultTable.PAIRS: {
        "theorem": (_TEXT, "The theorem's name."),
        "statement": (_TEXT, "Its statement; null for a library theorem."),
        "copy_from": (_TEXT, "The library theorem that it is; null for a statement of one's own."),
        "header": (_TEXT, "Its open, universe and set_option lines."),
        "context": (_TEXT, "Definitions and other commands before it."),
        "module": (_TEXT, "The library module that it is from; empty if it is from none."),
        "step": (_INT, "Which step, from 0."),
        "num_steps": (_INT, "Steps of the proof."),
        "state": (_TEXT, "All goals before the tactic."),
        "tactic": (_TEXT, "The tactic."),
    },
    ResultTable.LEANDOJO: {
        "url": (_TEXT, "Empty: the theorem is of no repository."),
        "commit": (_TEXT, "Empty."),
        "file_path": (_TEXT, "The library module's path, such as Init/Core.lean; empty if it is from none."),
        "full_name": (_TEXT, "The theorem's name."),
        "theorem_statement": (_TEXT, "Its statement, or @ and the library name."),
        "traced_tactics": (
            _TRACED,
            "Its proof: tactic, state_before and state_after of each step; the last is 'no goals'.",
        ),
    },
    ResultTable.COMPLETION: {
        "prompt": (_TEXT, "What a policy server sends to the model for the state."),
        "completion": (_TEXT, "What the model is to write."),
        **_THEOREM,
    },
    ResultTable.CHAT: {"messages": (_MESSAGES, "The user's prompt, and the assistant's answer."), **_THEOREM},
    ResultTable.PREFERENCES: {
        "prompt": (_TEXT, "As in completion."),
        "chosen": (_TEXT, "The tactic of the certified proof."),
        "rejected": (_TEXT, "A tactic that Lean refused there."),
        "message": (_TEXT, "Why, in Lean's words."),
        **_THEOREM,
    },
    ResultTable.CHAT_PREFERENCES: {
        "prompt": (_MESSAGES, "The user's prompt."),
        "chosen": (_MESSAGES, "The assistant's answer: the tactic of the certified proof."),
        "rejected": (_MESSAGES, "The assistant's answer: a tactic that Lean refused there."),
        "message": (_TEXT, "Why, in Lean's words."),
        **_THEOREM,
    },
}


def columns_of(table: ResultTable | str) -> dict[str, str]:
    """What each column of ``table`` holds, in their order."""
    return {name: meaning for name, (_, meaning) in _COLUMNS[ResultTable(table)].items()}


def schema_of(table: ResultTable) -> pa.Schema:
    """The columns as Arrow has them."""
    return pa.schema([(name, kind) for name, (kind, _) in _COLUMNS[table].items()])
