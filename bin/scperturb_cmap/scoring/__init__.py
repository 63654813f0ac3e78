"""Connectivity scores: how alike a disease signature and a drug's signature are. One score per file.

Positive = the drug mimics the disease, negative = it reverses it, for every score.
"""

from scperturb_cmap.scoring.engine import Scored, score_blocks, score_signatures
from scperturb_cmap.scoring.profiles import choose_device
from scperturb_cmap.scoring.registry import SCORES, Score

__all__ = ["SCORES", "Score", "Scored", "choose_device", "score_blocks", "score_signatures"]
