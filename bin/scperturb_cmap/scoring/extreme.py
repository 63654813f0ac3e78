"""Scores over the genes a drug moves most: XSum, XCos, XCor and XSpe."""

import math
from collections.abc import Sequence

import torch

from scperturb_cmap.scoring.correlation import correlation
from scperturb_cmap.scoring.products import one_by_one
from scperturb_cmap.scoring.profiles import Profiles, Query, average_ranks

__all__ = ["xcor", "xcos", "xspe", "xsum"]


def xsum(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    r"""Sum of the drug's extreme values over the query's up genes less that over its down genes.

    .. math:: s = \sum_{g \in U \cap X} z_g - \sum_{g \in D \cap X} z_g

    X are the 5 % most up and the 5 % most down genes of a reference signature.

    Parameters
    ----------
    queries
        The disease signatures; their sets ``up`` and ``down`` are used.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), without bounds; negative = reversal.

    References
    ----------
    Cheng et al. 2014, doi:10.1186/s13073-014-0095-1.

    Examples
    --------
    Of these ten genes one at either end is extreme.

    >>> z = torch.tensor([[3, 2, 1, 0.5, 0.2, -0.1, -0.4, -0.9, -1.8, -2.75]])
    >>> query = Query(torch.arange(10), z[0].double(), up=torch.tensor([0, 2]), down=torch.tensor([8, 9]))
    >>> xsum([query], Profiles(z)).tolist()
    [[5.75]]
    """
    signs = torch.zeros(
        (len(queries), profiles.values.shape[1]), dtype=profiles.values.dtype, device=profiles.values.device
    )
    for row, query in zip(signs, queries, strict=True):
        row[query.up], row[query.down] = 1, -1
    return (signs @ profiles.extreme_values.T).double()


def xcos(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    """Cosine of the query's and the drug's values over the query's genes (up and down) that are extreme in the drug.

    Parameters
    ----------
    queries
        The disease signatures; for gene sets their values are 1 and -1.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -1 (reversal) and 1 (mimic); NaN where no gene of the query
    is extreme.

    References
    ----------
    Cheng et al. 2014, doi:10.1186/s13073-014-0095-1.

    Examples
    --------
    >>> z = torch.tensor([[3, 2, 1, 0.5, 0.2, -0.1, -0.4, -0.9, -1.8, -2.7]])
    >>> query = Query(torch.arange(10), -z[0].double(), up=torch.tensor([8, 9]), down=torch.tensor([0, 1]))
    >>> round(xcos([query], Profiles(z)).item(), 6)
    -1.0
    """
    return one_by_one(_xcos, queries, profiles)


def xcor(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    """Pearson's correlation over the genes of :func:`xcos`.

    Parameters
    ----------
    queries
        The disease signatures; for gene sets their values are 1 and -1.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -1 (reversal) and 1 (mimic); NaN where fewer than two different
    values are left on either side.

    References
    ----------
    Samart et al. 2021, doi:10.1093/bib/bbab161.
    """
    return one_by_one(_xcor, queries, profiles)


def xspe(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    """Spearman's correlation over the genes of :func:`xcos`; tied genes share their mean rank.

    Parameters
    ----------
    queries
        The disease signatures; for gene sets their values are 1 and -1.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -1 (reversal) and 1 (mimic); NaN as for :func:`xcor`.

    References
    ----------
    Samart et al. 2021, doi:10.1093/bib/bbab161.
    """
    return one_by_one(_xspe, queries, profiles)


def _xcos(query: Query, profiles: Profiles) -> torch.Tensor:
    x, z, chosen = _extreme(query, profiles)
    x, z = x * chosen, z * chosen
    return (x * z).sum(dim=1) / (x.norm(dim=1) * z.norm(dim=1))


def _xcor(query: Query, profiles: Profiles) -> torch.Tensor:
    return correlation(*_extreme(query, profiles))


def _xspe(query: Query, profiles: Profiles) -> torch.Tensor:
    x, z, chosen = _extreme(query, profiles)
    # What is not chosen stands behind everything else, so the ranks of the chosen are those among themselves.
    x, z = (average_ranks(torch.where(chosen, values, math.inf)) for values in (x.expand(z.shape), z))
    return correlation(torch.where(chosen, x, 0), torch.where(chosen, z, 0), chosen)


def _extreme(query: Query, profiles: Profiles) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Values of query and drugs for the genes of up + down, and which of them are extreme in the drug."""
    tags = torch.cat([query.up, query.down])
    x = torch.zeros(profiles.values.shape[1], dtype=torch.float64, device=tags.device)
    x[query.genes] = query.values
    return x[tags][None], profiles.values[:, tags].double(), profiles.extreme[:, tags]
