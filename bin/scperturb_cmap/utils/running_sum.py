"""The running sum down a ranked list: how far a set deviates, and which of its members make it."""

import numpy as np

__all__ = ["leading_edge"]

#: Two deviations this close are equal: rounding must not decide the sign of a score.
_TIE = 1e-12


def leading_edge(ranks: np.ndarray, weights: np.ndarray, n_ranked: int, side: int = 0) -> tuple[float, np.ndarray]:
    r"""Largest deviation of the running sum of a set, and the members up to it.

    Down the list a member adds its weight, divided by the sum of all weights, and anything else takes away
    ``1 / (n_ranked - size)``. The leading edge is what lies before the largest deviation above zero, or behind the largest
    below zero (Subramanian 2005, doi:10.1073/pnas.0506580102).

    Parameters
    ----------
    ranks
        Place of each member in the list, 0 = top, no two alike; shape (n_members,).
    weights
        Weight of each member, not negative; shape (n_members,).
    n_ranked
        Length of the list.
    side
        1 takes the largest deviation above zero, -1 below, 0 the larger of the two (of equal ones the one above).

    Returns
    -------
    score
        The deviation; 0 for a set that is empty, weighs nothing or holds the whole list.
    edge
        Whether each member is in the leading edge, shape (n_members,). Of equal deviations the one nearer its end of the
        list counts, which gives the smaller edge.

    Examples
    --------
    The set D of docs/methods.md, the last two of ten genes, and then the first of them with the third:

    >>> leading_edge(np.array([8, 9]), np.array([1.8, 2.7]), 10)
    (-1.0, array([ True,  True]))
    >>> leading_edge(np.array([0, 2]), np.array([3.0, 1.0]), 10)
    (0.875, array([ True,  True]))
    """
    size, total = len(ranks), float(np.sum(weights))
    edge = np.zeros(size, bool)
    if not size or size >= n_ranked or total <= 0:
        return 0.0, edge
    order = np.argsort(ranks)
    hits = np.cumsum(weights[order]) / total
    misses = (ranks[order] - np.arange(size)) / (n_ranked - size)
    after = hits - misses
    before = after - weights[order] / total
    highest, lowest = max(after.max(), 0.0), min(before.min(), 0.0)
    if side > 0 or (side == 0 and highest >= -lowest - _TIE):
        if highest > 0:
            edge[order[: np.flatnonzero(after >= highest - _TIE)[0] + 1]] = True
        return float(highest), edge
    if lowest < 0:
        edge[order[np.flatnonzero(before <= lowest + _TIE)[-1] :]] = True
    return float(lowest), edge
