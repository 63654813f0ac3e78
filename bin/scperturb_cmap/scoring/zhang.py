"""Zhang and Gant's connection score."""

from collections.abc import Sequence

import torch

from scperturb_cmap.scoring.profiles import Profiles, Query

__all__ = ["zhang", "zhang_ordered"]


def zhang(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    r"""Connection score of unordered gene sets.

    .. math:: s = \frac{\sum_{g \in U} R_g - \sum_{g \in D} R_g}{\sum_{i=1}^m (N - i + 1)}, \quad R_g = rank(|z_g|) sign(z_g)

    Ranks of abs(z) begin with 1 for the smallest, ties share their mean; m = genes in U and D.

    Parameters
    ----------
    queries
        The disease signatures; their sets ``up`` and ``down`` are used.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -1 (reversal) and 1 (mimic).

    References
    ----------
    Zhang and Gant 2008, doi:10.1186/1471-2105-9-258.

    Examples
    --------
    >>> z = torch.tensor([[3, 2, 1, 0.5, 0.2, -0.1, -0.4, -0.9, -1.8, -2.7]])
    >>> query = Query(torch.arange(10), z[0].double(), up=torch.tensor([0, 2]), down=torch.tensor([8, 9]))
    >>> round(zhang([query], Profiles(z)).item(), 5)
    0.94118
    """
    return _connection(queries, profiles, ordered=False)


def zhang_ordered(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    """Connection score of ordered genes: of m genes, the i-th strongest counts m - i + 1 times (see :func:`zhang`).

    Parameters
    ----------
    queries
        The disease signatures; the genes of both sets are ordered by their absolute values, equal ones as up, then down.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -1 (reversal) and 1 (mimic).

    References
    ----------
    Zhang and Gant 2008, doi:10.1186/1471-2105-9-258.

    Examples
    --------
    >>> z = torch.tensor([[3.0, 2, 1, -0.5]])
    >>> query = Query(torch.arange(4), torch.tensor([2.0, 1, 0, -5]).double(), torch.tensor([0, 1]), torch.tensor([3]))
    >>> zhang_ordered([query], Profiles(z.double()))[0].round(decimals=9).tolist()  # (3 + 8 + 3) / (12 + 6 + 2)
    [0.7]
    """
    return _connection(queries, profiles, ordered=True)


def _connection(queries: Sequence[Query], profiles: Profiles, ordered: bool) -> torch.Tensor:
    n_genes, device = profiles.values.shape[1], profiles.values.device
    # In float64 up to the product, where a gene's share of the largest score is small.
    shares = torch.zeros((len(queries), n_genes), dtype=torch.float64, device=device)
    for row, query in zip(shares, queries, strict=True):
        tags, m = torch.cat([query.up, query.down]), len(query.up) + len(query.down)
        places = torch.arange(m, dtype=torch.float64, device=device)
        weight = torch.ones_like(places)
        if ordered:
            x = torch.zeros(n_genes, dtype=torch.float64, device=device)
            x[query.genes] = query.values.abs()
            weight[torch.sort(x[tags], descending=True, stable=True).indices] = m - places
        most = ((n_genes - places) * ((m - places) if ordered else 1)).sum()
        row[tags] = weight / most
        row[query.down] *= -1
    return (shares.to(profiles.values.dtype) @ profiles.signed_ranks.T).double()
