"""Cosine of signatures."""

from collections.abc import Sequence

import torch

from scperturb_cmap.scoring.products import over_all_genes
from scperturb_cmap.scoring.profiles import Profiles, Query

__all__ = ["cosine"]


def cosine(queries: Sequence[Query], profiles: Profiles) -> torch.Tensor:
    r"""Cosine over the genes both measure, after clipping both to +-10.

    .. math:: s = \frac{\sum_g x_g z_g}{\sqrt{\sum_g x_g^2} \sqrt{\sum_g z_g^2}}

    Parameters
    ----------
    queries
        The disease signatures x.
    profiles
        The reference signatures z.

    Returns
    -------
    Scores, float64, shape (n_queries, n_signatures), between -1 (reversal) and 1 (mimic); NaN where one side is all zero.

    Examples
    --------
    >>> from scperturb_cmap.scoring.profiles import make_query
    >>> import numpy as np
    >>> query = make_query(np.array([3.0, 4.0]), 2, torch.device("cpu"))
    >>> profiles = Profiles(torch.tensor([[3.0, 4.0], [-4.0, 3.0], [-6.0, -8.0]]))
    >>> [[round(score, 6) for score in row] for row in cosine([query], profiles).tolist()]
    [[1.0, 0.0, -1.0]]
    """
    x = over_all_genes(queries, [query.direction for query in queries], profiles)
    sizes = profiles.norms
    if any(len(query.genes) < profiles.values.shape[1] for query in queries):
        measured = over_all_genes(queries, [torch.ones_like(query.values) for query in queries], profiles)
        patterns, place = torch.unique(measured, dim=0, return_inverse=True)
        sizes = (patterns @ profiles.clipped.square().T).sqrt()[place]
    return (x @ profiles.clipped.T).double() / sizes
