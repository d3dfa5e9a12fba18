"""A search's result as the rows of a trajectory: the place where both vocabularies are known."""

from __future__ import annotations

from leanebm.search import Edge, Node, SearchResult
from leanebm.storage import RunInfo
from leanebm.trajectory import Attempt, TheoremRecord, TrajectoryRow

__all__ = ["record_of", "rows_of"]


def record_of(result: SearchResult, run: RunInfo, *, started_unix_s: float) -> TheoremRecord:
    """One theorem's search, summed up."""
    statistics, error = result.statistics, result.error
    return TheoremRecord(
        theorem=result.theorem,
        run_id=run.run_id,
        outcome=result.outcome.value,
        certificate=result.certificate,
        rejections=result.rejections,
        error_kind=type(error).__name__ if error is not None else None,
        error=str(error) if error is not None else None,
        started_unix_s=started_unix_s,
        nodes=statistics.nodes,
        expansions=statistics.expansions,
        tactic_calls=statistics.tactic_calls,
        wall_s=statistics.wall_s,
        policy_s=statistics.policy_s,
        lean_s=statistics.lean_s,
        score_s=statistics.score_s,
        certify_s=statistics.certify_s,
    )


def rows_of(result: SearchResult, run: RunInfo, *, started_unix_s: float) -> list[TrajectoryRow]:
    """One row a node, in order of discovery."""
    proof = result.proof
    remaining_depths = {node.index: len(proof) - 1 - position for position, node in enumerate(proof)}
    return [
        _row(node, result, run, started_unix_s=started_unix_s, remaining_depth=remaining_depths.get(node.index, -1))
        for node in result.nodes
    ]


def _row(
    node: Node, result: SearchResult, run: RunInfo, *, started_unix_s: float, remaining_depth: int
) -> TrajectoryRow:
    return TrajectoryRow(
        run_id=run.run_id,
        theorem=result.theorem.name,
        statement=result.theorem.display,
        outcome=result.outcome.value,
        node=node.index,
        parent=node.parent.index if node.parent is not None else -1,
        state_key=node.state.key,
        state_text=node.state.text,
        num_goals=len(node.state.goals),
        tactic=node.tactic,
        log_prob=node.log_prob,
        path_log_prob=node.path_log_prob,
        priority=node.priority,
        energy=node.energy,
        depth=node.depth,
        remaining_depth=remaining_depth,
        on_proof_path=remaining_depth >= 0,
        status=node.status.value,
        expansion=node.expansion if node.expansion is not None else -1,
        attempts=tuple(_attempt(edge) for edge in node.edges),
        started_unix_s=started_unix_s,
        found_s=node.found_s,
        tactic_s=node.tactic_s,
        worker_epoch=node.state.ref.epoch,
        backend=run.backend,
        seed=run.seed,
    )


def _attempt(edge: Edge) -> Attempt:
    return Attempt(
        tactic=edge.tactic,
        log_prob=edge.log_prob,
        kind=edge.kind.value,
        target=edge.target if edge.target is not None else -1,
        message=edge.message,
        elapsed_s=edge.elapsed_s,
    )
