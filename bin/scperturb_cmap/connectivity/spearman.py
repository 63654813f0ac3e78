"""Spearman's rank correlation of two signatures."""

import torch

from scperturb_cmap.connectivity.profiles import Profiles, Query

__all__ = ["average_ranks", "spearman"]


def spearman(query: Query, profiles: Profiles) -> torch.Tensor:
    """Pearson correlation of the ranks of the genes both measure; tied genes share their mean rank.

    Parameters
    ----------
    query
        The disease signature.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_signatures,), between -1 (reversal) and 1 (mimic); NaN where one side is constant.

    Examples
    --------
    >>> from scperturb_cmap.connectivity.profiles import make_query
    >>> import numpy as np
    >>> query = make_query(np.array([1.0, 2.0, 3.0]), 1, torch.device("cpu"))
    >>> spearman(query, Profiles(torch.tensor([[0.1, 0.5, 9.0], [3.0, 2.0, 1.0]]))).round(decimals=6).tolist()
    [1.0, -1.0]
    """
    x = average_ranks(query.values[None])[0]
    z = average_ranks(profiles.values[:, query.genes])
    x = x - x.mean()
    z = z - z.mean(dim=1, keepdim=True)
    return (z @ x) / (z.norm(dim=1) * x.norm())


def average_ranks(values: torch.Tensor) -> torch.Tensor:
    """Ranks along the last axis, 0 = smallest, ties share their mean.

    Parameters
    ----------
    values
        Shape (n, g).

    Returns
    -------
    float64, shape (n, g).

    Examples
    --------
    >>> average_ranks(torch.tensor([[5.0, 1.0, 5.0, 7.0]])).tolist()
    [[1.5, 0.0, 1.5, 3.0]]
    """
    ordered, order = torch.sort(values, dim=1, stable=True)
    group = torch.zeros_like(order)
    group[:, 1:] = (ordered[:, 1:] != ordered[:, :-1]).cumsum(dim=1)
    places = torch.arange(values.shape[1], device=values.device, dtype=torch.float64).expand(values.shape)
    size = torch.zeros(values.shape, dtype=torch.float64, device=values.device)
    total = torch.zeros_like(size).scatter_add_(1, group, places)
    size.scatter_add_(1, group, torch.ones_like(places))
    mean = (total / size.clamp(min=1)).gather(1, group)
    return torch.empty_like(mean).scatter_(1, order, mean)
