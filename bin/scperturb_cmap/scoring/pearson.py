"""Pearson's correlation of two signatures."""

import torch

from scperturb_cmap.scoring.correlation import correlation
from scperturb_cmap.scoring.cosine import CLIP
from scperturb_cmap.scoring.profiles import Profiles, Query

__all__ = ["pearson"]


def pearson(query: Query, profiles: Profiles) -> torch.Tensor:
    """Correlation over the genes both measure, after clipping both to +-10.

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
    >>> query = make_query(np.array([1.0, 2.0, 4.0]), 1, torch.device("cpu"))
    >>> pearson(query, Profiles(torch.tensor([[3.0, 5.0, 9.0], [-1.0, -2.0, -4.0]]))).round(decimals=9).tolist()
    [1.0, -1.0]
    """
    z = profiles.values[:, query.genes].double().clamp(-CLIP, CLIP)
    return correlation(query.values.clamp(-CLIP, CLIP)[None], z)
