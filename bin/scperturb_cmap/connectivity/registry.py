"""Every connectivity score, with what a reader must know of it. Help, docs and report are made from these records."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from scperturb_cmap.connectivity.cosine import cosine
from scperturb_cmap.connectivity.profiles import Profiles, Query
from scperturb_cmap.connectivity.spearman import spearman
from scperturb_cmap.connectivity.wtcs import wtcs

__all__ = ["SCORES", "Score"]


@dataclass(frozen=True)
class Score:
    """One connectivity score.

    Parameters
    ----------
    name
        Name in parameters and columns.
    title
        Name for readers.
    needs
        "profile" (values of all genes both measure) or "sets" (the query's most up and most down genes).
    minimum, maximum
        Strongest reversal and strongest mimicry.
    source
        Where it is from.
    function
        Scores of one query against reference signatures: positive mimics, negative reverses.
    """

    name: str
    title: str
    needs: Literal["profile", "sets"]
    minimum: float
    maximum: float
    source: str
    function: Callable[[Query, Profiles], torch.Tensor]


#: All scores, by name.
SCORES = {
    score.name: score
    for score in (
        Score("cosine", "cosine", "profile", -1, 1, "cosine of z clipped to +-10", cosine),
        Score("spearman", "Spearman correlation", "profile", -1, 1, "Spearman 1904, doi:10.2307/1412159", spearman),
        Score(
            "wtcs",
            "weighted connectivity score",
            "sets",
            -1,
            1,
            "Subramanian 2017, doi:10.1016/j.cell.2017.10.049",
            wtcs,
        ),
    )
}
