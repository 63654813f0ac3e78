"""Pearson's correlation of signatures."""

from collections.abc import Sequence

import torch

from scperturb_cmap.scoring.products import by_genes
from scperturb_cmap.scoring.profiles import Profiles, Query

__all__ = ["pearson"]


def pearson(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    """Correlation over the genes both measure, after clipping both to +-10.

    Parameters
    ----------
    queries
        The disease signatures.
    profiles
        The reference signatures.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -1 (reversal) and 1 (mimic); NaN where one side is constant.

    Examples
    --------
    >>> from scperturb_cmap.scoring.profiles import make_query
    >>> import numpy as np
    >>> query = make_query(np.array([1.0, 2.0, 4.0]), 1, torch.device("cpu"))
    >>> pearson([query], Profiles(torch.tensor([[3.0, 5.0, 9.0], [-1.0, -2.0, -4.0]]))).round(decimals=6).tolist()
    [[1.0, -1.0]]
    """
    return by_genes(_of_all_genes, queries, profiles)


def _of_all_genes(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    x = torch.stack([query.centred_direction for query in queries])
    z, sizes = profiles.centred
    return (x.to(z.dtype) @ z.T).double() / sizes
