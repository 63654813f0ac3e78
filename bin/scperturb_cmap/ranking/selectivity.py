"""Drugs that reverse one population and not the others, and pairs of drugs that complete each other."""

import numpy as np
import pandas as pd
from scipy import stats

__all__ = ["complementary_pairs", "selectivity"]


def selectivity(drugs: pd.DataFrame, value: str = "score") -> pd.DataFrame:
    """How much more a drug reverses one population than the other populations of the data set.

    Scores of different populations are not on one scale, so values become normal scores by rank within each population,
    x = Phi^-1(rank / (n + 1)), and a drug's x in one population is compared with its x in the others.

    Parameters
    ----------
    drugs
        population, compound_id and ``value`` (negative = reversal); rows without a value are left out. A population that
        contains the others (all cells) does not belong among them: leave it out.
    value
        What the drugs are ordered by.

    Returns
    -------
    One row per population and drug with a value: population, compound_id, selectivity (x less the median of the other
    populations: negative = selective reversal, and so for the next), selectivity_to_best (x less the lowest of the
    others: negative only where no other population is reversed as much), n_others, reason. Where no other population has
    the drug both are missing, with the reason.

    Examples
    --------
    >>> drugs = pd.DataFrame({"population": ["B"] * 3 + ["T"] * 3, "compound_id": list("xyz") * 2})
    >>> selectivity(drugs.assign(score=[-0.9, 0.1, 0.4, 0.5, -0.2, 0.1])).round(2).iloc[:3, :4]
      population compound_id  selectivity  selectivity_to_best
    0          B           x        -1.35                -1.35
    1          B           y         0.67                 0.67
    2          B           z         0.67                 0.67
    """
    mine = drugs.loc[drugs[value].notna(), ["population", "compound_id", value]].reset_index(drop=True)
    ranks = mine.groupby("population", observed=True)[value]
    x = pd.Series(stats.norm.ppf(ranks.rank() / (ranks.transform("count") + 1)), index=mine.index)
    wide = mine.assign(x=x).pivot(index="compound_id", columns="population", values="x")
    result = mine[["population", "compound_id"]].assign(selectivity=np.nan, selectivity_to_best=np.nan, n_others=0)
    for population, rows in mine.groupby("population", observed=True).groups.items():
        others = wide.drop(columns=population).loc[mine.loc[rows, "compound_id"]]
        result.loc[rows, "selectivity"] = x[rows].to_numpy() - others.median(axis=1).to_numpy()
        result.loc[rows, "selectivity_to_best"] = x[rows].to_numpy() - others.min(axis=1).to_numpy()
        result.loc[rows, "n_others"] = others.notna().sum(axis=1).to_numpy()
    result["reason"] = np.where(result["n_others"] > 0, "", "No other population has a score for the drug.")
    return result


def complementary_pairs(covered: pd.DataFrame, weights: pd.Series) -> pd.DataFrame:
    """For each drug the other drug that reverses most of what it leaves.

    Parameters
    ----------
    covered
        Drugs x genes of the signature, true where the drug reverses the gene (for instance it is in the leading edge).
        Give the top drugs: those of the end reverse nothing.
    weights
        Weight of each gene, such as abs(z) of the signature; index = columns of ``covered``.

    Returns
    -------
    One row per first drug: first, second (of equally good ones the first in the order given; missing where none adds
    anything), covered_by_first and covered_by_both (shares of the weight of all genes), gain (their difference). Shares
    are of reversed direction on paper: nothing here knows whether the drugs tolerate each other.

    Raises
    ------
    ValueError
        No gene has a weight above 0.

    Examples
    --------
    >>> genes = ["g1", "g2", "g3"]
    >>> covered = pd.DataFrame([[1, 1, 0], [1, 0, 1], [1, 1, 0]], index=list("abc"), columns=genes, dtype=bool)
    >>> complementary_pairs(covered, pd.Series([5.0, 3.0, 2.0], index=genes))
      first second  covered_by_first  covered_by_both  gain
    0     a      b               0.8              1.0   0.2
    1     b      a               0.7              1.0   0.3
    2     c      b               0.8              1.0   0.2
    """
    weight = weights.reindex(covered.columns).fillna(0).to_numpy(float)
    if weight.sum() <= 0:
        raise ValueError("No gene has a weight above 0.")
    has = covered.to_numpy(float)
    alone = has @ weight / weight.sum()
    # Row = first drug, column = what the second adds; a drug adds nothing to itself.
    gain = ((1 - has) * weight) @ has.T / weight.sum()
    second = gain.argmax(axis=1) if len(covered) else np.array([], dtype=int)
    most = gain[np.arange(len(covered)), second]
    names = covered.index.to_numpy(dtype=object)
    return pd.DataFrame({
        "first": names, "second": np.where(most > 0, names[second], None), "covered_by_first": alone,
        "covered_by_both": alone + most, "gain": most,
    })  # fmt: skip
