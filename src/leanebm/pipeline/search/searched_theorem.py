"""How one theorem of a run ended, and the run's figures so far."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import final

import attrs

from leanebm._shown import counted, fitting_repr, one_line
from leanebm.core import Certificate, Node, SearchOutcome, SearchResult, Theorem
from leanebm.errors import StatementError, what_it_says
from leanebm.pipeline.events import Stage
from leanebm.search import SearchProgress


@attrs.frozen(kw_only=True)
class SearchedTheorem:
    """A theorem that a run is done with: the item of its stage ``searching``."""

    theorem: Theorem
    result: SearchResult | None = None
    """What the search found, which is on the disk; ``None`` if Lean refused the statement."""

    proof: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """The certified proof's file, if there is one."""

    error: StatementError | None = attrs.field(default=None, eq=what_it_says)
    """Why Lean refused the statement, if it did."""

    __repr__ = fitting_repr

    @property
    def is_trouble(self) -> bool:
        """Whether Lean refused the statement."""
        return self.error is not None

    @property
    def line(self) -> str:
        """How it ended, on one line."""
        if self.result is None:
            return f"not a theorem  {self.theorem.name}: {one_line(str(self.error), 400)}"
        result = self.result
        numbers = f"{result.statistics.nodes:>4} nodes {result.statistics.wall_s:>6.1f} s"
        line = f"{result.outcome.value:<14} {self.theorem.name:<32} {numbers}"
        if result.certificate is not None:
            return f"{line}  {_proof(result.certificate)}"
        return f"{line}  {one_line(str(result.error), 400)}" if result.error is not None else line


@final
@attrs.define(kw_only=True)
class SearchTally:
    """Counts what a run's searches find, and reports it to their stage; it is their observer."""

    stage: Stage
    total: int
    """Theorems to search now."""

    clock: Callable[[], float] = time.monotonic
    _started_s: float = attrs.field(init=False, default=attrs.Factory(lambda self: self.clock(), takes_self=True))
    _outcomes: Counter[SearchOutcome] = attrs.field(init=False, factory=Counter)
    _refused: int = attrs.field(init=False, default=0)
    _newest: SearchedTheorem | None = attrs.field(init=False, default=None)
    _nodes: int = attrs.field(init=False, default=0)
    _tactic_calls: int = attrs.field(init=False, default=0)
    running: dict[str, SearchProgress] = attrs.field(init=False, factory=dict)
    """Searches that have expanded a node and are not on the disk yet, by their theorems' names."""

    def on_expansion(self, progress: SearchProgress, node: Node) -> None:  # noqa: ARG002 - no figure depends on it
        """Take note of how far one theorem's search is."""
        self.running[progress.theorem.name] = progress
        self._report(None)

    def ended(self, searched: SearchedTheorem) -> None:
        """Take note of a theorem that needs no more work."""
        self.running.pop(searched.theorem.name, None)
        if searched.result is None:
            self._refused += 1
        else:
            self._outcomes[searched.result.outcome] += 1
            self._nodes += searched.result.statistics.nodes
            self._tactic_calls += searched.result.statistics.tactic_calls
            self._newest = searched if searched.result.certificate is not None else self._newest
        self._report(searched)

    def dropped(self, theorem: Theorem) -> None:
        """Take note of a search that was given up, and says nothing."""
        self.running.pop(theorem.name, None)

    def _report(self, item: SearchedTheorem | None) -> None:
        done = self._outcomes.total() + self._refused
        self.stage.progressed(done=done, total=self.total, counts=self._counts(), item=item)

    def _counts(self) -> str:
        proved, lost = self._outcomes[SearchOutcome.PROVED], self._outcomes[SearchOutcome.INFRASTRUCTURE]
        ended = f"proved {proved} · not proved {self._outcomes.total() - proved - lost}"
        broken = f" · lost {lost}" if lost else ""
        nodes = self._nodes + sum(len(search.tree.nodes) for search in self.running.values())
        calls = self._tactic_calls + sum(search.meter.tactic_calls for search in self.running.values())
        elapsed_s = self.clock() - self._started_s
        rate = f" · {calls / elapsed_s:.0f} calls/s" if elapsed_s > 0.0 else ""
        work = f"{counted(nodes, 'node')} · {counted(calls, 'tactic call')}{rate}"
        return f"{ended}{broken} · {work}{self._newest_proof()}"

    def _newest_proof(self) -> str:
        result = self._newest.result if self._newest is not None else None
        if result is None or result.certificate is None:
            return ""
        return f"\nnewest proof: {result.theorem.name} by {_proof(result.certificate)}"


def _proof(certificate: Certificate) -> str:
    return one_line("; ".join(certificate.tactics))
