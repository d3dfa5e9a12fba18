"""What an energy head is trained to make small: pure functions of energies, all with masks and weights.

Shapes: ``B`` groups, ``K`` negatives of a group, ``P`` pairs or states.
"""

from leanebm.energy.losses.bradley_terry import bradley_terry
from leanebm.energy.losses.centring import centring
from leanebm.energy.losses.contrastive_loss import ContrastiveLoss
from leanebm.energy.losses.depth_readout import DepthReadout
from leanebm.energy.losses.info_nce import info_nce
from leanebm.energy.losses.listwise import listwise
from leanebm.energy.losses.margin import margin
from leanebm.energy.losses.path_order import path_order
from leanebm.energy.losses.remaining_depth import remaining_depth

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
