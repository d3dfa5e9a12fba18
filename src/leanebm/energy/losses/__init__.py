"""What an energy head is trained to make small: pure functions of energies, all with masks and weights.

Shapes: ``B`` groups, ``K`` negatives of a group, ``P`` pairs or states.
"""

from leanebm.energy.losses.auxiliary import DepthReadout, centring, path_order, remaining_depth
from leanebm.energy.losses.ranking import ContrastiveLoss, bradley_terry, info_nce, listwise, margin

__all__ = [
    "ContrastiveLoss",
    "DepthReadout",
    "bradley_terry",
    "centring",
    "info_nce",
    "listwise",
    "margin",
    "path_order",
    "remaining_depth",
]
