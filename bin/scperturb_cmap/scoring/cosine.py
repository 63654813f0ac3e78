"""Cosine of two signatures."""

import torch

from scperturb_cmap.scoring.profiles import Profiles, Query

__all__ = ["CLIP", "cosine"]

#: LINCS clips z-scores here before it combines replicates (MODZ); consensus files that do not, hold values beyond 200
#: that would decide a cosine alone.
CLIP = 10.0


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
    x = query.values.clamp(-CLIP, CLIP)
    z = profiles.values[:, query.genes].double().clamp(-CLIP, CLIP)
    return (z @ x) / (z.norm(dim=1) * x.norm())
