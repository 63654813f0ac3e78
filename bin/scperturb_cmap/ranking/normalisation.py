"""Scores made comparable: NCS over cell lines, tau over queries, FDR against signatures without effect."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator
from scipy.sparse import csr_array

from scperturb_cmap.utils.names import VEHICLE

__all__ = ["FEWEST_NULL", "FEWEST_QUERIES", "Normalised", "Scales", "fdr_against_null", "ncs", "null_fdr", "tau"]

#: Mean scores below this would blow noise up (cmapM).
_SMALLEST_MEAN = 0.01

#: |NCS| beyond this counts as this in tau (cmapM).
_LARGEST_NCS = 4.0

#: Reference queries below which a percentile says little; signatureSearch does without from 500 down.
FEWEST_QUERIES = 100

#: Scores on one side of zero below which a null distribution has no tail to speak of.
FEWEST_NULL = 50

#: Types that are treatments with a compound all the same (cmapM).
_FOLDED = {"trt_poscon": "trt_cp", VEHICLE: "trt_cp"}


class Normalised(NamedTuple):
    """Normalised scores, and by what.

    Parameters
    ----------
    values
        NCS, shape of the scores.
    groups
        One row per group of signatures: cell_line, pert_type, n_reference, mean_positive, mean_negative, and positive_from
        and negative_from: "group", "pert_type", "cell_line", "all" (borrowed from there) or "none" (no such score at all).
    place
        Row of ``groups`` that each signature belongs to.
    """

    values: np.ndarray
    groups: pd.DataFrame
    place: np.ndarray


def ncs(scores: np.ndarray, cell_line: np.ndarray, pert_type: np.ndarray, is_reference: np.ndarray) -> Normalised:
    """Normalised connectivity score of one query.

    Score / mean of the positive (or |mean of the negative|) scores of the reference signatures of its cell line and type of
    perturbation. Zeros are left out of the means, and a mean below 0.01 counts as 0.01. A group without a reference
    signature of that sign borrows the mean over its type of perturbation, else over its cell line, else over all.

    Parameters
    ----------
    scores
        One per signature, missing values allowed.
    cell_line, pert_type
        Of the signatures. Positive controls (trt_poscon) and vehicles (ctl_vehicle) count as trt_cp.
    is_reference
        Which signatures the means are taken over: those flagged in LINCS (exemplar, Touchstone), or all.

    Returns
    -------
    Missing where the score is, or where no reference signature has its sign. A score of 0 stays 0.

    References
    ----------
    Subramanian et al. 2017, doi:10.1016/j.cell.2017.10.049; cmapM ``normalizeQueryRef``.

    Examples
    --------
    >>> found = ncs(np.array([0.2, 0.4, -0.1, 0.3]), np.array(list("AABB")), np.full(4, "trt_cp"), np.full(4, True))
    >>> found.values.round(3).tolist()
    [0.667, 1.333, -1.0, 1.0]
    >>> found.groups[["cell_line", "mean_positive", "mean_negative", "negative_from"]]
      cell_line  mean_positive  mean_negative negative_from
    0         A            0.3           -0.1     pert_type
    1         B            0.3           -0.1         group
    """
    scales, score = Scales(cell_line, pert_type, is_reference), np.asarray(scores, dtype=float)
    groups = scales.groups.copy()
    groups["n_reference"] = scales.counts(np.isfinite(score)[None])[0].astype(int)
    for name, sign in (("positive", 1), ("negative", -1)):
        mean, source = scales.means(score[None], sign)
        groups[f"mean_{name}"], groups[f"{name}_from"] = mean[0], np.array(scales.sources)[source[0]]
    positive, negative = (groups[f"mean_{name}"].to_numpy()[scales.place] for name in ("positive", "negative"))
    divisor = np.select([score > 0, score < 0, score == 0], [positive, -negative, 1.0], np.nan)
    return Normalised(score / divisor, groups, scales.place)


class Scales:
    """What scores are divided by to be normalised: who is grouped with whom is settled once, for any number of queries.

    Parameters
    ----------
    cell_line, pert_type, is_reference
        As for :func:`ncs`.

    Attributes
    ----------
    groups
        One row per group: cell_line, pert_type.
    place
        Row of ``groups`` that each signature belongs to.

    Examples
    --------
    >>> scales = Scales(np.array(list("AAB")), np.full(3, "trt_cp"), np.full(3, True))
    >>> mean, source = scales.means(np.array([[0.2, 0.4, -0.1]]), 1)
    >>> mean.round(2).tolist(), [scales.sources[n] for n in source[0]]
    ([[0.3, 0.3]], ['group', 'pert_type'])
    """

    #: Where a mean may come from, the first that is there.
    sources = ("group", "pert_type", "cell_line", "all", "none")

    def __init__(self, cell_line: np.ndarray, pert_type: np.ndarray, is_reference: np.ndarray):
        keys = ["cell_line", "pert_type"]
        folded = pd.Series(np.asarray(pert_type)).replace(_FOLDED)
        rows = pd.DataFrame({"cell_line": np.asarray(cell_line), "pert_type": folded})
        self.groups = rows[keys].drop_duplicates().sort_values(keys, ignore_index=True)
        self.place = pd.MultiIndex.from_frame(self.groups).get_indexer(pd.MultiIndex.from_frame(rows))
        reference = np.flatnonzero(np.asarray(is_reference, dtype=bool))
        every = np.zeros(len(self.groups), int)
        wider = [pd.factorize(self.groups[key])[0] for key in ("pert_type", "cell_line")]
        #: For each source: which reference signatures are in which pool, and the pool of each group.
        self._pools = [
            (
                csr_array(
                    (np.ones(len(reference)), (reference, pool[self.place[reference]])), (len(rows), pool.max() + 1)
                ),
                pool,
            )
            for pool in (np.arange(len(self.groups)), *wider, every)
        ]

    def counts(self, chosen: np.ndarray) -> np.ndarray:
        """How many reference signatures of each group are chosen: bool (n_queries, n_signatures) -> (n_queries, n_groups)."""
        return chosen.astype(float) @ self._pools[0][0]

    def means(self, scores: np.ndarray, sign: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean score of one sign for each query and group, shape (n_queries, n_groups), and the number of its source."""
        chosen = scores * sign > 0
        values = np.where(chosen, scores, 0.0)
        mean = np.full((len(scores), len(self.groups)), np.nan)
        source = np.full(mean.shape, self.sources.index("none"))
        for number, (members, pool) in enumerate(self._pools):
            n = (chosen.astype(float) @ members)[:, pool]
            new = np.isnan(mean) & (n > 0)
            mean[new], source[new] = ((values @ members)[:, pool][new] / n[new]), number
        return sign * np.maximum(sign * mean, _SMALLEST_MEAN), source


def tau(values: np.ndarray, reference: np.ndarray, fewest: int = FEWEST_QUERIES) -> np.ndarray:
    """Percentile of each |NCS| among what reference queries reach with the same signature, with the sign of the NCS.

    A signature that connects with every query gets a small tau. At the NCS of a reference query tau is the percentage of
    reference queries strictly below it, linear in between, 0 below the smallest and 100 above the largest; |NCS| beyond 4
    counts as 4. Tau ignores the size of the NCS: show both.

    Parameters
    ----------
    values
        NCS of the queries, shape (n_queries, n_signatures) or (n_signatures,).
    reference
        NCS of the reference queries, shape (n_reference_queries, n_signatures), normalised in the same way; missing values
        (such as a query's own signatures) are left out.
    fewest
        Fewest reference queries of a signature; with fewer its tau is missing.

    Returns
    -------
    -100 to 100, shape of ``values``.

    References
    ----------
    Subramanian et al. 2017, doi:10.1016/j.cell.2017.10.049; cmapM ``scoreToPercentile``.

    Examples
    --------
    >>> background = np.array([[0.5], [-1.0], [1.5], [2.0]])
    >>> tau(np.array([[1.0], [-1.25], [3.0], [0.1]]), background, fewest=4).ravel().tolist()
    [25.0, -37.5, 100.0, 0.0]
    """
    result = np.full(np.shape(values), np.nan)
    size = np.minimum(np.abs(values), _LARGEST_NCS)
    for number, column in enumerate(np.minimum(np.abs(reference), _LARGEST_NCS).T):
        known = np.sort(column[~np.isnan(column)])
        if len(known) >= fewest:
            knots, below = np.unique(known, return_index=True)
            percent = np.interp(size[..., number], knots, 100 * below / len(known), left=0, right=100)
            result[..., number] = np.sign(values[..., number]) * percent
    return result


def null_fdr(values: np.ndarray, null: np.ndarray, fewest: int = FEWEST_NULL) -> np.ndarray:
    """False discovery rate of scores, from scores that are known to mean nothing.

    For a positive score x, q(x) = P_null(X >= x) / P(X >= x) among the positive scores of either kind; mirrored for a
    negative one; at most 1, and a stronger score never has the larger q. Between the observed scores the tails are
    interpolated (pchip); beyond the null's largest its tail stays 1 / n, so that a finite null proves nothing it cannot.

    Parameters
    ----------
    values
        Scores of treatments for one query, any shape; missing values allowed.
    null
        Scores of the same query with vehicles, or of random queries.
    fewest
        Fewest null scores on a side of zero; with fewer that side's rates are missing.

    Returns
    -------
    q, shape of ``values``; 1 for a score of 0.

    References
    ----------
    Subramanian et al. 2005, doi:10.1073/pnas.0506580102; cmapM ``computeFDRGsea``, which instead extrapolates q to 0 beyond
    the null.

    Examples
    --------
    >>> null_fdr(np.array([3.0, 1.0, 0.0, -2.5]), np.array([0.5, 1.0, 1.5, 2.0, -0.5, -0.6, -2.5]), fewest=3).round(3)
    array([0.5  , 0.75 , 1.   , 0.333])
    """
    values, null = np.asarray(values, dtype=float), np.asarray(null, dtype=float)
    q = np.where(values == 0, 1.0, np.nan)
    for sign in (1, -1):
        mine = sign * values > 0
        background = sign * null[sign * null > 0]
        if mine.any() and len(background) >= fewest:
            scores = sign * values[mine]
            rate = np.minimum(_tail(background, scores) / _tail(scores, scores), 1)
            order = np.argsort(scores, kind="stable")
            best = np.empty_like(rate)
            best[order] = np.minimum.accumulate(rate[order])
            q[mine] = best
    return q


def fdr_against_null(
    values: np.ndarray, is_vehicle: np.ndarray, random_queries: np.ndarray | None = None
) -> tuple[np.ndarray, str]:
    """FDR of one query's scores against the best null there is, and which that was.

    Parameters
    ----------
    values
        NCS of all signatures, shape (n_signatures,).
    is_vehicle
        Which signatures are vehicle controls.
    random_queries
        NCS of random queries with the signatures, any shape; used where vehicles are too few.

    Returns
    -------
    q
        As :func:`null_fdr` gives it; missing for the vehicles themselves.
    null
        "vehicles", "random queries", or "none" (then all are missing).

    Examples
    --------
    >>> fdr_against_null(np.array([1.0, -1.0]), np.array([False, False]))
    (array([nan, nan]), 'none')
    """
    vehicles = values[is_vehicle]
    fewest = min((vehicles > 0).sum(), (vehicles < 0).sum())
    null, name = (vehicles, "vehicles") if fewest >= FEWEST_NULL else (random_queries, "random queries")
    q = np.full(len(values), np.nan)
    if null is None:
        return q, "none"
    q[~is_vehicle] = null_fdr(values[~is_vehicle], np.ravel(null))
    return q, name


def _tail(known: np.ndarray, at: np.ndarray) -> np.ndarray:
    """P(X >= x), interpolated between the values known and constant beyond them."""
    knots, counts = np.unique(known, return_counts=True)
    tail = counts[::-1].cumsum()[::-1] / len(known)
    if len(knots) == 1:
        return np.full(len(at), tail[0])
    return PchipInterpolator(knots, tail)(np.clip(at, knots[0], knots[-1]))
