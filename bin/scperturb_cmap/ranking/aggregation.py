"""From the scores of a drug's signatures to one score of the drug, and from several methods to one order."""

from collections.abc import Callable, Sequence

import pandas as pd

__all__ = ["AGGREGATIONS", "Aggregation", "aggregate", "best", "consensus", "maxq", "mean", "srges"]

#: Scores of signatures and the drug of each -> index = drug, columns score, score_low and score_high.
Aggregation = Callable[[pd.Series, pd.Series], pd.DataFrame]

_QUANTILES = (0.33, 0.67)

#: Bin of sRGES that all others are brought to: 10 uM or more, 24 h or more.
_HIGH_LONG = 3


def maxq(scores: pd.Series, drugs: pd.Series) -> pd.DataFrame:
    """Sum up the scores of each drug's signatures: the 33rd or the 67th percentile, whichever is further from zero.

    The Connectivity Map's way over cell lines: a drug that acts in a third of its lines is seen, one extreme line is not
    enough. Missing scores are left out.

    Parameters
    ----------
    scores
        One score per signature.
    drugs
        The drug of each signature.

    Returns
    -------
    Index = drug; columns score, score_low and score_high (33rd and 67th percentile). Of two equally distant percentiles
    the higher is taken.

    References
    ----------
    Subramanian et al. 2017, doi:10.1016/j.cell.2017.10.049.

    Examples
    --------
    >>> maxq(pd.Series([-0.8, -0.6, 0.1, 0.2]), pd.Series(["a", "a", "a", "b"])).round(3)
       score  score_low  score_high
    a -0.668     -0.668      -0.362
    b  0.200      0.200       0.200
    """
    spread = _spread(scores, drugs)
    low, high = spread["score_low"], spread["score_high"]
    # Rounding must not decide the sign of a drug.
    spread.insert(0, "score", high.where(high.abs() >= low.abs() - 1e-12, low))
    return spread


def mean(scores: pd.Series, drugs: pd.Series) -> pd.DataFrame:
    """Sum up the scores of each drug's signatures by their mean; the Parameters and Returns of :func:`maxq`.

    Examples
    --------
    >>> mean(pd.Series([-0.8, -0.6, 0.2, 0.2]), pd.Series(["a", "a", "a", "b"]))["score"].round(3).to_dict()
    {'a': -0.4, 'b': 0.2}
    """
    spread = _spread(scores, drugs)
    spread.insert(0, "score", scores.groupby(drugs.to_numpy(), sort=True).mean())
    return spread


def best(scores: pd.Series, drugs: pd.Series) -> pd.DataFrame:
    """Take the most extreme score of each drug's signatures; the Parameters and Returns of :func:`maxq`.

    Of two equally extreme scores the higher is taken. A drug with many signatures has the more extreme score by chance
    alone: read it with the drug's p-value, which makes up for their number.

    Examples
    --------
    >>> best(pd.Series([-0.8, -0.6, 0.1, 0.2]), pd.Series(["a", "a", "a", "b"]))["score"].to_dict()
    {'a': -0.8, 'b': 0.2}
    """
    low, high = (scores.groupby(drugs.to_numpy(), sort=True).agg(what) for what in ("min", "max"))
    spread = _spread(scores, drugs)
    spread.insert(0, "score", high.where(high.abs() >= low.abs(), low))
    return spread


def srges(table: pd.DataFrame, column: str) -> pd.DataFrame:
    r"""Sum up a drug's signatures as if all were made at 10 uM for 24 h (sRGES), then take their mean.

    Signatures fall into four bins, dose (10 uM and more: high) x time (24 h and more: long). For each other bin
    :math:`d = mean(s_{reference} - s_{other})` over all pairs of signatures of one drug in one cell line, the reference one
    high and long; a signature of the bin becomes s + d, so that what a bin lacks throughout is made up for. Bins without a
    pair stay as they are, and so do signatures of unknown dose or time. The published weight of a cell line (how alike it is
    to the tumour) is 1: populations have no cell line.

    Parameters
    ----------
    table
        One row per signature: reference, compound_id, cell_line, dose_um, time_h, ``column``. Bins are adjusted in each
        reference apart.
    column
        Scores; published for ``rges``.

    Returns
    -------
    As :func:`maxq`; score_low and score_high are percentiles of the adjusted scores.

    References
    ----------
    Chen et al. 2017, doi:10.1038/ncomms16022. octad's implementation exchanges two of the bins; this is the paper's.

    Examples
    --------
    The low dose of drug a is 0.4 weaker than its high dose, so 0.4 is taken off every low dose.

    >>> table = pd.DataFrame({"reference": "r", "compound_id": list("aab"), "cell_line": "X", "dose_um": [10, 1, 1.0],
    ...                       "time_h": 24.0, "rges": [-0.8, -0.4, -0.3]})
    >>> srges(table, "rges")["score"].round(3).to_dict()
    {'a': -0.8, 'b': -0.7}
    """
    known = table["dose_um"].notna() & table["time_h"].notna() & table[column].notna()
    high, long = table["dose_um"] >= 10 * (1 - 1e-6), table["time_h"] >= 24
    parts = table.assign(score=table[column].astype(float), bin=high.astype(int) * 2 + long.astype(int))
    keys = ["reference", "compound_id", "cell_line"]
    pairs = parts[known & (parts["bin"] == _HIGH_LONG)].merge(
        parts[known & (parts["bin"] != _HIGH_LONG)], on=keys, suffixes=("", "_other")
    )
    lacks = (pairs["score"] - pairs["score_other"]).groupby([pairs["reference"], pairs["bin_other"]]).mean()
    place = pd.MultiIndex.from_arrays([parts["reference"], parts["bin"]])
    missing = pd.Series(lacks.reindex(place).to_numpy(), parts.index).where(known).fillna(0.0)
    return mean(parts["score"] + missing, table["compound_id"])


def aggregate(name: str, table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Sum up the scores in a column of a table of signatures by a way of :data:`AGGREGATIONS` or "srges"."""
    return srges(table, column) if name == "srges" else AGGREGATIONS[name](table[column], table["compound_id"])


#: Every way to sum up a drug's signatures, by the name the command line knows; srges looks at more.
AGGREGATIONS: dict[str, Aggregation] = {"maxq": maxq, "mean": mean, "best": best}


def consensus(ranked: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """One order of the drugs of a population from several methods: the mean of their ranks (Borda's count).

    Each method's ranks (equal scores share the mean rank) become shares between 0 (strongest reversal) and 1. The
    methods look at the same measurements and are anything but independent, so robust rank aggregation and its p-value
    (Kolde 2012), which take the lists for independent, would make three views of one chance finding significant; there
    is no p-value here.

    Parameters
    ----------
    ranked
        One row per drug, with score_<method> for each method; missing scores are left out of the mean.
    methods
        At least one.

    Returns
    -------
    Index of ``ranked``; columns consensus (mean share, 0 to 1), consensus_rank (1 = best, equal ones share the better
    rank), disagreement (largest less smallest share), n_methods (with a score).

    References
    ----------
    Lin 2010, doi:10.1002/wics.111 (Borda's count among rank aggregations); Kolde et al. 2012,
    doi:10.1093/bioinformatics/btr709.

    Examples
    --------
    >>> scores = pd.DataFrame({"score_wtcs": [-0.5, 0.0, 0.4], "score_cosine": [-0.1, -0.2, 0.3]}, index=list("abc"))
    >>> consensus(scores, ["wtcs", "cosine"])
       consensus  consensus_rank  disagreement  n_methods
    a       0.25             1.0           0.5          2
    b       0.25             1.0           0.5          2
    c       1.00             3.0           0.0          2
    """
    scores = ranked[[f"score_{method}" for method in methods]]
    shares = (scores.rank() - 1) / (scores.count() - 1).clip(lower=1)
    together = shares.mean(axis=1)
    return pd.DataFrame({
        "consensus": together,
        # Means of the same shares in another order differ by rounding.
        "consensus_rank": together.round(12).rank(method="min"),
        "disagreement": shares.max(axis=1) - shares.min(axis=1),
        "n_methods": shares.notna().sum(axis=1),
    })  # fmt: skip


def _spread(scores: pd.Series, drugs: pd.Series) -> pd.DataFrame:
    low, high = (scores.groupby(drugs.to_numpy(), sort=True).quantile(q) for q in _QUANTILES)
    return pd.DataFrame({"score_low": low, "score_high": high})
