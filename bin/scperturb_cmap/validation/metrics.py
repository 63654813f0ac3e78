"""How well a ranking finds what it should: metrics of one query, and what chance gives for each."""

from functools import lru_cache

import numpy as np
from copairs.compute import random_ap

__all__ = ["METRICS", "PRIMARY", "average_precision_null", "chance", "retrieval_metrics"]

#: The metric that claims are made of.
PRIMARY = "average_precision"

_CUTS = (1, 10, 50)
_FALSE_POSITIVES = (0.001, 0.005, 0.01)
_ALPHA = 20.0  # of BEDROC: the first 8 % of the ranking make 80 % of it

#: Metric -> what it is. All but ``percentile`` are better when higher.
METRICS = {
    PRIMARY: "mean precision at the place of every positive; over queries the mean average precision (mAP)",
    "auroc": "share of pairs of a positive and a negative that stand in the right order",
    "percentile": "place of the first positive: 0 = first, 1 = last",
    **{f"precision_at_{k}": f"share of positives among the first {k}" for k in _CUTS},
    **{f"recall_at_{k}": f"share of the positives that stand among the first {k}" for k in _CUTS},
    **{f"partial_auc_{f}": f"mean share of positives found up to a false positive rate of {f}" for f in _FALSE_POSITIVES},
    "enrichment_factor_1": "positives among the first 1 %, over what chance puts there",
    "bedroc": f"early recognition, alpha {_ALPHA:g}; doi:10.1021/ci600426e",
    "ndcg": "normalised discounted cumulative gain",
}  # fmt: skip


def retrieval_metrics(scores: np.ndarray, positive: np.ndarray) -> dict[str, float]:
    """Metrics of one query: its positives should have the highest scores.

    Equal scores share their places: a method gains nothing by the order of its input. All metrics come from one sort; where
    scikit-learn has them they are its (tests/unit/test_validation_metrics.py), whose checks take 20 times as long.

    Parameters
    ----------
    scores
        Shape (n_items,), no missing values.
    positive
        Which items are positives; at least one is and one is not.

    Returns
    -------
    Value by name of :data:`METRICS`.

    Examples
    --------
    >>> found = retrieval_metrics(np.array([4.0, 3, 2, 1]), np.array([True, False, True, False]))
    >>> [round(found[name], 3) for name in ("average_precision", "auroc", "percentile", "precision_at_1", "ndcg")]
    [0.833, 0.75, 0.0, 1.0, 0.92]
    """
    n, n_positive = len(scores), int(positive.sum())
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), n - 1)  # of the ties
    hits = np.cumsum(positive[order])[ends].astype(float)
    sizes, more = np.diff(ends, prepend=-1), np.diff(hits, prepend=0.0)
    expected = np.repeat(more / sizes, sizes)  # of items with one score each is a positive in the same proportion
    recall, below = np.append(0.0, hits / n_positive), np.append(0.0, (ends + 1 - hits) / (n - n_positive))
    first = int(np.flatnonzero(more)[0])
    out = {
        PRIMARY: (more * hits / (ends + 1)).sum() / n_positive,
        "auroc": np.trapezoid(recall, below),
        "percentile": (ends[first] - (sizes[first] - 1) / 2) / (n - 1),
    }
    for k in _CUTS:
        found = expected[:k].sum()
        out |= {f"precision_at_{k}": found / min(k, n), f"recall_at_{k}": found / n_positive}
    for share in _FALSE_POSITIVES:
        inside = below < share
        # of several places with just this share of negatives the first: positives behind the last negative do not count
        at = np.flatnonzero(below == share)
        end = recall[at[0]] if len(at) else np.interp(share, below, recall)
        x, y = np.append(below[inside], share), np.append(recall[inside], end)
        out[f"partial_auc_{share}"] = np.trapezoid(y, x) / share
    one = max(round(n / 100), 1)
    out["enrichment_factor_1"] = (expected[:one].sum() / one) / (n_positive / n)
    weights = _weights(n)
    out["bedroc"] = _bedroc(expected @ weights, weights, n_positive)
    gains = 1 / np.log2(np.arange(2, n + 2))
    out["ndcg"] = expected @ gains / gains[:n_positive].sum()
    return {name: float(out[name]) for name in METRICS}


def _weights(n: int) -> np.ndarray:
    """What a positive at each place counts for BEDROC."""
    return np.exp(-_ALPHA * np.arange(1, n + 1) / n)


def _bedroc(total: float, weights: np.ndarray, n_positive: int) -> float:
    """Sum of the positives' weights, brought to 0 for the worst order and 1 for the best."""
    worst, best = weights[-n_positive:].sum(), weights[:n_positive].sum()
    return (total - worst) / (best - worst)


def chance(n: int, n_positive: int) -> dict[str, float]:
    """What a random order gives on average, in closed form.

    The mean average precision of a random order is more than the share of positives, much more for few of them
    (Bestgen 2015, doi:10.1515/pralin-2015-0007).

    Examples
    --------
    >>> {name: round(value, 3) for name, value in chance(100, 1).items() if name in ("average_precision", "auroc")}
    {'average_precision': 0.052, 'auroc': 0.5}
    """
    share, harmonic = n_positive / n, float((1 / np.arange(1, n + 1)).sum())
    precision = (harmonic + (n_positive - 1) * (n - harmonic) / max(n - 1, 1)) / n
    gains = 1 / np.log2(np.arange(2, n + 2))
    weights = _weights(n)
    return {
        PRIMARY: precision, "auroc": 0.5, "percentile": (n - n_positive) / (n_positive + 1) / max(n - 1, 1),
        **{f"precision_at_{k}": share for k in _CUTS}, **{f"recall_at_{k}": min(k, n) / n for k in _CUTS},
        **{f"partial_auc_{f}": _partial_by_chance(n - n_positive, f) for f in _FALSE_POSITIVES}, "enrichment_factor_1": 1.0,
        "bedroc": float(_bedroc(share * weights.sum(), weights, n_positive)),
        "ndcg": float(share * gains.sum() / gains[:n_positive].sum()),
    }  # fmt: skip


def _partial_by_chance(m: int, share: float) -> float:
    """Before the first of m negatives stand 1 / (m + 1) of the positives on average, before the second 2 / (m + 1), ..."""
    whole = int(share * m + 1e-9)
    return ((whole * (whole + 1) / 2 / m) + (share - whole / m) * (whole + 1)) / (m + 1) / share


@lru_cache(maxsize=4096)
def average_precision_null(n: int, n_positive: int, n_draws: int, seed: int) -> np.ndarray:
    """Average precision of random orders, shape (n_draws,): positives and negatives as exchangeable as copairs takes them.

    Kalinin et al. 2025, doi:10.1038/s41467-025-60306-2.

    Examples
    --------
    >>> bool(abs(average_precision_null(50, 2, 1000, 0).mean() - chance(50, 2)["average_precision"]) < 0.01)
    True
    """
    return random_ap(n_draws, n_positive, n, seed)
