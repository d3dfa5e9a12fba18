"""What each figure means, what chance gets and what to hope for: one place for reports, docs and alarms."""

from __future__ import annotations

import attrs

from leanebm._shown import fitting_repr

__all__ = ["METRICS", "MetricInfo"]


@attrs.frozen(kw_only=True)
class MetricInfo:
    """A figure, explained."""

    name: str
    """Its key in ``diagnosis.json``."""

    label: str
    meaning: str
    chance: str = ""
    """What a head that knows nothing gets; the name of another figure if that has to be measured."""

    target: str = ""
    is_percentage: bool = False
    is_count: bool = False

    __repr__ = fitting_repr


METRICS: tuple[MetricInfo, ...] = (
    MetricInfo(
        name="pairwise_sibling",
        label="Sibling pairwise accuracy",
        meaning="The step that leads on has the lower energy of it and a sibling. The headline figure.",
        chance="0.500",
        target="≥ 0.80 (7B encoder), ≥ 0.72 (small)",
    ),
    MetricInfo(
        name="twin_pairwise",
        label="Shuffled twin",
        meaning="The same, by a twin trained on shuffled labels. Above chance, something leaks.",
        chance="0.500",
        target="0.48 to 0.52",
    ),
    MetricInfo(
        name="rank1_sibling",
        label="Rank 1 among siblings",
        meaning="The step that leads on comes first of all its siblings.",
        chance="rank1_random",
        target="≥ 1.5 × random",
    ),
    MetricInfo(
        name="rank1_random",
        label="Rank 1 by chance",
        meaning="A random order, given how many siblings there are.",
    ),
    MetricInfo(
        name="rank1_energy_where_policy",
        label="Rank 1, where the policy knew the step",
        meaning="The same, over decision points at which the policy proposed the right step.",
        chance="rank1_random",
    ),
    MetricInfo(
        name="rank1_policy",
        label="Rank 1 by the policy",
        meaning="The same decision points, ranked by log-probability alone.",
        chance="rank1_random",
    ),
    MetricInfo(
        name="rank1_sum",
        label="Rank 1 by policy and energy",
        meaning="The same decision points, ranked as the search will rank them.",
        chance="rank1_random",
        target="≥ policy + 0.05",
    ),
    MetricInfo(name="mrr", label="Mean reciprocal rank", meaning="1 if the step that leads on always comes first."),
    MetricInfo(
        name="auc_frontier",
        label="Frontier AUC",
        meaning="Of all nodes that stand open, the one on the path comes before one off it.",
        chance="0.500",
        target="≥ 0.80",
    ),
    MetricInfo(
        name="auc_frontier_policy",
        label="Frontier AUC by the policy",
        meaning="The same, by length-normalised log-probability. Searches that followed it leave it the hard cases.",
        chance="0.500",
    ),
    MetricInfo(
        name="auc_frontier_sum",
        label="Frontier AUC by policy and energy",
        meaning="The same, at the fitted weight β.",
        chance="0.500",
        target="above the policy's",
    ),
    MetricInfo(
        name="auc_frontier_length",
        label="Frontier AUC by length",
        meaning="The same, by outward size and depth, on theorems they were not fitted on.",
        chance="0.500",
    ),
    MetricInfo(
        name="energy_gap",
        label="Energy gap d′",
        meaning="Distance of siblings off the path from the one on it, in standard deviations.",
        chance="0.000",
        target="≥ 1.2",
    ),
    MetricInfo(
        name="pairwise_same_theorem",
        label="Pairwise, same theorem",
        meaning="Against negatives of the theorem's other decision points.",
        chance="0.500",
    ),
    MetricInfo(
        name="pairwise_cross_theorem",
        label="Pairwise, other theorems",
        meaning="Against other theorems' negatives. Easy: high here and low among siblings is of no use to a search.",
        chance="0.500",
    ),
    MetricInfo(
        name="auc_length_only",
        label="Length alone",
        meaning="Sibling pairwise accuracy of characters, goals and hypotheses, held out.",
        chance="0.500",
        target="≤ head − 0.10",
    ),
    MetricInfo(
        name="auc_within_len_decile",
        label="Pairwise at equal length",
        meaning="Sibling pairwise accuracy over pairs of about the same length.",
        chance="0.500",
    ),
    MetricInfo(
        name="spearman_remaining",
        label="Spearman with remaining depth",
        meaning="Energy falls as a proof nears its end.",
        chance="0.000",
        target="≥ 0.5",
    ),
    MetricInfo(
        name="ece15", label="Calibration error", meaning="ECE in 15 bins, Platt-scaled, held out.", target="≤ 0.05"
    ),
    MetricInfo(
        name="brier_skill",
        label="Brier skill",
        meaning="Share of the base rate's squared error that the energy takes away.",
        chance="0.000",
        target="> 0",
    ),
    MetricInfo(
        name="brier", label="Brier score", meaning="Mean squared error of the chance; depends on the base rate."
    ),
    MetricInfo(
        name="e_std", label="Spread of energies", meaning="Standard deviation, in the head's unit.", target="≥ 0.1"
    ),
    MetricInfo(name="e_pos_mean", label="Mean energy on the path", meaning="In the head's unit."),
    MetricInfo(name="e_neg_mean", label="Mean energy off the path", meaning="In the head's unit."),
    MetricInfo(
        name="active_margin_frac",
        label="Pairs still close",
        meaning="Share of sibling pairs less than one standard unit apart.",
        target="20 to 50 %",
        is_percentage=True,
    ),
    MetricInfo(
        name="queue_std_ratio",
        label="Spread ratio in live queues",
        meaning="Spread of the energy over the policy's, each in the units in use.",
        target="0.3 to 3",
    ),
    MetricInfo(
        name="dual_label_rate",
        label="Contradictory labels",
        meaning="Share of states that are both on and off the path of one theorem.",
        target="< 0.5 %",
        is_percentage=True,
    ),
    MetricInfo(
        name="fn_audit_rate",
        label="Provable negatives",
        meaning="Share of audited negatives that turned out provable.",
        target="< 8 %",
        is_percentage=True,
    ),
    MetricInfo(
        name="zero_emb", label="Zero embeddings", meaning="Vectors that are zero throughout.", target="0", is_count=True
    ),
    MetricInfo(
        name="non_finite_emb",
        label="Non-finite embeddings",
        meaning="Vectors with a nan or infinity.",
        target="0",
        is_count=True,
    ),
    MetricInfo(
        name="duplicate_emb",
        label="Duplicate embeddings",
        meaning="Share of vectors equal to another text's.",
        target="< 1 %",
        is_percentage=True,
    ),
    MetricInfo(
        name="effective_rank",
        label="Effective rank",
        meaning="How many directions the embeddings use, from 1 to their width.",
    ),
    MetricInfo(
        name="participation_ratio",
        label="Participation ratio",
        meaning="The same, less swayed by many faint directions.",
    ),
    MetricInfo(
        name="norm_spread", label="Spread of lengths", meaning="Of the embeddings, relative to their mean length."
    ),
    MetricInfo(
        name="emb_cosine_probe",
        label="Re-encoding cosine",
        meaning="The lowest cosine between a stored embedding and the same state's, encoded again.",
        target="≥ 0.999",
    ),
    MetricInfo(
        name="sn_shortfall_max",
        label="σ shortfall",
        meaning="By how much training's estimate of a layer's norm falls short at most.",
        target="≤ 15 %",
        is_percentage=True,
    ),
    MetricInfo(name="log_scale", label="Log scale", meaning="Logarithm of the head's scale, clamped to [−3, 5]."),
    MetricInfo(
        name="skipped_steps",
        label="Skipped steps",
        meaning="Steps whose loss or gradient was not finite.",
        target="0",
        is_count=True,
    ),
    MetricInfo(
        name="train_pairwise",
        label="Sibling pairwise, training",
        meaning="On the theorems it was trained on. Far above the held-out figure, it has memorised.",
        chance="0.500",
    ),
    MetricInfo(
        name="previous_pairwise",
        label="Sibling pairwise, head before",
        meaning="Of the head that this one would replace.",
        chance="0.500",
    ),
)
"""All figures that a report shows, the most telling first."""
