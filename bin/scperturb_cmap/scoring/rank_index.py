"""Enrichment scores of many gene sets in many signatures: the fast form of :mod:`scperturb_cmap.scoring.wtcs` on CPUs.

Many sets in few genes are left to :mod:`scperturb_cmap.scoring.dense_walk`, all else to
:mod:`scperturb_cmap.scoring.network_walk`.
"""

from collections.abc import Sequence

import numpy as np

from scperturb_cmap.scoring.dense_walk import MOST_DENSE_GENES, dense_scores
from scperturb_cmap.scoring.network_walk import network_scores
from scperturb_cmap.utils.ranks import MOST_GENES, descending_ranks

__all__ = ["TIE", "RankIndex"]

#: Two deviations this close are equal: rounding must not decide the sign of a score.
TIE = 1e-12


class RankIndex:
    """Signatures made ready for any number of gene sets.

    Parameters
    ----------
    values
        float32, shape (n_signatures, n_genes), without missing values, fewer than 65,536 genes.
    ranks
        Their :func:`~scperturb_cmap.utils.ranks.descending_ranks`, where they are known already.

    Raises
    ------
    ValueError
        The values are not float32, no table, or have too many genes.

    Examples
    --------
    The vector of docs/methods.md: U = {g1, g3}, D = {g9, g10}.

    >>> z = np.array([[3, 2, 1, 0.5, 0.2, -0.1, -0.4, -0.9, -1.8, -2.7]], dtype=np.float32)
    >>> RankIndex(z).enrichment_scores([np.array([0, 2]), np.array([8, 9])]).round(6).ravel().tolist()
    [0.875, -1.0]
    """

    def __init__(self, values: np.ndarray, ranks: np.ndarray | None = None):
        self.n_signatures, self.n_genes = np.shape(values)
        if self.n_genes >= MOST_GENES:  # one more number stands for no rank
            raise ValueError(f"{self.n_genes} genes, at most {MOST_GENES - 1} fit the index.")
        self.values = np.ascontiguousarray(values)
        self.ranks = descending_ranks(values) if ranks is None else np.ascontiguousarray(ranks, dtype=np.uint16)

    def enrichment_scores(self, sets: Sequence[np.ndarray]) -> np.ndarray:
        """Enrichment of each set towards the top (positive) or the bottom (negative) of each signature.

        Parameters
        ----------
        sets
            Positions of genes, each once.

        Returns
        -------
        float32, shape (n_sets, n_signatures), as
        :func:`~scperturb_cmap.scoring.wtcs.enrichment_scores` defines it.
        """
        lengths = np.array([len(tags) for tags in sets], dtype=np.int64)
        genes = np.concatenate([np.asarray(tags, dtype=np.int64) for tags in sets] or [np.empty(0, np.int64)])
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        fast = dense_scores if _dense_pays(len(sets), len(genes), self.n_genes) else network_scores
        return fast(self.values, self.ranks, genes, starts, TIE)


def _dense_pays(n_sets: int, n_tags: int, n_genes: int) -> bool:
    """Whether :mod:`~scperturb_cmap.scoring.dense_walk` is exact and faster than the network, by its steps and the tags."""
    vectors, groups = -(-n_sets // 8), -(-n_sets // 16)  # both work on full ones only
    return n_genes <= MOST_DENSE_GENES and n_genes * 8 * vectors * n_sets <= 16 * n_tags * 16 * groups
