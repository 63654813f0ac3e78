"""How likely a drug reverses a signature by chance: matched ranks, and what correlated signatures are worth."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats
from scipy.optimize import brentq

__all__ = ["FEWEST_DRUGS", "Matched", "drug_significance", "match_signatures", "normal_scores", "variance_of_mean"]

#: Other drugs a signature must be compared with; below, one drug's chance decides the rank.
FEWEST_DRUGS = 20

#: Most parts the strength of a cell line's signatures is cut into.
_STRENGTH_BINS = 5

#: Signatures of a drug that scatter less count as this: equal scores, as WTCS gives, are no measurement of scatter.
_SMALLEST_SCATTER = 0.01

#: Squares of z beyond this count as this when the spread of all drugs is measured: true reversers must not widen it.
_BULK = 2.0

#: What the mean of such squares is for a standard normal z.
_BULK_MEAN = stats.chi2.cdf(_BULK**2, 3) + _BULK**2 * stats.chi2.sf(_BULK**2, 1)

#: Why more of something counts as one.
UNKNOWN = "How alike the {0} of one {1} are cannot be told from so few: they count as one."


class Matched(NamedTuple):
    """Signatures and what each is compared with.

    Parameters
    ----------
    drug
        Code of the drug, shape (n_signatures,).
    levels
        Codes of the strata, the finest first.
    """

    drug: np.ndarray
    levels: list[np.ndarray]


def match_signatures(table: pd.DataFrame, by: Sequence[str] = ("reference", "cell_line")) -> Matched:
    """Say which signatures a signature is compared with: those of the same cell line and similar strength.

    The first level is the group (reference and cell line) within a part of the group's range of strength: as many equal
    parts, at most 5, as leave twice :data:`FEWEST_DRUGS` drugs in each; unknown strength is a part of its own. The second
    is the whole group, the third all signatures.

    Parameters
    ----------
    table
        One row per signature: compound_id, the columns ``by``, and tas, their strength (missing where unknown).
    by
        What must be equal.

    Examples
    --------
    >>> table = pd.DataFrame({"compound_id": list("aabb"), "cell_line": list("XYXY"), "tas": np.nan})
    >>> [level.tolist() for level in match_signatures(table, ["cell_line"]).levels]
    [[0, 1, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0]]
    """
    drug = pd.factorize(table["compound_id"])[0]
    group = table.groupby(list(by), sort=False, dropna=False, observed=True).ngroup().to_numpy()
    strength = table["tas"].astype(float).reset_index(drop=True)
    drugs = pd.Series(drug).groupby(group).transform("nunique")
    parts = (drugs // (2 * FEWEST_DRUGS)).clip(1, _STRENGTH_BINS)
    # The percentile in the group, cut into equal parts.
    part = np.ceil(strength.groupby(group).rank(pct=True) * parts).fillna(0)
    fine = pd.DataFrame({"group": group, "part": part}).groupby(["group", "part"], sort=False).ngroup().to_numpy()
    return Matched(drug, [fine, group, np.zeros(len(table), dtype=int)])


def drug_significance(
    table: pd.DataFrame, score: str, *, by: Sequence[str] = ("reference", "cell_line")
) -> pd.DataFrame:
    r"""p-value and false discovery rate of each drug for one population.

    The null hypothesis: the drug is connected with the population no more than drugs are by signatures of the same cell
    lines and strengths. Each score is ranked among those of *other* drugs that it is matched with
    (:func:`match_signatures`; the next level where a stratum holds fewer than :data:`FEWEST_DRUGS` other drugs or only
    equal scores) and becomes a normal score, x = Phi^-1((lower + equal / 2 + 1) / (others + 2)) (van der Waerden). With
    the mean over a drug's n signatures,

    .. math:: z = \bar x / \sqrt{V}, \quad p = T_d(z), \quad V = (1 + (n - 1) \rho) / n,

    where rho says how alike two of the drug's signatures are, estimated from their scatter (:func:`variance_of_mean`), and
    T_d is Student's distribution with the degrees of freedom of that estimate (normal for a drug with one signature). A drug
    with an effect on everything (inhibitors of HSP90 or of histone deacetylases) reaches further under any query, in one
    direction or the other; one query cannot tell that from reversal.

    Parameters
    ----------
    table
        One row per signature: compound_id, the columns ``by``, tas (strength; missing where unknown), ``score``.
    score
        Column of scores, negative = reversal, missing values left out.
    by
        What is matched exactly.

    Returns
    -------
    Index compound_id; columns n_signatures (with a score), n_matched (of these, compared within their group),
    effective_n (1 / V: as many independent signatures would be worth as much), z, p_value (reversal), p_two_sided, fdr
    (Benjamini-Hochberg over the drugs tested, of p_value), status ("ok" or "not_tested"), reason.

    References
    ----------
    van der Waerden 1952 (normal scores); Wu, Smyth 2012, doi:10.1093/nar/gks461 (correlation inflates the variance of a
    set's mean); Benjamini, Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame({"compound_id": np.repeat([f"drug {n}" for n in range(50)], 4), "cell_line": ["A", "B"] * 100})
    >>> table["wtcs"] = rng.normal(size=200) - 3 * (table["compound_id"] == "drug 7")
    >>> found = drug_significance(table.assign(tas=np.nan), "wtcs", by=["cell_line"])
    >>> found.index[found["fdr"] < 0.1].tolist(), round(float(found.loc["drug 7", "p_value"]), 4)
    (['drug 7'], 0.0011)
    """
    values = table[score].to_numpy(float)
    there = ~np.isnan(values)
    scored = table[there]
    result = pd.DataFrame(index=pd.Index(table["compound_id"].unique(), name="compound_id").sort_values())
    if scored.empty:
        return _complete(result.assign(n_signatures=0, n_matched=0, effective_n=np.nan, z=np.nan, df=np.nan), 0, True)
    matched = match_signatures(scored, by)
    normal, level = normal_scores(values[there], matched)
    strength = scored["tas"].to_numpy(float)
    rows = pd.DataFrame({"drug": scored["compound_id"].to_numpy(), "x": normal, "strength": strength, "level": level})
    compared = rows[rows["x"].notna()]
    spread, known = variance_of_mean(compared)
    result["n_signatures"] = scored.groupby("compound_id").size()
    result["n_matched"] = compared[compared["level"] < 2].groupby("drug").size()
    result["effective_n"] = 1 / spread["variance"]
    result["z"] = compared.groupby("drug")["x"].mean() / np.sqrt(spread["variance"])
    result["df"] = spread["df"]
    return _complete(result, scored["compound_id"].nunique(), known)


def normal_scores(values: np.ndarray, matched: Matched) -> tuple[np.ndarray, np.ndarray]:
    """Normal score of each signature by its rank among matched signatures of other drugs.

    Parameters
    ----------
    values
        Scores, shape (n_signatures,), missing values allowed.
    matched
        What each is compared with.

    Returns
    -------
    normal
        Missing where at no level there is enough to compare with.
    level
        The level used: 0 group and strength, 1 group, 2 all.
    """
    normal, used = np.full(len(values), np.nan), np.full(len(values), len(matched.levels))
    scores, present = pd.Series(values), ~np.isnan(values)
    for level, stratum in enumerate(matched.levels):
        within = scores.groupby(stratum)
        drugs = pd.Series(np.where(present, matched.drug, np.nan)).groupby(stratum).transform("nunique")
        enough = (drugs > FEWEST_DRUGS) & (within.transform("min") < within.transform("max"))
        # Ranks among all less ranks among the drug's own: how many others are lower, equal ones counted half.
        mine = scores.groupby([stratum, matched.drug])
        lower = within.rank() - mine.rank()
        others = within.transform("count") - mine.transform("count")
        new = np.isnan(normal) & present & enough.to_numpy()
        normal[new] = stats.norm.ppf((lower[new] + 1) / (others[new] + 2))
        used[new] = level
    return normal, used


def variance_of_mean(rows: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    r"""Variance of the mean normal score of each drug, given how alike its signatures are in this run.

    Normal scores have variance 1, so what a drug's signatures do not scatter they share: rho = 1 - s^2, with s^2 the
    variance within the drug, shrunk towards that of drugs of like strength by as much as differences are chance (Smyth
    2004). A shift of all of a drug's signatures, which is what is looked for, leaves s^2 alone. Many drugs that reverse or
    mimic make the rest look more alike than they are; therefore all n rho of drugs of like strength are multiplied by the
    one factor, at most 1, with which the mean of min(z^2, 4) over them is what it is for a normal z.

    Parameters
    ----------
    rows
        One row per signature: drug, x (normal score), strength (missing where unknown).

    Returns
    -------
    spread
        Index = drug; columns variance, and df, its degrees of freedom (infinite where n is 1, for it is then 1).
    known
        False where fewer than :data:`FEWEST_DRUGS` drugs have several signatures: they then count as one.

    References
    ----------
    Smyth 2004, doi:10.2202/1544-6115.1027 (shrunken variances); Huber 1981, doi:10.1002/0471725250 (proposal 2).
    """
    by_drug = rows.groupby("drug")
    drugs = pd.DataFrame({"n": by_drug.size(), "total": by_drug["x"].sum(), "within": by_drug["x"].var()})
    strength = by_drug["strength"].mean()
    several = drugs["n"] > 1
    if several.sum() < FEWEST_DRUGS:
        return pd.DataFrame({"variance": 1.0, "df": np.inf}, index=drugs.index), False
    parts = int(np.clip(several.sum() // (3 * FEWEST_DRUGS), 1, _STRENGTH_BINS))
    # Unknown strength is taken for the middle.
    part = np.ceil(strength[several].rank(pct=True).fillna(0.5) * parts)
    spread = pd.DataFrame({"variance": 1.0, "df": np.inf}, index=drugs.index)
    for _, mine in drugs[several].groupby(part):
        spread.loc[mine.index] = _variance_of_alike(mine)
    return spread, True


def _variance_of_alike(drugs: pd.DataFrame) -> pd.DataFrame:
    """As :func:`variance_of_mean` for drugs of like strength with several signatures: n, total (sum of x), within (variance)."""
    n, total = drugs["n"], drugs["total"]
    within, prior_df = shrunken(drugs["within"].clip(lower=_SMALLEST_SCATTER), n - 1)
    shared = n * (n - 1) * (1 - within).clip(lower=0)

    def excess(factor: float) -> float:
        return (total**2 / (n + factor * shared)).clip(upper=_BULK**2).mean() - _BULK_MEAN

    # As it is where the drugs scatter more than supposed, nothing where they scatter less even so.
    factor = 1.0 if excess(1) >= 0 else brentq(excess, 0, 1) if excess(0) > 0 else 0.0
    return pd.DataFrame({"variance": (n + factor * shared) / n**2, "df": prior_df + n - 1})


def shrunken(variances: pd.Series, df: pd.Series) -> tuple[pd.Series, float]:
    """Variances shrunk towards what is common to them (empirical Bayes).

    Parameters
    ----------
    variances
        Above 0.
    df
        Their degrees of freedom, which also weight them.

    Returns
    -------
    The variances, and the degrees of freedom that what is common is worth.

    References
    ----------
    Smyth 2004, doi:10.2202/1544-6115.1027, section 6.2.

    Examples
    --------
    >>> alike, _ = shrunken(pd.Series([0.8, 1.0, 1.2, 1.0]), pd.Series([9] * 4))
    >>> alike.round(2).tolist()  # chance alone would give larger differences
    [1.11, 1.11, 1.11, 1.11]
    """
    logs = np.log(variances) - special.digamma(df / 2) + np.log(df / 2)
    middle = np.average(logs, weights=df)
    chance = np.average(special.polygamma(1, df / 2), weights=df)
    more = np.average((logs - middle) ** 2, weights=df) * len(logs) / max(len(logs) - 1, 1) - chance
    # The degrees of freedom the common value is worth: trigamma(half of them) = what chance does not explain.
    half = np.exp(brentq(lambda log: special.polygamma(1, np.exp(log)) - max(more, 1e-6), -9, 14))
    prior = np.exp(middle + special.digamma(half) - np.log(half))
    return (2 * half * prior + df * variances) / (2 * half + df), 2 * half


def _complete(result: pd.DataFrame, scored: int, known: bool) -> pd.DataFrame:
    """Add p-values, FDR, and why one is missing or careful."""
    counts = ["n_signatures", "n_matched"]
    result[counts] = result[counts].fillna(0).astype(int)
    result["p_value"] = stats.t.cdf(result["z"], result["df"])
    result["p_two_sided"] = 2 * stats.t.sf(result["z"].abs(), result.pop("df"))
    tested = result["z"].notna()
    result["fdr"] = np.nan
    result.loc[tested, "fdr"] = stats.false_discovery_control(result.loc[tested, "p_value"])
    result["status"] = np.where(tested, "ok", "not_tested")
    few = f"There are {max(scored - 1, 0)} other drugs with a score, {FEWEST_DRUGS} are needed."
    why = few if scored <= FEWEST_DRUGS else "All scores it could be compared with are equal."
    one = tested & (result["n_signatures"] > 1) & (not known)
    cases = [one, tested, result["n_signatures"] == 0]
    result["reason"] = np.select(cases, [UNKNOWN.format("signatures", "drug"), "", "It has no score."], why)
    return result
