"""Do drugs that treat a disease, or kill its cells, reverse its signature? Always beside a null, never as a promise."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binomtest, rankdata, spearmanr

from scperturb_cmap.validation.uncertainty import cluster_interval

__all__ = ["Agreement", "Recovery", "indication_recovery", "sensitivity_agreement"]

#: With fewer known drugs in the reference nothing is measured.
FEWEST_DRUGS = 3

#: Fewer say nothing of a correlation.
FEWEST_MEASURED = 10


class Recovery(NamedTuple):
    """Result for one population.

    Parameters
    ----------
    auroc
        Share of pairs of an indicated drug and a matched other one in which the indicated reverses more; NaN with a reason.
    low, high
        95 % interval over the indicated drugs.
    p
        How often drugs taken at random, with as many indications each, reach as much.
    null_low, null_high
        Where 95 % of these lie.
    n
        Indicated drugs in the reference.
    reason
        Why nothing was measured, or "".
    """

    auroc: float
    low: float
    high: float
    p: float
    null_low: float
    null_high: float
    n: int
    reason: str


def indication_recovery(
    scores: pd.Series, indicated: set[str], degree: pd.Series, *, n_null: int = 1000, seed: int = 0
) -> Recovery:
    """Area under the curve of reversal against drugs with as many indications, and its permutation null.

    Drugs with many indications are strong, old and well-measured: against drugs with none even a random score finds them
    (evaluation by popularity). So an indicated drug is compared only with drugs that have as many *other* indications as it
    has, and the null draws from the same.

    Parameters
    ----------
    scores
        compound_id -> score; negative reverses.
    indicated
        Compounds that treat the disease.
    degree
        compound_id -> number of other diseases it treats; 0 where it is not named.
    n_null, seed
        Of the permutations.

    Examples
    --------
    >>> scores = pd.Series(range(40), [f"c{n}" for n in range(40)], dtype=float)
    >>> found = indication_recovery(scores, {"c0", "c1", "c2"}, pd.Series(dtype=int))
    >>> found.auroc, found.n, found.p < 0.01
    (1.0, 3, True)
    """
    scores = scores.dropna()
    mine = scores.index.isin(indicated)
    n = int(mine.sum())
    if n < FEWEST_DRUGS or mine.all():
        reason = f"{n} drugs with this indication are in the reference, {FEWEST_DRUGS} are needed"
        return Recovery(*[float("nan")] * 6, n, reason)
    level = np.minimum(degree.reindex(scores.index).fillna(0).to_numpy(int), 5)  # five and more are alike
    values, random = scores.to_numpy(float), np.random.default_rng(seed)
    strata = [np.flatnonzero(level == one) for one in np.unique(level)]
    below = [rankdata(-values[rows]) - 1 for rows in strata]  # drugs of the stratum that reverse less

    def area(positive: np.ndarray) -> np.ndarray:
        """Per positive drug: share of the stratum's other drugs that reverse less, positives left out; NaN without any."""
        out = np.full(len(values), np.nan)
        for rows, place in zip(strata, below, strict=True):
            yes = positive[rows]
            if yes.any() and not yes.all():
                among = rankdata(-values[rows][yes]) - 1
                out[rows[yes]] = (place[yes] - among) / (len(rows) - yes.sum())
        return out[positive]

    place = area(mine)
    place = place[np.isfinite(place)]
    if len(place) < FEWEST_DRUGS:
        return Recovery(*[float("nan")] * 6, n, "no other drugs with as many indications to compare with")
    drawn_of = [int(mine[rows].sum()) for rows in strata]
    null = np.empty(n_null)
    for number in range(n_null):
        drawn = np.zeros(len(values), bool)
        for rows, n_drawn in zip(strata, drawn_of, strict=True):
            if n_drawn:
                drawn[random.choice(rows, n_drawn, replace=False)] = True
        null[number] = np.nanmean(area(drawn))
    reached = place.mean()
    p = (1 + (null >= reached - 1e-12).sum()) / (1 + n_null)
    bounds = (*_interval(place, seed), p, *np.quantile(null, [0.025, 0.975]))
    return Recovery(float(reached), *map(float, bounds), n, "")


def _interval(place: np.ndarray, seed: int) -> tuple[float, float]:
    """Interval of the mean of values between 0 and 1.

    Where all are the same, as where every drug was found, drawing them again would say that nothing is uncertain: there it is
    that of a share (Wilson 1927, doi:10.1080/01621459.1927.10502953), which is made for the largest variance possible.
    """
    if np.ptp(place) == 0:
        found = binomtest(round(place[0] * len(place)), len(place)).proportion_ci(method="wilson")
        return float(found.low), float(found.high)
    low, high = cluster_interval(place, [str(n) for n in range(len(place))], seed=seed)[:, 0]
    return max(0.0, float(low)), min(1.0, float(high))


class Agreement(NamedTuple):
    """Result for one population.

    Parameters
    ----------
    spearman
        Rank correlation of drug score and sensitivity; positive where drugs that reverse more kill more. NaN with a reason.
    low, high
        95 % interval; drugs are drawn again.
    p
        How often sensitivities exchanged between the drugs give as much.
    n
        Drugs with both.
    reason
        Why nothing was measured, or "".
    """

    spearman: float
    low: float
    high: float
    p: float
    n: int
    reason: str


def sensitivity_agreement(
    scores: pd.Series, sensitivity: pd.Series, *, n_null: int = 1000, n_draws: int = 2000, seed: int = 0
) -> Agreement:
    """Spearman's correlation of the scores of drugs and of how many cells these leave alive.

    Parameters
    ----------
    scores
        compound_id -> score; negative reverses.
    sensitivity
        compound_id -> AUC or log IC50: the lower, the more cells the drug kills.
    n_null, n_draws, seed
        Permutations, draws of the bootstrap, and the seed of both.

    Examples
    --------
    >>> scores = pd.Series(range(12), [f"c{n}" for n in range(12)], dtype=float)
    >>> found = sensitivity_agreement(scores, scores**3)
    >>> found.spearman, found.n, found.p < 0.01
    (1.0, 12, True)
    >>> sensitivity_agreement(scores, scores[:4]).reason
    '4 drugs with a sensitivity are in the reference, 10 are needed'
    """
    both = pd.concat([scores, sensitivity], axis=1, join="inner").dropna().to_numpy(float)
    n = len(both)
    if n < FEWEST_MEASURED:
        reason = f"{n} drugs with a sensitivity are in the reference, {FEWEST_MEASURED} are needed"
        return Agreement(*[float("nan")] * 4, n, reason)
    if (np.ptp(both, axis=0) == 0).any():
        return Agreement(*[float("nan")] * 4, n, "all drugs have one score or one sensitivity")
    random, reached = np.random.default_rng(seed), float(spearmanr(*both.T).statistic)
    mine, theirs = (rankdata(side) for side in both.T)
    null = _correlations(np.broadcast_to(mine, (n_null, n)), random.permuted(np.tile(theirs, (n_null, 1)), axis=1))
    drawn = random.integers(n, size=(n_draws, n))
    draws = _correlations(*(rankdata(side[drawn], axis=1) for side in both.T))
    p = (1 + (null >= reached - 1e-12).sum()) / (1 + n_null)
    return Agreement(reached, *map(float, np.nanquantile(draws, [0.025, 0.975])), float(p), n, "")


def _correlations(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Of each row with the row beside it; NaN where one is constant."""
    off = [side - side.mean(axis=1, keepdims=True) for side in (mine, theirs)]
    size = np.sqrt((off[0] ** 2).sum(axis=1) * (off[1] ** 2).sum(axis=1))
    return np.divide((off[0] * off[1]).sum(axis=1), size, out=np.full(len(mine), np.nan), where=size > 0)
