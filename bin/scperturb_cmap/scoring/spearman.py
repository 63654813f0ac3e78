"""Spearman's rank correlation of two signatures."""

import torch

from scperturb_cmap.scoring.profiles import Profiles, Query, average_ranks

__all__ = ["spearman"]


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
    >>> from scperturb_cmap.scoring.profiles import make_query
    >>> import numpy as np
    >>> query = make_query(np.array([1.0, 2.0, 3.0]), 1, torch.device("cpu"))
    >>> spearman(query, Profiles(torch.tensor([[0.1, 0.5, 9.0], [3.0, 2.0, 1.0]]))).round(decimals=6).tolist()
    [1.0, -1.0]
    """
    x = average_ranks(query.values[None])[0]
    everything = len(query.genes) == profiles.values.shape[1]
    z = profiles.average_ranks if everything else average_ranks(profiles.values[:, query.genes])
    x, middle = x - x.mean(), (len(x) - 1) / 2  # the mean of any ranks
    return (z @ x) / (torch.linalg.vector_norm(z - middle, dim=1) * x.norm())
