"""Every connectivity score, with what a reader must know of it. Help, docs and report are made from these records."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from scperturb_cmap.scoring.cosine import cosine
from scperturb_cmap.scoring.extreme import xcor, xcos, xspe, xsum
from scperturb_cmap.scoring.ks import lamb_ks, rges
from scperturb_cmap.scoring.pearson import pearson
from scperturb_cmap.scoring.profiles import Profiles, Query
from scperturb_cmap.scoring.rro import rro
from scperturb_cmap.scoring.spearman import spearman
from scperturb_cmap.scoring.wtcs import wtcs, wtcs_down, wtcs_up
from scperturb_cmap.scoring.zhang import zhang, zhang_ordered

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
        "profile" (values of all genes both measure), "sets" (the query's most up and most down genes) or "ordered sets"
        (the same with their order, which a query that is a pair of gene sets does not have).
    minimum, maximum
        Strongest reversal and strongest mimicry.
    source
        Where it is from.
    function
        Scores of queries against reference signatures, shape (n_queries, n_signatures): positive mimics, negative reverses.
    weighs
        Whether a score of sets looks at the query's values of their genes, too.
    places
        Whether it is made of places in the drug's signature alone: where that is a gene set, nearly all genes share the last
        place, and their order would be that of the file.
    """

    name: str
    title: str
    needs: Literal["profile", "sets", "ordered sets"]
    minimum: float
    maximum: float
    source: str
    function: Callable[[Sequence[Query], Profiles], torch.Tensor]
    weighs: bool = False
    places: bool = False


_CHENG, _SAMART = "Cheng 2014, doi:10.1186/s13073-014-0095-1", "Samart 2021, doi:10.1093/bib/bbab161"
_LAMB, _CHEN = "Lamb 2006, doi:10.1126/science.1132939", "Chen 2017, doi:10.1038/ncomms16022"
_SUBRAMANIAN, _ZHANG = "Subramanian 2017, doi:10.1016/j.cell.2017.10.049", "Zhang 2008, doi:10.1186/1471-2105-9-258"

#: All scores, by name.
SCORES = {
    score.name: score
    for score in (
        Score("cosine", "cosine", "profile", -1, 1, "cosine of z clipped to +-10", cosine),
        Score("pearson", "Pearson correlation", "profile", -1, 1, "correlation of z clipped to +-10", pearson),
        Score("spearman", "Spearman correlation", "profile", -1, 1, "Spearman 1904, doi:10.2307/1412159", spearman),
        Score("wtcs", "weighted connectivity score", "sets", -1, 1, _SUBRAMANIAN, wtcs),
        Score("wtcs_up", "one-sided WTCS of the up genes", "sets", -1, 1, _SUBRAMANIAN, wtcs_up),
        Score("wtcs_down", "one-sided WTCS of the down genes", "sets", -1, 1, _SUBRAMANIAN, wtcs_down),
        Score("lamb_ks", "Lamb's raw KS score", "sets", -2, 2, _LAMB, lamb_ks, places=True),
        Score("rges", "reverse gene expression score", "sets", -2, 2, _CHEN, rges, places=True),
        Score("xsum", "extreme sum", "sets", -math.inf, math.inf, _CHENG, xsum),
        Score("xcos", "extreme cosine", "sets", -1, 1, _CHENG, xcos, True),
        Score("xcor", "extreme Pearson correlation", "sets", -1, 1, _SAMART, xcor, True),
        Score("xspe", "extreme Spearman correlation", "sets", -1, 1, _SAMART, xspe, True),
        Score("zhang", "Zhang score, unordered", "sets", -1, 1, _ZHANG, zhang),
        Score("zhang_ordered", "Zhang score, ordered", "ordered sets", -1, 1, _ZHANG, zhang_ordered, True),
        Score("rro", "reciprocal-rank overlap", "ordered sets", -1, 1, "this project, docs/methods.md", rro),
    )
}
