"""Pearson's correlation of two signatures."""

import torch

from scperturb_cmap.scoring.correlation import ROUNDING
from scperturb_cmap.scoring.profiles import CLIP, Profiles, Query, over_all_genes

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
    values = query.values.clamp(-CLIP, CLIP)
    off = values - values.mean()
    x, measured = over_all_genes(query, off, profiles.values.shape[1])
    sums, squares = profiles.clipped @ measured, profiles.squares @ measured
    spread = squares - sums.square() / len(off)
    # A difference of large numbers: what is left of equal values is rounding.
    spread = torch.where(spread > ROUNDING * squares, spread, torch.nan)
    size = torch.where(off.norm() > ROUNDING * values.norm(), off.norm(), torch.nan)
    return (profiles.clipped @ x) / (spread.sqrt() * size)
