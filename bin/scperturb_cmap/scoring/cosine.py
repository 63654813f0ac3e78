"""Cosine of two signatures."""

import torch

from scperturb_cmap.scoring.profiles import CLIP, Profiles, Query, over_all_genes

__all__ = ["cosine"]


def cosine(query: Query, profiles: Profiles) -> torch.Tensor:
    r"""Cosine over the genes both measure, after clipping both to +-10.

    .. math:: s = \frac{\sum_g x_g z_g}{\sqrt{\sum_g x_g^2} \sqrt{\sum_g z_g^2}}

    Parameters
    ----------
    query
        The disease signature x.
    profiles
        The reference signatures z.

    Returns
    -------
    Scores, float64, shape (n_signatures,), between -1 (reversal) and 1 (mimic); NaN where one side is all zero.

    Examples
    --------
    >>> from scperturb_cmap.scoring.profiles import make_query
    >>> import numpy as np
    >>> query = make_query(np.array([3.0, 4.0]), 2, torch.device("cpu"))
    >>> [round(score, 6) for score in cosine(query, Profiles(torch.tensor([[3.0, 4.0], [-4.0, 3.0], [-6.0, -8.0]]))).tolist()]
    [1.0, 0.0, -1.0]
    """
    x, measured = over_all_genes(query, query.values.clamp(-CLIP, CLIP), profiles.values.shape[1])
    return (profiles.clipped @ x) / ((profiles.squares @ measured).sqrt() * x.norm())
