"""Retrieval metrics and the paired bootstrap over compounds."""

import numpy as np


def percentiles(scores: np.ndarray, positives: np.ndarray) -> np.ndarray:
    """Place of the best positive among all others, 0 = first, 1 = last; equal scores share their place.

    >>> percentiles(np.array([[3.0, 1, 2, 0]]), np.array([[False, False, True, False]])).round(3).tolist()
    [0.333]
    """
    best = np.where(positives, scores, -np.inf).max(axis=1, keepdims=True)
    above, equal = (scores > best).sum(axis=1), (scores == best).sum(axis=1) - 1
    return (above + equal / 2) / (scores.shape[1] - 1)


def average_precision(scores: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Average precision of every row with anything relevant, itself left out; NaN elsewhere.

    >>> average_precision(np.array([[9, 2.0, 1]] * 3), ~np.eye(3, dtype=bool))[0].item()
    1.0
    """
    out = np.full(len(scores), np.nan)
    for row in np.flatnonzero(relevant.any(axis=1)):
        others = np.delete(np.arange(scores.shape[1]), row)
        hits = np.flatnonzero(relevant[row, others][np.argsort(-scores[row, others], kind="stable")])
        out[row] = np.mean((np.arange(len(hits)) + 1) / (hits + 1))
    return out


def interval(difference: np.ndarray, clusters: np.ndarray, seed: int = 0, n: int = 10_000) -> tuple[float, float]:
    """95 % interval of a mean of paired differences, clusters drawn with replacement.

    >>> interval(np.ones(10), np.arange(10))
    (1.0, 1.0)
    """
    _, groups = np.unique(clusters, return_inverse=True)
    total, count = np.bincount(groups, difference), np.bincount(groups)
    draws = np.random.default_rng(seed).multinomial(len(total), np.full(len(total), 1 / len(total)), size=n)
    low, high = np.quantile((draws @ total) / (draws @ count), [0.025, 0.975])
    return float(low), float(high)


def interval_of_mean(parts: list[tuple], seed: int = 0, n: int = 10_000) -> tuple[float, float]:
    """95 % interval of the mean over data sets of their mean differences; a compound is drawn in all of them at once.

    >>> interval_of_mean([(np.ones(4), np.arange(4)), (-np.ones(3), np.arange(3))])
    (0.0, 0.0)
    """
    names = np.unique(np.concatenate([clusters for _, clusters in parts]))
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=n)
    means = np.zeros(n)
    for difference, clusters in parts:
        groups = np.searchsorted(names, clusters)
        count = draws @ np.bincount(groups, minlength=len(names))
        means += draws @ np.bincount(groups, difference, len(names)) / np.where(count > 0, count, np.nan) / len(parts)
    low, high = np.nanquantile(means, [0.025, 0.975])
    return float(low), float(high)
