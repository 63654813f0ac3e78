"""Replicate wells -> signatures: robust z per plate (Level 3 -> 4), MODZ over replicates (Level 4 -> 5), their strength."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

__all__ = ["Collapsed", "modz", "plate_scale", "robust_z", "tas"]

#: CMap clips z before replicates are combined, and gives no replicate less than this weight.
_CLIP, _LEAST_WEIGHT = 10.0, 0.01

#: Makes the median absolute deviation the standard deviation of a normal distribution; its floor, in log2 units.
_MAD, _LEAST_MAD = 1.4826, 0.1

#: With fewer wells a plate's median and spread say little about its other wells.
_FEWEST_WELLS = 10

#: A landmark that moved: |z| of at least this.
_MOVED = 2.0


@dataclass(frozen=True)
class Collapsed:
    """Several replicates as one signature.

    Parameters
    ----------
    signature
        Weighted mean z, shape (n_genes,); NaN where no replicate has the gene.
    weights
        Of the replicates, sum 1, shape (n_replicates,).
    correlation
        75th percentile of the pairwise Spearman correlations over the landmarks, 0 to 1; NaN for one replicate.
    """

    signature: np.ndarray
    weights: np.ndarray
    correlation: float


def plate_scale(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and robust standard deviation of every gene over the wells of one plate.

    All wells count, not only vehicles (population control, as in LINCS Level 4): most compounds do little to most genes.

    Parameters
    ----------
    values
        Log2 expression, shape (n_wells, n_genes).

    Returns
    -------
    median, scale
        Shape (n_genes,); scale = max(1.4826 MAD, 0.1). NaN for a plate of fewer than 10 wells.

    References
    ----------
    Subramanian et al. 2017, doi:10.1016/j.cell.2017.10.049; cmapM robust_zscore.

    Examples
    --------
    >>> median, scale = plate_scale(np.arange(11.0)[:, None])
    >>> median, scale.round(3)
    (array([5.]), array([4.448]))
    """
    if len(values) < _FEWEST_WELLS:
        nothing = np.full(values.shape[1], np.nan)
        return nothing, nothing
    values = np.asarray(values, float)
    median = np.median(values, axis=0)
    return median, np.maximum(_MAD * np.median(np.abs(values - median), axis=0), _LEAST_MAD)


def robust_z(values: np.ndarray, plates: np.ndarray) -> np.ndarray:
    """Z-scores of wells against the other wells of their plate (:func:`plate_scale`); shape of ``values``.

    Examples
    --------
    >>> robust_z(np.arange(11.0)[:, None], np.array(["p"] * 11))[[5, 10], 0].round(3)
    array([0.   , 1.124])
    """
    z = np.empty(values.shape)
    for plate in np.unique(plates):
        mine = plates == plate
        median, scale = plate_scale(values[mine])
        z[mine] = (values[mine] - median) / scale
    return z


def modz(replicates: np.ndarray, landmarks: np.ndarray) -> Collapsed:
    """Moderated z: replicates weighted by how well each agrees with the others.

    z is clipped to +-10. The weight of a replicate is half the sum of its Spearman correlations with the others over the
    landmarks, negative ones counted as 0, at least 0.01, over the sum of all weights. One replicate passes through; two have
    equal weights. A gene that a replicate lacks takes its mean over the others; a correlation that is not defined counts as 0.

    Parameters
    ----------
    replicates
        Level 4 z, shape (n_replicates, n_genes), NaN = missing.
    landmarks
        Which genes are landmarks, bool, shape (n_genes,); all genes are compared where none is.

    References
    ----------
    Subramanian et al. 2017, doi:10.1016/j.cell.2017.10.049; cmapM modzs, cmapPy agg_wt_avg.

    Examples
    --------
    >>> found = modz(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [3.0, 2.0, 1.0]]), np.ones(3, bool))
    >>> found.weights.round(3), found.signature.round(3), round(found.correlation, 2)
    (array([0.495, 0.495, 0.01 ]), array([1.02 , 2.   , 3.475]), 0.0)
    """
    z = np.clip(np.asarray(replicates, float), -_CLIP, _CLIP)
    n = len(z)
    weights, correlation = np.full(n, 1 / n), np.nan
    if n > 1:
        rho = _spearman(z[:, landmarks] if landmarks.any() else z)
        pairs = rho[np.triu_indices(n, 1)]
        correlation = float(np.clip(np.percentile(pairs, 75), 0, 1))
        np.fill_diagonal(rho, 0)
        weights = np.maximum(0.5 * np.clip(rho, 0, None).sum(axis=1), _LEAST_WEIGHT)
        weights /= weights.sum()
    there = ~np.isnan(z)
    total = weights @ there
    with np.errstate(invalid="ignore", divide="ignore"):
        signature = np.where(total > 0, (weights @ np.where(there, z, 0)) / total, np.nan)
    return Collapsed(signature, weights, correlation)


def tas(
    signature: np.ndarray, landmarks: np.ndarray, n_replicates: int, correlation: float, most_replicates: int
) -> float:
    """Transcriptional activity score: how strong and how reproducible a signature is, 0 to 1.

    The geometric mean of the number of landmarks with abs(z) >= 2, times the root of the number of replicates, and the
    replicate correlation, over its largest possible value. "Largest possible" needs the largest number of replicates in
    the reference (``most_replicates``), so that the score does not depend on how the reference is read.

    Parameters
    ----------
    signature
        Level 5 z, shape (n_genes,).
    landmarks
        Which genes are landmarks; those with a value count (978 in L1000).
    n_replicates, correlation
        Of the signature (:class:`Collapsed`).
    most_replicates
        The largest number of replicates of a signature of the reference.

    Returns
    -------
    NaN for a single replicate, whose correlation is not known.

    References
    ----------
    Subramanian et al. 2017, doi:10.1016/j.cell.2017.10.049; cmapM tas_ngene.

    Examples
    --------
    >>> round(tas(np.array([3.0, -2.5, 0.0, 1.0]), np.ones(4, bool), 3, 0.5, 3), 3)
    0.5
    """
    mine = signature[landmarks]
    measured = np.isfinite(mine).sum()
    if n_replicates < 2 or not measured:
        return np.nan
    strength = np.sum(np.abs(mine) >= _MOVED) * np.sqrt(n_replicates)
    most = measured * np.sqrt(most_replicates)
    return float(np.sqrt(max(strength, 1e-3) * np.clip(correlation, 1e-3, 1) / most))


def _spearman(z: np.ndarray) -> np.ndarray:
    """Correlations of ranks between rows, over the genes both have; 0 where there is none. Shape (n, n)."""
    z = z[:, ~np.isnan(z).all(axis=0)]
    if not np.isnan(z).any():
        return _correlations(rankdata(z, axis=1))
    rho = np.eye(len(z))
    for a in range(len(z)):
        for b in range(a):
            both = ~np.isnan(z[[a, b]]).any(axis=0)
            rho[a, b] = rho[b, a] = _correlations(rankdata(z[[a, b]][:, both], axis=1))[0, 1] if both.sum() > 2 else 0
    return rho


def _correlations(ranks: np.ndarray) -> np.ndarray:
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=1))
    norm[norm == 0] = np.inf  # all tied: no correlation with anything
    return (centred / norm[:, None]) @ (centred / norm[:, None]).T
