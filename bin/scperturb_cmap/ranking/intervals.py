"""How far a drug's rank hangs on the donors: intervals from resampled signatures."""

import numpy as np
import pandas as pd

__all__ = ["TOP", "rank_intervals"]

#: A drug this far up is looked at.
TOP = 10

#: Fewest bootstraps for percentiles; with fewer the interval runs from the best to the worst rank.
_FEWEST_BOOTSTRAPS = 20


def rank_intervals(scores: pd.DataFrame) -> pd.DataFrame:
    """Rank of each drug of one population over resamples of its donors.

    Bootstraps are used where there are at least 20: their 5th and 95th percentiles. Otherwise the interval runs from the
    best to the worst rank of all resamples; leaving one donor out changes little at a time, so that is a lower bound of
    what other donors would do, and ``interval`` says which it is. A drug ranked first can only
    lose, so the interval of a top drug reaches down, not up, and need not hold its rank.

    Parameters
    ----------
    scores
        Drugs x resamples, the drug's score from each resampled signature, negative = reversal, missing where there is
        none; columns are named "without <donor>" or "bootstrap <n>", as DERIVE_SIGNATURES names them.

    Returns
    -------
    Index of ``scores``; columns score_low and score_high, rank_low and rank_high (1 = strongest reversal, equal scores
    share the better rank), top_share (share of the same resamples with a rank of 10 or better), n_resamples (with a
    score), interval ("bootstrap", "range" or "none").

    References
    ----------
    Efron, Tibshirani 1993, doi:10.1201/9780429246593 (percentile intervals); Hall, Miller 2009,
    doi:10.1214/09-AOS699 (the bootstrap of ranks and where it falls short).

    Examples
    --------
    >>> scores = pd.DataFrame({"without a": [-0.9, -0.5, 0.1], "without b": [-0.4, -0.5, 0.2]}, index=list("xyz"))
    >>> rank_intervals(scores)[["rank_low", "rank_high", "top_share", "n_resamples", "interval"]]
       rank_low  rank_high  top_share  n_resamples interval
    x       1.0        2.0        1.0            2    range
    y       1.0        2.0        1.0            2    range
    z       3.0        3.0        1.0            2    range
    """
    drawn = scores.columns.str.startswith("bootstrap")
    bootstrap = drawn.sum() >= _FEWEST_BOOTSTRAPS
    mine = scores.loc[:, drawn if bootstrap else np.full(len(drawn), True)]
    ranks = mine.rank(method="min")
    n = ranks.notna().sum(axis=1)
    ends = (0.05, 0.95) if bootstrap else (0.0, 1.0)
    (score_low, score_high), (rank_low, rank_high) = (
        [what.quantile(end, axis=1) if what.shape[1] else pd.Series(np.nan, scores.index) for end in ends]
        for what in (mine, ranks)
    )
    return pd.DataFrame({
        "score_low": score_low, "score_high": score_high, "rank_low": np.floor(rank_low), "rank_high": np.ceil(rank_high),
        "top_share": (ranks <= TOP).sum(axis=1) / n.replace(0, np.nan), "n_resamples": n,
        "interval": np.where(n == 0, "none", "bootstrap" if bootstrap else "range"),
    })  # fmt: skip
