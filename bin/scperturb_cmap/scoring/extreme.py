"""Scores over the genes a drug moves most: XSum, XCos, XCor and XSpe."""

import math

import torch

from scperturb_cmap.scoring.correlation import correlation
from scperturb_cmap.scoring.profiles import Profiles, Query, average_ranks

__all__ = ["EXTREME", "xcor", "xcos", "xspe", "xsum"]

#: Fraction of a signature's genes at either end that count as extreme: Cheng's 500 of some 12,000. A fixed number would
#: take in nearly all of 978 landmarks.
EXTREME = 0.05


def xsum(query: Query, profiles: Profiles) -> torch.Tensor:
    r"""Sum of the drug's extreme values over the query's up genes less that over its down genes.

    .. math:: s = \sum_{g \in U \cap X} z_g - \sum_{g \in D \cap X} z_g

    X are the 5 % most up and the 5 % most down genes of a reference signature.

    Parameters
    ----------
    query
        The disease signature; its sets ``up`` and ``down`` are used.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_signatures,), without bounds; negative = reversal.

    References
    ----------
    Cheng et al. 2014, doi:10.1186/s13073-014-0095-1.

    Examples
    --------
    Of these ten genes one at either end is extreme.

    >>> z = torch.tensor([[3, 2, 1, 0.5, 0.2, -0.1, -0.4, -0.9, -1.8, -2.75]])
    >>> query = Query(torch.arange(10), z[0].double(), up=torch.tensor([0, 2]), down=torch.tensor([8, 9]))
    >>> xsum(query, Profiles(z)).tolist()
    [5.75]
    """
    genes, x, z, chosen = _extreme(query, profiles)
    return (torch.where(genes < len(query.up), z, -z) * chosen).sum(dim=1)


def xcos(query: Query, profiles: Profiles) -> torch.Tensor:
    """Cosine of the query's and the drug's values over the query's genes (up and down) that are extreme in the drug.

    Parameters
    ----------
    query
        The disease signature; for gene sets its values are 1 and -1.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_signatures,), between -1 (reversal) and 1 (mimic); NaN where no gene of the query is extreme.

    References
    ----------
    Cheng et al. 2014, doi:10.1186/s13073-014-0095-1.

    Examples
    --------
    >>> z = torch.tensor([[3, 2, 1, 0.5, 0.2, -0.1, -0.4, -0.9, -1.8, -2.7]])
    >>> query = Query(torch.arange(10), -z[0].double(), up=torch.tensor([8, 9]), down=torch.tensor([0, 1]))
    >>> round(xcos(query, Profiles(z)).item(), 9)
    -1.0
    """
    _, x, z, chosen = _extreme(query, profiles)
    x, z = x * chosen, z * chosen
    return (x * z).sum(dim=1) / (x.norm(dim=1) * z.norm(dim=1))


def xcor(query: Query, profiles: Profiles) -> torch.Tensor:
    """Pearson's correlation over the genes of :func:`xcos`.

    Parameters
    ----------
    query
        The disease signature; for gene sets its values are 1 and -1.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_signatures,), between -1 (reversal) and 1 (mimic); NaN where fewer than two different values
    are left on either side.

    References
    ----------
    Samart et al. 2021, doi:10.1093/bib/bbab161.
    """
    _, x, z, chosen = _extreme(query, profiles)
    return correlation(x, z, chosen)


def xspe(query: Query, profiles: Profiles) -> torch.Tensor:
    """Spearman's correlation over the genes of :func:`xcos`; tied genes share their mean rank.

    Parameters
    ----------
    query
        The disease signature; for gene sets its values are 1 and -1.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_signatures,), between -1 (reversal) and 1 (mimic); NaN as for :func:`xcor`.

    References
    ----------
    Samart et al. 2021, doi:10.1093/bib/bbab161.
    """
    _, x, z, chosen = _extreme(query, profiles)
    # What is not chosen stands behind everything else, so the ranks of the chosen are those among themselves.
    x, z = (average_ranks(torch.where(chosen, values, math.inf)) for values in (x.expand(z.shape), z))
    return correlation(torch.where(chosen, x, 0), torch.where(chosen, z, 0), chosen)


def _extreme(query: Query, profiles: Profiles) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Places in up + down, the query's values, the drugs' values, and which of them are extreme in the drug."""
    tags = torch.cat([query.up, query.down])
    n_genes = profiles.values.shape[1]
    n_extreme = max(round(EXTREME * n_genes), 1)
    ranks = profiles.ranks[:, tags]
    chosen = (ranks < n_extreme) | (ranks >= n_genes - n_extreme)
    x = torch.zeros(n_genes, dtype=torch.float64, device=tags.device)
    x[query.genes] = query.values
    return torch.arange(len(tags), device=tags.device), x[tags][None], profiles.values[:, tags].double(), chosen
