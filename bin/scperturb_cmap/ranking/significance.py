"""How likely a drug reverses a signature by chance: matched ranks, and how far the drug reaches under any query."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy import special, stats
from scipy.optimize import brentq
from scipy.sparse import csr_array

from scperturb_cmap.ranking.matching import FEWEST_DRUGS, Matched, match_signatures, normal_scores

__all__ = ["FEWEST_QUERIES", "drug_reach", "drug_significance", "matched_means"]

#: A mean normal score so many standard deviations from 0 counts as this in its variance: queries that have to do with a drug
#: after all, such as other drugs of its mechanism, must not widen it.
_BULK = 2.0

#: What the mean of such squares is for a standard normal.
_BULK_MEAN = stats.chi2.cdf(_BULK**2, 3) + _BULK**2 * stats.chi2.sf(_BULK**2, 1)

#: Steps to the variance that agrees with itself.
_STEPS = 30

#: Reference queries without which a drug's reach is unknown.
FEWEST_QUERIES = 50


def matched_means(values: np.ndarray, matched: Matched) -> np.ndarray:
    """Mean extended normal score of each drug (:func:`~scperturb_cmap.ranking.matching.normal_scores`).

    Parameters
    ----------
    values
        Scores, shape (n_queries, n_signatures).
    matched
        What each signature is compared with.

    Returns
    -------
    Shape (n_queries, n_drugs), drugs by their codes; missing where a drug has no signature that can be compared.
    """
    return _by_drug(normal_scores(values, matched).extended, matched)[0]


def _means(values: np.ndarray, matched: Matched) -> list[np.ndarray]:
    """Mean of each drug's x, extended and ties, and how many signatures it has (:class:`NormalScores`)."""
    x, extended, ties = normal_scores(values, matched)
    return _by_drug(x, matched, extended, ties)


def _by_drug(values: np.ndarray, matched: Matched, *others: np.ndarray) -> list[np.ndarray]:
    """Mean of each drug's values that are there, and of other values of these signatures; then their number."""
    there = ~np.isnan(values)
    rows = np.arange(len(matched.drug))
    member = csr_array((np.ones(len(rows)), (rows, matched.drug)), shape=(len(rows), matched.drug.max(initial=-1) + 1))
    n = there.astype(float) @ member
    with np.errstate(invalid="ignore"):
        return [np.where(there, one, 0) @ member / n for one in (values, *others)] + [n]


def drug_reach(
    table: pd.DataFrame, queries: Iterable[tuple[Sequence[str], np.ndarray]], *,
    by: Sequence[str] = ("reference", "cell_line"),
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    r"""How far each drug's mean normal score lies from 0 under queries that have nothing to do with it.

    Signatures of one drug are alike, and drugs such as inhibitors of HDAC or HSP90 change so much that they reach far under
    any query, in one direction or the other. Both widen a drug's distribution, and both are measured here rather than
    modelled: V = mean over reference queries of the squared mean normal score, with what ties hide. Squared, for a query and
    its opposite are equally good, so the mean is 0. Queries of the drug itself are left out, and a square beyond 4 V counts as
    4 V (made up for by what that takes from a normal variable; Huber 1981, proposal 2), since some queries have to do with the
    drug after all. V is an estimate; its logarithm is shrunken towards a parabola in log n (n = signatures of the drug) by as
    much as differences from it are chance (Smyth 2004).

    Parameters
    ----------
    table
        One row per signature: compound_id, the columns ``by``, tas.
    queries
        In parts: the compound of each query, and scores of shape (n_queries, n_signatures), signatures as in ``table``.
    by
        What is matched exactly.

    Returns
    -------
    reach
        Index compound_id; columns variance, df (degrees of freedom it is worth; the same for all drugs), n_queries (that
        gave a mean). Missing with fewer than :data:`FEWEST_QUERIES`.
    calibrated
        Drugs x queries: mean / sqrt(variance), what scores are by chance; missing for a drug's own queries.

    References
    ----------
    Smyth 2004, doi:10.2202/1544-6115.1027 (shrunken variances); Wu, Smyth 2012, doi:10.1093/nar/gks461 (correlation
    inflates the variance of a set's mean); Huber 1981, doi:10.1002/0471725250.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"compound_id": np.repeat([f"drug {n}" for n in range(50)], 4), "cell_line": "A", "tas": np.nan})
    >>> queries = [([""] * 60, rng.normal(size=(60, 200)))]
    >>> drug_reach(table, queries, by=["cell_line"])[0]["variance"].mean().round(2).item()
    0.25
    """
    matched = match_signatures(table, by)
    names = pd.Index(table["compound_id"].iloc[np.unique(matched.drug, return_index=True)[1]], name="compound_id")
    parts = []
    for compounds, values in queries:
        mean, extended, ties, size = _means(values, matched)
        own = names.get_indexer(list(compounds))
        mean[np.flatnonzero(own >= 0), own[own >= 0]] = np.nan
        parts.append((mean, np.where(np.isnan(mean), np.nan, extended), ties / size))  # the variance of a mean
    nothing = [np.empty((0, len(names)))] * 3
    mean, extended, ties = map(np.concatenate, zip(*parts, strict=True)) if parts else nothing
    n = (~np.isnan(mean)).sum(axis=0)
    reach = pd.DataFrame({"variance": np.nan, "df": np.nan, "n_queries": n}, index=names)
    enough = n >= FEWEST_QUERIES
    if enough.any():
        reach.loc[enough, "variance"], reach.loc[enough, "df"] = _variances(
            mean[:, enough], ties[:, enough], np.bincount(matched.drug)[enough]
        )
    return reach, pd.DataFrame(extended.T / np.sqrt(reach["variance"].to_numpy())[:, None], names)


def _variances(mean: np.ndarray, ties: np.ndarray, n_signatures: np.ndarray) -> tuple[np.ndarray, float]:
    """Mean square of each drug over queries (n_queries, n_drugs), shrunken, and the degrees of freedom it is worth."""
    known = ~np.isnan(mean).all(axis=1)  # a query without scores is worth nothing
    mean, square = mean[known], (mean**2 + ties)[known]
    variance = np.nanmean(square, axis=0)
    for _ in range(_STEPS):  # each step leaves less than half of what is missing
        variance = np.nanmean(np.minimum(square, _BULK**2 * variance), axis=0) / _BULK_MEAN
    # Queries are alike, too: so many independent ones would be worth as much (participation ratio).
    scaled = np.nan_to_num(mean / np.sqrt(variance))
    product = scaled @ scaled.T
    size = np.sqrt(np.diag(product))
    with np.errstate(invalid="ignore"):
        independent = len(product) ** 2 / np.nansum((product / size / size[:, None]) ** 2)
    return _shrunken(variance, independent, np.log(n_signatures))


def drug_significance(
    table: pd.DataFrame, score: str, reach: pd.DataFrame, *, by: Sequence[str] = ("reference", "cell_line")
) -> pd.DataFrame:
    r"""Calibrated reversal score, p-value and false discovery rate of each drug for one population.

    The null hypothesis: the population's signature has no more to do with the drug than other signatures of cells have.
    Each score is ranked among those of *other* drugs that it is matched with and becomes a normal score x, so that
    neither a cell line nor strong signatures give an advantage. With the mean over a drug's n signatures,

    .. math:: z = \bar x / \sqrt{V}, \quad p = T_d(z),

    where V is what the squared mean is for queries that have nothing to do with the drug (:func:`drug_reach`) and T_d is
    Student's distribution with the degrees of freedom of that estimate. z itself is made of extended normal scores, p of ranks
    alone: how far a score lies beyond all others says which drug comes first, but how likely that is, nothing tells.

    Parameters
    ----------
    table
        One row per signature: compound_id, the columns ``by``, tas (strength; missing where unknown), ``score``.
    score
        Column of scores, negative = reversal, missing values left out.
    reach
        As :func:`drug_reach` gives it for these signatures.
    by
        What is matched exactly.

    Returns
    -------
    Index compound_id; columns n_signatures (with a score), n_matched (of these, compared within their group),
    effective_n (1 / V: as many independent signatures would be worth as much), z (negative = reversal), p_value
    (reversal), p_two_sided, fdr (Benjamini-Hochberg over the drugs tested, of p_value), status ("ok" or "not_tested"),
    reason.

    References
    ----------
    Benjamini, Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"compound_id": np.repeat([f"drug {n}" for n in range(50)], 4), "cell_line": ["A", "B"] * 100})
    >>> table["wtcs"] = rng.normal(size=200) - 3 * (table["compound_id"] == "drug 7")
    >>> table["tas"] = np.nan
    >>> reach, _ = drug_reach(table, [([""] * 60, rng.normal(size=(60, 200)))], by=["cell_line"])
    >>> found = drug_significance(table, "wtcs", reach, by=["cell_line"])
    >>> found.index[found["fdr"] < 0.1].tolist(), found.loc["drug 7", "z"].round(1).item()
    (['drug 7'], -6.6)
    """
    scored = table[table[score].notna()]
    result = pd.DataFrame(index=pd.Index(table["compound_id"].unique(), name="compound_id").sort_values())
    result = result.join(reach[["variance", "df", "n_queries"]])
    if scored.empty:
        return _complete(result.assign(n_signatures=0, n_matched=0, mean=np.nan, extended=np.nan), 0)
    matched = match_signatures(scored, by)
    names = scored["compound_id"].iloc[np.unique(matched.drug, return_index=True)[1]]
    values = scored[score].to_numpy(float)[None]
    mean, extended, *_ = _means(values, matched)
    result["mean"] = pd.Series(mean[0], index=names.to_numpy())
    result["extended"] = pd.Series(extended[0], index=names.to_numpy())
    drugs = pd.Series(scored["compound_id"].to_numpy())
    result["n_signatures"] = drugs.value_counts()
    result["n_matched"] = drugs[matched.level < 2].value_counts()
    return _complete(result, scored["compound_id"].nunique())


def _shrunken(variances: np.ndarray, df: float, covariate: np.ndarray) -> tuple[np.ndarray, float]:
    """Variances shrunk towards a parabola in a covariate (logarithms), and the degrees of freedom of the result.

    Smyth 2004, doi:10.2202/1544-6115.1027, section 6.2, with the trend as in limma.
    """
    logs = np.log(variances) - special.digamma(df / 2) + np.log(df / 2)
    model = np.vander(covariate, 3)
    middle = model @ np.linalg.lstsq(model, logs, rcond=None)[0]
    free = max(len(logs) - np.linalg.matrix_rank(model), 1)
    more = ((logs - middle) ** 2).sum() / free - special.polygamma(1, df / 2)
    # The degrees of freedom the trend is worth: trigamma(half of them) = what chance does not explain.
    half = np.exp(brentq(lambda log: special.polygamma(1, np.exp(log)) - max(more, 1e-6), -9, 14))
    prior = np.exp(middle + special.digamma(half) - np.log(half))
    return (2 * half * prior + df * variances) / (2 * half + df), 2 * half + df


def _complete(result: pd.DataFrame, scored: int) -> pd.DataFrame:
    """Add z, p-values, FDR, and why they are missing."""
    counts = ["n_signatures", "n_matched", "n_queries"]
    result[counts] = result[counts].fillna(0).astype(int)
    variance, df, mean, extended = (result.pop(column) for column in ("variance", "df", "mean", "extended"))
    result["effective_n"] = (1 / variance).where(mean.notna())
    result["z"] = extended / np.sqrt(variance)
    by_rank = mean / np.sqrt(variance)
    result["p_value"] = stats.t.cdf(by_rank, df)
    result["p_two_sided"] = 2 * stats.t.sf(by_rank.abs(), df)
    tested = result["z"].notna()
    result["fdr"] = np.nan
    if tested.any():
        result.loc[tested, "fdr"] = stats.false_discovery_control(result.loc[tested, "p_value"])
    result["status"] = np.where(tested, "ok", "not_tested")
    few = f"There are {max(scored - 1, 0)} other drugs with a score, {FEWEST_DRUGS} are needed."
    equal = few if scored <= FEWEST_DRUGS else "All scores it could be compared with are equal."
    queries = "There are " + result.pop("n_queries").astype(str) + f" reference queries, {FEWEST_QUERIES} are needed."
    result["reason"] = np.select(
        [tested, result["n_signatures"] == 0, mean.isna()], ["", "It has no score.", equal], queries
    )
    return result
