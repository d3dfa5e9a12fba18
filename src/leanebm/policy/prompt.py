"""How a proof state becomes a prompt, and a completion a tactic or a proof."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol, final

import attrs

from leanebm._printed.digest import digest
from leanebm._shown import fitting_repr
from leanebm.core import Goal, ProofState
from leanebm.policy.tactic_block import TacticBlock, first_tactic_block, proof_block


class PromptFormat(Protocol):
    """A pair of inverse views: show a state, and read back the tactic that answers it."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts at which the server may end a completion."""
        ...

    def render(self, state: ProofState) -> str:
        """The prompt. It ends where the tactic is to start, so that no token straddles the seam."""
        ...

    def parse(self, completion: str) -> TacticBlock | None:
        """The first complete tactic of a completion, or all that are its proof; ``None`` if it holds none."""
        ...


_COMPLETION_STOPS: Final = ("\n```", "\n\n")
"""Not a single line break: a tactic may be a block of several lines."""


@final
@attrs.frozen
class StateCommentFormat:
    """An instruction and a fence that holds the state as a comment; the answer is one tactic.

    ::

        Give the next tactic for the following Lean 4 proof state.

        ```lean4
        /- tactic state:
        n : Nat
        ⊢ n + 0 = n
        -/
        ```

        ```lean4
        simp
    """

    stop: tuple[str, ...] = _COMPLETION_STOPS
    whole_proofs: bool = False
    """Whether tactics to the end of the proof are asked for, and kept."""

    __repr__ = fitting_repr

    def render(self, state: ProofState) -> str:
        """Show all goals, the one to work on first."""
        comment = _state_comment(state, indent="")
        asked = "the rest of the proof" if self.whole_proofs else "the next tactic"
        return f"Give {asked} for the following Lean 4 proof state.\n\n```lean4\n{comment}\n```\n\n```lean4\n"

    def parse(self, completion: str) -> TacticBlock | None:
        """The first tactic, or the proof, without fences, comments, or a declaration around it."""
        return _cut(completion, self.whole_proofs)


@final
@attrs.frozen
class PrefixFormat:
    """An unfinished proof that the model continues: the goal as an ``example``, then the state.

    This is the form that whole-proof models were trained to complete, DeepSeek-Prover-V1.5 for one, so it suits a
    model that was not fine-tuned on single tactics.
    """

    stop: tuple[str, ...] = _COMPLETION_STOPS
    whole_proofs: bool = False
    """Whether the proof is kept to its end."""

    __repr__ = fitting_repr

    def render(self, state: ProofState) -> str:
        """Show the first goal as a statement, and every goal as a comment below it."""
        statement = _as_example(state.goals[0]) if state.goals else "example : True := by"
        comment = _state_comment(state, indent="  ")
        return f"Complete the following Lean 4 code:\n\n```lean4\n{statement}\n{comment}\n  "

    def parse(self, completion: str) -> TacticBlock | None:
        """The first tactic, or the proof; its first line stands at the proof's indentation of two."""
        return _cut(completion, self.whole_proofs, first_line_indent=2)


def _cut(completion: str, is_proof: bool, *, first_line_indent: int = 0) -> TacticBlock | None:
    return (proof_block if is_proof else first_tactic_block)(completion, first_line_indent=first_line_indent)


def _has_one_state(_: object, attribute: attrs.Attribute[str], value: str) -> None:
    if value.count("{state}") != 1:
        raise ValueError(f"{attribute.name} must hold {{state}} once, got {value!r}")


@final
@attrs.frozen(kw_only=True)
class TemplateFormat:
    """A prompt with one place for the state: the form in which public step provers are published."""

    template: str = attrs.field(validator=_has_one_state)
    """The prompt, with ``{state}`` where Lean's printed goals stand."""

    stop: tuple[str, ...]
    marks: tuple[str, ...] = ()
    """What the model puts into a tactic, and Lean does not want."""

    is_fenced: bool = False
    """Whether the tactic comes in a code block, perhaps after some words, which then count as its tokens, too."""

    only_first_goal: bool = False
    """Whether the goals that a tactic does not act on are left out, and the first one's case name."""

    has_digest: bool = False
    """Whether there follows, for each hypothesis of the first goal, its shape, and which others say its parts."""

    whole_proofs: bool = False
    """Whether the model writes tactics to the end of the proof, and they are kept."""

    source: str
    """Where its authors say so, and in what it differs here."""

    __repr__ = fitting_repr

    @property
    def has_chat_markup(self) -> bool:
        """Whether it is a whole conversation already, which a server's chat template must not wrap once more."""
        return "<|im_start|>" in self.template

    def render(self, state: ProofState) -> str:
        """Put all goals, the one to work on first, into the template; or that one alone."""
        shown = _without_case(state.goals[0]) if self.only_first_goal and state.goals else state.text
        if self.has_digest and state.goals:
            shown = f"{shown}\n{digest(state.goals[0].text)}"
        return self.template.replace("{state}", shown)

    def parse(self, completion: str) -> TacticBlock | None:
        """The first tactic, or the proof, without fences, comments and marks."""
        fence = _FENCE.search(completion) if self.is_fenced else None
        start = fence.end() if fence is not None else 0
        block = _cut(completion[start:], self.whole_proofs)
        if block is None:
            return None
        tactic = block.tactic
        for mark in self.marks:
            tactic = tactic.replace(mark, "")
        return TacticBlock(tactic, start + block.end) if tactic.strip() else None


_FENCE: Final = re.compile(r"^[ \t]*```\w*[ \t\r]*\n", re.MULTILINE)

_USER: Final = "<|im_start|>user\n"
_ASSISTANT: Final = "<|im_end|>\n<|im_start|>assistant\n"

_TEMPLATES: Final = {
    "chat": TemplateFormat(
        template=(
            "Give the next tactic for the following Lean 4 proof state: one tactic, in a code block, "
            "and no other words.\n\n```lean4\n/- tactic state:\n{state}\n-/\n```\n"
        ),
        stop=(),
        is_fenced=True,
        source="ours, for models that were trained to converse; use it with the API openai-chat",
    ),
    "first_goal": TemplateFormat(
        template="{state}\n:::",
        stop=("\n\n", ":::"),
        only_first_goal=True,
        source="ours, for small models: the shortest prompt there is, in which every goal is a theorem of its own",
    ),
    "goal_digest": TemplateFormat(
        template="{state}\n:::",
        stop=("\n\n", ":::"),
        only_first_goal=True,
        has_digest=True,
        source="ours, for small models of logic: as first_goal, and then which hypothesis says what",
    ),
    "bfs_prover": TemplateFormat(
        template="{state}:::",
        stop=("\n\n", ":::"),
        source="model cards of ByteDance-Seed/BFS-Prover-V1-7B and -V2-7B; the stops are ours",
    ),
    "llmstep": TemplateFormat(
        template="[GOAL]{state}[PROOFSTEP]",
        stop=("\n\n", "[GOAL]"),
        source="model card of wellecks/llmstep-mathlib4-pythia2.8b; the stops are ours",
    ),
    "reprover": TemplateFormat(
        template="{state}",
        stop=("\n\n",),
        marks=("<a>", "</a>"),
        source="lean-dojo/ReProver, common.py: the generator without retrieval; the stop is ours",
    ),
    "ntp": TemplateFormat(
        template=(
            "/- You are proving a theorem in Lean 4.\n"
            "You are given the following information:\n"
            "- The current proof state, inside [STATE]...[/STATE]\n\n"
            "Your task is to generate the next tactic in the proof.\n"
            "Put the next tactic inside [TAC]...[/TAC]\n"
            "-/\n"
            "[STATE]\n{state}\n[/STATE]\n[TAC]\n"
        ),
        stop=("[/TAC]",),
        source="cmu-l3/ntp-toolkit, scripts/instruction_tuning.py, which made l3lab/ntp-mathlib-instruct-st",
    ),
    "internlm2_math": TemplateFormat(
        template=(
            f"{_USER}My LEAN 4 state is:\n```lean\n{{state}}```\n"
            f"Please predict a possible tactic to help me prove the theorem.{_ASSISTANT}"
        ),
        stop=("<|im_end|>",),
        is_fenced=True,
        source="InternLM/InternLM-Math, minif2f/proofsearch_internLM2-plus.py",
    ),
    "internlm2_step": TemplateFormat(
        template=f"{_USER}DECL \nGOAL {{state}}\n{_ASSISTANT}",
        stop=("\n\n", "<|im_end|>"),
        marks=("PROOFSTEP ",),
        source=(
            "InternLM/InternLM-Math, minif2f/proofsearch_internLM2-StepProver.py. DECL stays empty, since a policy is "
            "shown a state and not whose; the first stop is ours"
        ),
    ),
    "internlm2_5_step": TemplateFormat(
        template=(
            f"{_USER}---\nNAME: \n\n---\nPROOF_BEFORE: \n\n---\nSTATE_BEFORE: {{state}}\n\n---\nTACTIC: {_ASSISTANT}"
        ),
        stop=("\n\n", "<|im_end|>"),
        source=(
            "InternLM/InternLM-Math, minif2f/proofsearch_internLM2.5-StepProver.py. NAME and PROOF_BEFORE stay empty, "
            "since a policy is shown a state and not how it came about; the first stop is ours"
        ),
    ),
}

PROMPT_FORMATS: Final[Mapping[str, PromptFormat]] = MappingProxyType(
    {"state_comment": StateCommentFormat(), "prefix": PrefixFormat(), **_TEMPLATES}
)
"""The formats that a configuration can name: five of ours, then those of public step provers."""


_PROOF_STOPS: Final = ("\n```",)
"""Not an empty line, which a proof may hold."""

WHOLE_PROOF_FORMATS: Final[Mapping[str, PromptFormat]] = MappingProxyType(
    {
        "state_comment": StateCommentFormat(_PROOF_STOPS, whole_proofs=True),
        "prefix": PrefixFormat(_PROOF_STOPS, whole_proofs=True),
        **{
            name: attrs.evolve(_TEMPLATES[name], stop=(":::",), whole_proofs=True)
            for name in ("first_goal", "goal_digest")
        },
        "chat": attrs.evolve(
            _TEMPLATES["chat"],
            template=(
                "Give the rest of the proof for the following Lean 4 proof state: its tactics, one a line, in a code "
                "block, and no other words.\n\n```lean4\n/- tactic state:\n{state}\n-/\n```\n"
            ),
            whole_proofs=True,
        ),
    }
)
"""Ours once more, for models that write proofs to their end; the others are of models that write one tactic."""


def prompt_format_of(name: str, *, whole_proofs: bool) -> PromptFormat:
    """The format of that name, as it asks for one tactic or for the whole rest of the proof.

    Raises:
        ValueError: the models of that format write one tactic at a time.
    """
    formats = WHOLE_PROOF_FORMATS if whole_proofs else PROMPT_FORMATS
    if name not in formats:
        raise ValueError(
            f"models that are asked in the form {name!r} write one tactic: choose one of {', '.join(formats)}"
        )
    return formats[name]


def _state_comment(state: ProofState, *, indent: str) -> str:
    body = "".join(f"{indent}{line}\n" if line else "\n" for line in state.text.splitlines())
    return f"{indent}/- tactic state:\n{body}{indent}-/"


def _without_case(goal: Goal) -> str:
    return goal.text if goal.case_name is None else goal.text.partition("\n")[2]


def _as_example(goal: Goal) -> str:
    binders = "".join(f" ({hypothesis.name} : {_one_line(hypothesis.type)})" for hypothesis in goal.hypotheses)
    return f"example{binders} :\n    {_one_line(goal.target)} := by"


def _one_line(text: str) -> str:
    return " ".join(text.split())
