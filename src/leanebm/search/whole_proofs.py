"""Search whose policy proposes whole proofs: they are replayed into the tree, and it goes on where they fail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import dedent
from typing import Final

import attrs

from leanebm.core import Candidate, Edge, Node, NodeStatus, TacticFate
from leanebm.search.best_first import BestFirstSearch
from leanebm.search.progress import Expansion, SearchProgress
from leanebm.search.tree import Rival

_NEXT_TACTIC: Final = re.compile(r"(?<!\n)\n++(?=[^\s|)\]}⟩])(?!<;>|else\b)")
"""A line break before a line that is not indented and does not go on with what stands before it."""

_COMMENT: Final = re.compile(r"(?:\s*+(?:--[^\n]*+|/-(?:(?!/-|-/).)*+-/))*+\s*+", re.DOTALL)
"""Nothing but comments, none of them within another. A row of dashes is one, and is never divided (``*+``)."""


_LEADS_ON: Final = (TacticFate.ADVANCED, TacticFate.MERGED)


class WholeProofSearch(BestFirstSearch):
    """Best-first search that takes a candidate of several tactics apart, and replays it as far as Lean follows.

    Each state on the way is a node like any other, so that a proof which fails at its fifth tactic leaves four states
    from which the search goes on, and proofs that begin alike share them, and their tactic calls. An expansion is still
    one question to the policy. A candidate's tactics share its log-probability.

    It is for policies that propose whole proofs: a :class:`~leanebm.policy.PolicyClient` that is set to keep them
    (``whole_proofs``), or one of your own. With single tactics it is best-first search. Proof repair of the kind goes
    back to Baldur (First et al., 2023, https://arxiv.org/abs/2303.04910), which asks for another whole proof instead.
    """

    async def _run_tactics(
        self, progress: SearchProgress, expansion: Expansion, candidates: Sequence[Candidate]
    ) -> None:
        for candidate in candidates:
            if not await self._replay(progress, expansion, _tactics_of(candidate)):
                return
        expansion.close()

    async def _replay(self, progress: SearchProgress, expansion: Expansion, tactics: Sequence[Candidate]) -> bool:
        """Run tactics one after the other until one fails; whether the search may go on after that."""
        here = expansion
        for tactic in tactics:
            if (edge := _run_before(here.node, tactic)) is None:
                if not progress.meter.allows_tactic:
                    return False
                edge = await self._run_tactic(progress, here, tactic)
                if progress.certificate is not None:
                    return False
                if here is not expansion:
                    _hand_over(here, expansion)
            elif edge.kind in _LEADS_ON and edge.target is not None:
                # As this sample has it, the path may be likelier.
                expansion.rivals.append(Rival(progress.tree.nodes[edge.target], here.node, tactic))
            reached = None if edge.target is None else progress.tree.nodes[edge.target]
            if reached is None or not _can_go_on(reached, edge.kind):
                break
            here = Expansion(progress.tree, reached)
        return True


def _run_before(node: Node, tactic: Candidate) -> Edge | None:
    """What an earlier proof's same tactic led to here: proofs often begin alike, and Lean is asked once."""
    return next((edge for edge in node.edges if edge.tactic.strip() == tactic.tactic.strip()), None)


def _can_go_on(node: Node, kind: TacticFate) -> bool:
    """Whether Lean still has the state: it forgets one that was expanded."""
    return kind in _LEADS_ON and node.status is NodeStatus.OPEN


def _hand_over(found: Expansion, expansion: Expansion) -> None:
    """What a replay found further down is scored, queued and freed with the rest."""
    expansion.children += found.children
    expansion.rivals += found.rivals
    expansion.spent_states += found.spent_states


def _tactics_of(candidate: Candidate) -> list[Candidate]:
    parts = re.split(_NEXT_TACTIC, dedent(candidate.tactic).strip()) if "\n" in candidate.tactic else []
    tactics = [part for part in parts if not re.fullmatch(_COMMENT, part)]
    if len(tactics) < 2:
        return [candidate]
    return [attrs.evolve(candidate, tactic=tactic, log_prob=candidate.log_prob / len(tactics)) for tactic in tactics]
