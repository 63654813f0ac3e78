"""What an encoder sees of a signature: signed normal scores, and centring by groups of signatures of one origin."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from scperturb_cmap.utils.ranks import mean_ranks

__all__ = ["Centring", "SHAPES", "is_gene_sets", "on_genes", "signed_scores"]


#: How the ranks of each kind of query are spread.
SHAPES = {"sets": "uniform", "profile": "normal", "cells": "normal"}


def signed_scores(values: np.ndarray, shape: str = "normal") -> np.ndarray:
    """Ranks of the genes by strength, with their sign: odd, bounded, and free of the platform's scale.

    Genes are ranked by absolute value among those that are not 0; the one of rank r (from 1) of n has u = (r - 0.5) / n.
    A gene that is missing and a gene measured without an effect both give 0 and count for nothing, so that no embedding can
    tell them apart: in some sources which genes are missing depends on the compound.

    Parameters
    ----------
    values
        Signed evidence, NaN = not measured; shape (n_signatures, n_genes).
    shape
        "normal" gives sign(x) Phi^-1((1 + u) / 2), for full profiles; "uniform" gives sign(x) u, for gene sets, all of whose
        members are extreme and whose order says little.

    Returns
    -------
    float32, shape of ``values``; nothing lies beyond 4.7 in 100,000 genes.

    Examples
    --------
    >>> signed_scores(np.array([[3.0, 0.0, -1.0, np.nan]])).round(2).tolist()
    [[1.149999976158142, 0.0, -0.3199999928474426, 0.0]]
    >>> signed_scores(np.array([[3.0, 0.0, -1.0, np.nan]]), "uniform").tolist()
    [[0.75, 0.0, -0.25, 0.0]]
    """
    known = np.nan_to_num(np.asarray(values, np.float32))
    strength = np.abs(known)
    n_zero = (strength == 0).sum(axis=1, keepdims=True)
    n_known = np.maximum(known.shape[1] - n_zero, 1)
    place = np.where(known != 0, (mean_ranks(strength) - n_zero + 0.5) / n_known, 0)
    if shape == "normal":
        place = ndtri((1 + place) / 2, out=np.zeros_like(place), where=known != 0)
    return (np.sign(known) * place).astype(np.float32)


def is_gene_sets(effect: str) -> bool:
    """Whether signatures are gene sets, or ranks of few genes, rather than full profiles."""
    return effect in ("rank", "set")


def on_genes(values: np.ndarray, genes: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Columns of a matrix in another order of genes; a gene that is not there is NaN.

    Examples
    --------
    >>> on_genes(np.array([[1.0, 2.0]]), ["a", "b"], ["b", "c"])
    array([[ 2., nan]])
    """
    found = pd.Index(genes).get_indexer(pd.Index(wanted))
    out = np.full((len(values), len(found)), np.nan, dtype=np.asarray(values).dtype)
    out[:, found >= 0] = values[:, found[found >= 0]]
    return out


@dataclass(frozen=True)
class Centring:
    """Mean signature of each group of signatures (a cell line), to be taken off before encoding.

    What all signatures of a cell line have in common says nothing of a compound. The means are a property of a data set, not of
    the encoder: a single query, which has no group, is encoded as it is, and the encoder stays odd.

    Parameters
    ----------
    means
        Group -> mean of its signed scores; ``""`` holds the mean of all, for groups that are not known.
    set_size
        Mean number of genes of a signature, where signatures are gene sets; 0 for full profiles.

    Examples
    --------
    >>> scores = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 5.0]], dtype=np.float32)
    >>> Centring.fit(scores, ["A", "A", "B"], fewest=2).apply(scores, ["A", "A", "A"]).tolist()
    [[-1.0, 0.0], [1.0, 0.0], [-2.0, 5.0]]
    """

    means: dict[str, np.ndarray]
    set_size: float = 0.0

    @classmethod
    def fit(cls, scores: np.ndarray, groups: Sequence[str], fewest: int = 20, sets: bool = False) -> "Centring":
        """Means of the groups with at least ``fewest`` signatures, and of all."""
        groups = np.asarray(groups, dtype=object)
        names, counts = np.unique(groups.astype(str), return_counts=True)
        means = {name: scores[groups == name].mean(axis=0) for name in names[counts >= fewest]}
        size = float(np.count_nonzero(scores) / len(scores)) if sets else 0.0
        return cls(means | {"": scores.mean(axis=0)}, size)

    def apply(self, scores: np.ndarray, groups: Sequence[str], measured: np.ndarray | None = None) -> np.ndarray:
        """Scores less their group's mean; a gene that is not measured (``measured`` False) stays 0."""
        groups = np.asarray(groups, dtype=object).astype(str)  # a missing one is "nan", of which no means are known
        out = np.empty(scores.shape, np.float32)
        for name in np.unique(groups):
            rows = groups == name
            out[rows] = scores[rows] - self.means.get(name, self.means[""])
        return out if measured is None else out * measured

    def of_perturbations(self, scores: np.ndarray, groups: Sequence[str]) -> np.ndarray:
        """Scores of perturbations less their group's mean; a gene that is missing is as one measured without an effect.

        In a full profile both stay 0. From a gene set the mean is taken off everywhere, from one of half the usual size half
        of it, so that a small set is not made of the mean.

        Examples
        --------
        >>> scores, means = np.array([[1.0, 0.0, 0.0]]), {"": np.array([0.5, 0.5, 0.0])}
        >>> (Centring(means).of_perturbations(scores, ["A"]) + 0.0).tolist()
        [[0.5, 0.0, 0.0]]
        >>> Centring(means, set_size=2).of_perturbations(scores, ["A"]).tolist()
        [[0.75, -0.25, 0.0]]
        """
        if not self.set_size:
            return self.apply(scores, groups, scores != 0)
        part = np.minimum(np.count_nonzero(scores, axis=1) / self.set_size, 1).astype(np.float32)[:, None]
        return scores + part * (self.apply(scores, groups) - scores)

    def common_directions(self, most: int = 5) -> np.ndarray:
        """Orthonormal rows that span the means, or hold most of them; shape (at most ``most``, n_genes).

        Examples
        --------
        >>> abs(Centring({"": np.array([0.0, 3.0]), "A": np.array([0.0, 1.0])}).common_directions()).round(6).tolist()
        [[0.0, 1.0]]
        """
        _, sizes, rows = np.linalg.svd(np.stack(list(self.means.values())).astype(np.float64), full_matrices=False)
        return rows[: min(most, int((sizes > 1e-6 * max(sizes[0], 1e-12)).sum()))]
