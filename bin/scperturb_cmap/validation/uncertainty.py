"""How sure a mean and a difference are: compounds or mechanisms are drawn again, never single queries."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.stats import t, wilcoxon

__all__ = ["cluster_interval", "cluster_means", "holm", "signed_rank_p"]

#: With fewer clusters there is too little to draw from, and Student's distribution takes the place of draws.
_FEWEST_TO_DRAW = 8

#: Weights of clusters held at once (80 MB): of very many clusters there are fewer draws, whose means vary less.
_MOST_WEIGHTS = 20_000_000

#: A draw's error is taken for no less than this part of the sample's.
_LEAST_SPREAD = 0.3


def cluster_means(values: np.ndarray, clusters: Sequence[str]) -> np.ndarray:
    """Mean of each cluster, in the order of their names; shape (n_clusters, n_columns).

    Examples
    --------
    >>> cluster_means(np.array([1.0, 3.0, 5.0]), ["a", "a", "b"]).tolist()
    [[2.0], [5.0]]
    """
    values = np.asarray(values, float).reshape(len(values), -1)
    _, groups, counts = np.unique(np.asarray(clusters, dtype=str), return_inverse=True, return_counts=True)
    total = np.zeros((len(counts), values.shape[1]))
    np.add.at(total, groups, values)
    return total / counts[:, None]


def cluster_interval(
    values: np.ndarray, clusters: Sequence[str], *, seed: int = 0, n: int = 10_000, level: float = 0.95
) -> np.ndarray:
    r"""Interval of a macro mean: of each cluster the mean, then the mean of these; clusters are drawn with replacement.

    The bootstrap is studentised: each draw's :math:`t = (m^* - m) / s^*` gives the quantiles. Percentiles alone cover less
    than they say where clusters are few or skewed, as average precisions are (Efron & Tibshirani 1993, chapter 12).

    Parameters
    ----------
    values
        One row per query, one column per quantity; differences of two methods for a paired comparison.
    clusters
        Compound or mechanism of each row.
    seed, n
        Of the draws, and how many; all columns share them.
    level
        Coverage.

    Returns
    -------
    Shape (2, n_columns): lower and upper bounds; NaN with fewer than two clusters.

    Examples
    --------
    >>> cluster_interval(np.array([0.1, 0.3, 0.2, 0.4]), list("abcd")).round(2).tolist()
    [[0.04], [0.46]]
    """
    means = cluster_means(values, clusters)
    count, n_columns = means.shape
    if count < 2:
        return np.full((2, n_columns), np.nan)
    centre, error = means.mean(axis=0), means.std(axis=0, ddof=1) / np.sqrt(count)
    if count < _FEWEST_TO_DRAW:
        half = t.ppf((1 + level) / 2, count - 1) * error
        return np.stack([centre - half, centre + half])
    off, drawn = means - centre, _draws(count, n, seed)
    moved = drawn @ off
    spread = np.sqrt(np.maximum(drawn @ off**2 - moved**2, 0) / (count - 1))
    # Where all but a few clusters are equal, a draw may hold none of these, and its own error says nothing.
    spread = np.maximum(spread, _LEAST_SPREAD * error)
    ratio = np.divide(moved, spread, out=np.zeros_like(moved), where=spread > 0)
    high, low = np.quantile(ratio, [(1 + level) / 2, (1 - level) / 2], axis=0)
    return np.stack([centre - high * error, centre - low * error])


@lru_cache(maxsize=4)
def _draws(count: int, n: int, seed: int) -> np.ndarray:
    """Weights of the clusters in every draw, shape (n, count), which add up to 1; most intervals of a run share them."""
    n = max(min(n, _MOST_WEIGHTS // count), 500)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=n)
    return drawn.astype(np.float32) / np.float32(count)


def signed_rank_p(values: np.ndarray, clusters: Sequence[str]) -> float:
    """Wilcoxon's two-sided p that the clusters' mean differences lie around 0; 1 where all are 0.

    Examples
    --------
    >>> signed_rank_p(np.ones(10), list("abcdefghij")) < 0.01, signed_rank_p(np.zeros(3), list("abc"))
    (True, 1.0)
    """
    means = cluster_means(values, clusters)[:, 0]
    return float(wilcoxon(means).pvalue) if np.any(means) else 1.0


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's p-values over tasks.

    Examples
    --------
    >>> holm([0.01, 0.04]).tolist()
    [0.02, 0.04]
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p)
    out = np.empty(len(p))
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return out
