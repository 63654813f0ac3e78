"""Scores made of the Kolmogorov-Smirnov statistic of unweighted gene sets: Lamb's and RGES."""

from collections.abc import Sequence

import torch

from scperturb_cmap.scoring.products import one_by_one
from scperturb_cmap.scoring.profiles import Profiles, Query
from scperturb_cmap.scoring.rank_index import TIE

__all__ = ["ks_statistic", "lamb_ks", "rges"]


def ks_statistic(tags: torch.Tensor, profiles: Profiles) -> torch.Tensor:
    r"""Where a set of genes stands in each signature: towards the top (positive) or the bottom (negative).

    With V(1..t) the ascending ranks (from 1) of the set's t genes among N:

    .. math:: a = \max_j (j/t - V_j/N), \quad b = \max_j (V_j/N - (j-1)/t), \quad ks = a \text{ if } a > b \text{ else } -b

    Parameters
    ----------
    tags
        Positions of the set's genes, shape (t,).
    profiles
        The reference signatures; each is ranked over all of its genes.

    Returns
    -------
    float64, shape (n_signatures,), between -1 and 1; 0 for an empty set.

    Examples
    --------
    The vector of docs/methods.md: U = {g1, g3}, D = {g9, g10}.

    >>> z = torch.tensor([[3, 2, 1, 0.5, 0.2, -0.1, -0.4, -0.9, -1.8, -2.7]])
    >>> [round(ks_statistic(torch.tensor(tags), Profiles(z)).item(), 9) for tags in ([0, 2], [8, 9])]
    [0.7, -0.9]
    """
    n_signatures, n_genes = profiles.values.shape
    t = len(tags)
    if not t:
        return torch.zeros(n_signatures, dtype=torch.float64, device=profiles.values.device)
    place = (profiles.ranks[:, tags].sort(dim=1).values + 1).double() / n_genes
    steps = torch.arange(t, dtype=torch.float64, device=place.device) / t
    a = (steps + 1 / t - place).max(dim=1).values
    b = (place - steps).max(dim=1).values
    return torch.where(a > b + TIE, a, -b)


def rges(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    """Reverse gene expression score: :func:`ks_statistic` of the up genes less that of the down genes.

    Parameters
    ----------
    queries
        The disease signatures; their sets ``up`` and ``down`` are used.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -2 (reversal) and 2 (mimic).

    References
    ----------
    Chen et al. 2017, doi:10.1038/ncomms16022.

    Examples
    --------
    >>> z = torch.tensor([[3, 2, 1, 0.5, 0.2, -0.1, -0.4, -0.9, -1.8, -2.7]])
    >>> query = Query(torch.arange(10), z[0].double(), up=torch.tensor([0, 2]), down=torch.tensor([8, 9]))
    >>> round(rges([query], Profiles(z)).item(), 9)
    1.6
    """
    return one_by_one(
        lambda query, them: ks_statistic(query.up, them) - ks_statistic(query.down, them), queries, profiles
    )


def lamb_ks(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    """Score of the first Connectivity Map: as :func:`rges`, but 0 where both sets stand on the same side.

    The raw score: the published one is divided by the largest of the query's scores, and so cannot be compared between queries.

    Parameters
    ----------
    queries
        The disease signatures; their sets ``up`` and ``down`` are used.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -2 (reversal) and 2 (mimic).

    References
    ----------
    Lamb et al. 2006, doi:10.1126/science.1132939.

    Examples
    --------
    >>> z = torch.tensor([[3, 2, 1, 0.5, 0.2, -0.1, -0.4, -0.9, -1.8, -2.7]])
    >>> query = Query(torch.arange(10), z[0].double(), up=torch.tensor([0, 2]), down=torch.tensor([8, 9]))
    >>> round(lamb_ks([query], Profiles(z)).item(), 9)
    1.6
    """
    return one_by_one(_lamb_ks, queries, profiles)


def _lamb_ks(query: Query, profiles: Profiles) -> torch.Tensor:
    up, down = ks_statistic(query.up, profiles), ks_statistic(query.down, profiles)
    return torch.where(up.sign() != down.sign(), up - down, torch.zeros_like(up))
