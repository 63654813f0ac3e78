"""Overlap of the strongest genes of query and drug, weighted by reciprocal ranks."""

from collections.abc import Sequence

import torch

from scperturb_cmap.scoring.products import one_by_one
from scperturb_cmap.scoring.profiles import Profiles, Query

__all__ = ["rro"]


def rro(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    r"""Reciprocal-rank overlap: genes at the top of both lists count most.

    .. math:: s = \frac{O(U, top) + O(D, bottom) - O(U, bottom) - O(D, top)}{\sum_{i=1}^{|U|} i^{-2} + \sum_{i=1}^{|D|} i^{-2}},
        \quad O(S, end) = \sum_{g \in S \cap end} \frac{1}{r_g^S \, r_g^{end}}

    Ranks begin with 1 for the strongest: in the query's set, and from the drug's top or bottom, of which as many genes are
    taken as the set has, none with a value of 0. Identical lists score 1. This project's own definition; the weights are those
    of reciprocal rank fusion (Cormack et al. 2009, doi:10.1145/1571941.1572114) without its constant.

    Parameters
    ----------
    queries
        The disease signatures; their sets ``up`` and ``down``, strongest first, are used.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -1 (reversal) and 1 (mimic).

    Examples
    --------
    >>> z = torch.tensor([[3.0, 2, 1, -1, -2, -3], [-3, -2, -1, 1, 2, 3]])
    >>> query = Query(torch.arange(6), z[0].double(), torch.tensor([0, 1]), torch.tensor([5, 4]))
    >>> rro([query], Profiles(z))[0].tolist()
    [1.0, -1.0]
    """
    return one_by_one(_rro, queries, profiles)


def _rro(query: Query, profiles: Profiles) -> torch.Tensor:
    n_genes = profiles.values.shape[1]
    score, most = torch.zeros(len(profiles.values), dtype=torch.float64, device=profiles.values.device), 0.0
    for tags, sign in ((query.up, 1), (query.down, -1)):
        inverse = 1 / torch.arange(1, len(tags) + 1, dtype=torch.float64, device=score.device)
        top = profiles.ranks[:, tags].double() + 1
        bottom = n_genes + 1 - top
        moved = profiles.values[:, tags] != 0
        end = sum(
            way * torch.where(moved & (place <= len(tags)), 1 / place, 0) for place, way in ((top, 1), (bottom, -1))
        )
        score, most = score + sign * (end @ inverse), most + (inverse @ inverse).item()
    return score / most
