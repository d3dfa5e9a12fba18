"""Every figure at once, under the names that reports, alarms and checkpoints know them by."""

from __future__ import annotations

import numpy as np

from leanebm.energy.checkpoint_header import Calibration
from leanebm.energy.diagnostics.estimate import Estimate, Floats, macro_mean
from leanebm.energy.diagnostics.frontier_set import FrontierSet
from leanebm.energy.diagnostics.length_leak import frontier_auc_length_only, pairwise_length_only, pairwise_same_length
from leanebm.energy.diagnostics.probability import (
    DEPTH_BUCKETS,
    ReliabilityBin,
    brier_skill,
    depth_bucket,
    expected_calibration_error,
    held_out_probabilities,
    reliability,
)
from leanebm.energy.diagnostics.separation import (
    active_margin_fraction,
    cross_theorem_pairwise,
    energy_gap,
    energy_spread,
    same_theorem_pairwise,
    spearman_remaining,
)
from leanebm.energy.diagnostics.sibling_set import SiblingSet
from leanebm.energy.diagnostics.siblings import sibling_mrr, sibling_pairwise, sibling_rank1, sibling_rank1_random

__all__ = ["measure_frontiers", "measure_probabilities", "measure_siblings", "queue_std_ratio"]


def measure_siblings(siblings: SiblingSet, calibration: Calibration) -> dict[str, Estimate]:
    """What can be said from decision points alone."""
    energies = siblings.positive_energy, siblings.negative_energy, siblings.mask, siblings.theorem
    return {
        "pairwise_sibling": sibling_pairwise(*energies),
        "rank1_sibling": sibling_rank1(*energies),
        "rank1_random": sibling_rank1_random(siblings.mask, siblings.theorem),
        "mrr": sibling_mrr(*energies),
        **_against_policy(siblings, calibration),
        "pairwise_same_theorem": same_theorem_pairwise(siblings),
        "pairwise_cross_theorem": cross_theorem_pairwise(siblings),
        "energy_gap": energy_gap(siblings),
        "e_std": energy_spread(siblings),
        "e_pos_mean": Estimate.plain(_mean(siblings.positive_energy), len(siblings)),
        "e_neg_mean": Estimate.plain(_mean(siblings.negative_energy[siblings.mask]), int(siblings.mask.sum())),
        "active_margin_frac": active_margin_fraction(siblings, calibration.energy_sd),
        "spearman_remaining": spearman_remaining(siblings),
        "auc_length_only": pairwise_length_only(siblings),
        "auc_within_len_decile": pairwise_same_length(siblings),
    }


def measure_frontiers(frontiers: FrontierSet, calibration: Calibration) -> dict[str, Estimate]:
    """How well live queues are ordered: by the energy, by the policy, by both together, and by length."""
    policy = frontiers.policy_term(calibration.alpha) / calibration.policy_sd
    energy = (frontiers.energy - calibration.energy_mean) / calibration.energy_sd

    def auc(score: Floats) -> Estimate:
        return macro_mean(frontiers.path_accuracy(score), frontiers.theorem)

    return {
        "auc_frontier": auc(energy),
        "auc_frontier_policy": auc(-policy),
        "auc_frontier_sum": auc(calibration.beta * energy - policy),
        "auc_frontier_length": frontier_auc_length_only(frontiers),
    }


def measure_probabilities(
    queues: FrontierSet, calibration: Calibration
) -> tuple[dict[str, Estimate], tuple[ReliabilityBin, ...]]:
    """How well energies can be read as chances, on theorems that the reading was not fitted on."""
    energy = (queues.energy - calibration.energy_mean) / calibration.energy_sd
    chance, weight, label = held_out_probabilities(queues, energy), queues.node_weight, queues.is_on_path
    bins = reliability(chance, label, weight)
    brier, skill = brier_skill(chance, label, weight)
    figures = {"ece15": expected_calibration_error(bins), "brier": brier, "brier_skill": skill}
    bucket = depth_bucket(queues.depth)
    for index, name in enumerate(DEPTH_BUCKETS):
        here = bucket == index
        if here.any():
            own = reliability(chance[here], label[here], weight[here])
            figures[f"ece_depth_{name}"] = expected_calibration_error(own)
    return figures, bins


def queue_std_ratio(frontiers: FrontierSet, calibration: Calibration) -> Estimate:
    """Spread of the energy over that of the policy term in live queues, each in the units that the search used.

    1 on what the units were fitted on. Far from it, the units belong to another encoder, policy or set of
    theorems, and the weight ``beta`` no longer means what it meant.
    """
    energy = frontiers.spread(frontiers.energy) / calibration.energy_sd
    policy = frontiers.spread(frontiers.policy_term(calibration.alpha)) / calibration.policy_sd
    return Estimate.plain(energy / policy if policy > 0 else float("nan"), len(frontiers))


def _against_policy(siblings: SiblingSet, calibration: Calibration) -> dict[str, Estimate]:
    """Rank-1 of energy, policy and both, where the policy proposed the on-path tactic, so that all three compare."""
    known = siblings.take(np.flatnonzero(np.isfinite(siblings.positive_log_prob) & siblings.mask.any(axis=1)))
    if not len(known):
        return {}
    length = np.maximum(known.depth + 1, 1) ** calibration.alpha * calibration.policy_sd
    policy = -known.positive_log_prob / length, -known.negative_log_prob / length[:, None]
    energy = known.positive_energy / calibration.energy_sd, known.negative_energy / calibration.energy_sd
    total = calibration.beta * energy[0] + policy[0], calibration.beta * energy[1] + policy[1]
    return {
        "rank1_policy": sibling_rank1(*policy, known.mask, known.theorem),
        "rank1_energy_where_policy": sibling_rank1(*energy, known.mask, known.theorem),
        "rank1_sum": sibling_rank1(*total, known.mask, known.theorem),
    }


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("nan")
