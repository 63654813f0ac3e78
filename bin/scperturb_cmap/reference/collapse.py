"""Replicate wells -> signatures: robust z per plate (Level 3 -> 4), MODZ over replicates (Level 4 -> 5), their strength."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

__all__ = ["FEWEST_WELLS", "Collapsed", "modz", "plate_scale", "plate_z", "robust_z", "strength", "tas"]

#: CMap clips z before replicates are combined, and gives no replicate less than this weight.
_CLIP, _LEAST_WEIGHT = 10.0, 0.01

#: Makes the median absolute deviation the standard deviation of a normal distribution; its floor, in log2 units.
_MAD, _LEAST_MAD = 1.4826, 0.1

#: The standard error of a scale from the MAD is 1.16 / sqrt(n) of it for normal values: 37 % with 10 wells, 6 % with 380.
FEWEST_WELLS = 10

#: Two genes always correlate perfectly.
_FEWEST_GENES = 3

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
        Log2 expression, shape (n_wells, n_genes); what is not finite is missing.

    Returns
    -------
    median, scale
        In log2 units, shape (n_genes,); scale = 1.4826 max(MAD, 0.1). NaN for a gene that fewer than 10 wells have, and
        so for every gene of a smaller plate.

    References
    ----------
    Subramanian et al. 2017, doi:10.1016/j.cell.2017.10.049; cmapM robust_zscore.

    Examples
    --------
    >>> median, scale = plate_scale(np.arange(11.0)[:, None])
    >>> median, scale.round(3)
    (array([5.]), array([4.448]))
    """
    values = _finite(values)
    median, scale = np.full((2, values.shape[1]), np.nan)
    enough = (~np.isnan(values)).sum(axis=0) >= FEWEST_WELLS
    mine = values[:, enough]
    middle = np.nanmedian if np.isnan(mine).any() else np.median  # the latter is many times faster
    median[enough] = middle(mine, axis=0)
    scale[enough] = _MAD * np.maximum(middle(np.abs(mine - median[enough]), axis=0), _LEAST_MAD)
    return median, scale


def plate_z(
    values: np.ndarray, plates: Iterable[str], scales: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Z-scores of wells by what :func:`plate_scale` gives of their plates; NaN where a plate has none.

    Examples
    --------
    >>> plate_z(np.array([[7.0], [9.0]]), ["p", ""], {"p": (np.array([5.0]), np.array([4.0]))}).tolist()
    [[0.5], [nan]]
    """
    z = np.full(np.shape(values), np.nan)
    for n, plate in enumerate(plates):
        if plate in scales:
            median, scale = scales[plate]
            z[n] = (values[n] - median) / scale
    return z


def robust_z(values: np.ndarray, plates: np.ndarray) -> np.ndarray:
    """Z-scores of wells against all wells of their plate: (x - median) / (1.4826 max(MAD, 0.1)), Level 3 -> Level 4.

    Parameters
    ----------
    values
        Log2 expression, shape (n_wells, n_genes); what is not finite is missing.
    plates
        Plate of every well, shape (n_wells,).

    Returns
    -------
    float64, shape of ``values``. NaN where a value is missing, where fewer than 10 wells of the plate have the gene
    (:func:`plate_scale`), and for wells without a plate ("", None, NaN).

    Raises
    ------
    ValueError
        There is not one plate per well.

    References
    ----------
    Subramanian et al. 2017, doi:10.1016/j.cell.2017.10.049; cmapM robust_zscore.

    Examples
    --------
    >>> robust_z(np.arange(11.0)[:, None], np.array(["p"] * 11))[[5, 10], 0].round(3)
    array([0.   , 1.124])
    """
    if len(values) != len(plates):
        raise ValueError(f"{len(values)} wells, but {len(plates)} plates of wells.")
    values = _finite(values)
    labels = pd.Series(plates, dtype=object)
    known = labels[labels.notna() & (labels != "")].unique()
    return plate_z(values, labels, {plate: plate_scale(values[labels == plate]) for plate in known})


def modz(replicates: np.ndarray, landmarks: np.ndarray) -> Collapsed:
    """Moderated z: replicates weighted by how well each agrees with the others.

    z is clipped to +-10. The weight of a replicate is half the sum of its Spearman correlations with the others over the
    landmarks, negative ones counted as 0, at least 0.01, over the sum of all weights. One replicate passes through; two have
    equal weights. A gene that a replicate lacks takes its mean over the others. A correlation that is not defined (all values
    tied, fewer than 3 landmarks that both have) counts as 0.

    Parameters
    ----------
    replicates
        Level 4 z, shape (n_replicates, n_genes); what is not finite is missing.
    landmarks
        Which genes are landmarks, bool, shape (n_genes,); all genes are compared where none is.

    Returns
    -------
    Signature, weights and replicate correlation. The 75th percentile is taken of all pairs, then clipped, with numpy's
    linear interpolation; cmapM replicateStats sets negative pairs to 0 first.

    Raises
    ------
    ValueError
        There is no replicate, or the mask does not fit the genes.

    References
    ----------
    Subramanian et al. 2017, doi:10.1016/j.cell.2017.10.049; cmapM modzs, cmapPy agg_wt_avg.

    Examples
    --------
    >>> found = modz(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [3.0, 2.0, 1.0]]), np.ones(3, bool))
    >>> found.weights.round(3), found.signature.round(3), round(found.correlation, 2)
    (array([0.495, 0.495, 0.01 ]), array([1.02 , 2.   , 3.475]), 0.0)
    """
    z = np.clip(_finite(replicates), -_CLIP, _CLIP)
    n = len(z)
    if not n or z.shape[1:] != landmarks.shape:
        raise ValueError(f"Replicates of shape {z.shape} with a mask of shape {landmarks.shape}.")
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


def strength(signature: np.ndarray, landmarks: np.ndarray) -> int:
    """How many landmarks moved: abs(z) of at least 2 (CMap's ss_ngene).

    Parameters
    ----------
    signature
        Level 5 z, shape (n_genes,), NaN = missing.
    landmarks
        Which genes are landmarks, bool, shape (n_genes,).

    References
    ----------
    cmapM ssNgene.

    Examples
    --------
    >>> strength(np.array([2.0, -2.5, 1.9, np.nan, 9.0]), np.array([True, True, True, True, False]))
    2
    """
    return int(np.sum(np.abs(signature[landmarks]) >= _MOVED))


def tas(signature: np.ndarray, landmarks: np.ndarray, n_replicates: int, correlation: float) -> float:
    r"""Transcriptional activity score: how strong and how reproducible a signature is, 0 to 1.

    .. math:: TAS = \sqrt{\#\{g: |z_g| \sqrt{n} \geq 2\} \, C / L}

    The geometric mean of the share of landmarks that moved, their z times the root of the number of replicates, and of the
    replicate correlation. It depends on nothing but the signature, so thresholds such as 0.2 mean the same in every
    reference, and the same as for the TAS that LINCS ships.

    Parameters
    ----------
    signature
        Level 5 z, shape (n_genes,).
    landmarks
        Which genes are landmarks; those with a value count (L, 978 in L1000).
    n_replicates, correlation
        n and C of the signature (:class:`Collapsed`); a negative correlation counts as 0.

    Returns
    -------
    NaN for a single replicate, whose correlation is not known, and where no landmark has a value.

    References
    ----------
    Subramanian et al. 2017, doi:10.1016/j.cell.2017.10.049; cmapM distil, computeTASFromBuild. Its tas_ngene multiplies the
    count instead of z by the root of n, over the largest n of the data: that score differs from one reference to the next.

    Examples
    --------
    >>> round(tas(np.array([3.0, -1.5, 0.0, 1.0]), np.ones(4, bool), 2, 0.5), 3)
    0.5
    """
    measured = np.isfinite(signature[landmarks]).sum()
    if n_replicates < 2 or not measured:
        return np.nan
    moved = strength(signature * np.sqrt(n_replicates), landmarks)
    return float(np.sqrt(moved * np.clip(correlation, 0, 1) / measured))


def _finite(values: np.ndarray) -> np.ndarray:
    """float64, NaN for what is not finite: an infinite z, clipped to 10, would pass for strong evidence."""
    values = np.asarray(values, float)
    return np.where(np.isfinite(values), values, np.nan)


def _spearman(z: np.ndarray) -> np.ndarray:
    """Correlations of ranks between rows, over the genes both have; 0 where there is none. Shape (n, n)."""
    z = z[:, ~np.isnan(z).all(axis=0)]
    if z.shape[1] >= _FEWEST_GENES and not np.isnan(z).any():
        return _correlations(rankdata(z, axis=1))
    rho = np.eye(len(z))
    for a in range(len(z)):
        for b in range(a):
            both = ~np.isnan(z[[a, b]]).any(axis=0)
            if both.sum() >= _FEWEST_GENES:
                rho[a, b] = rho[b, a] = _correlations(rankdata(z[[a, b]][:, both], axis=1))[0, 1]
    return rho


def _correlations(ranks: np.ndarray) -> np.ndarray:
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=1))
    norm[norm == 0] = np.inf  # all tied: no correlation with anything
    return (centred / norm[:, None]) @ (centred / norm[:, None]).T
