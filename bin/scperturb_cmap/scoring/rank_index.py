"""Enrichment scores of many gene sets in many signatures: the fast form of :mod:`scperturb_cmap.scoring.wtcs` on CPUs.

Between two genes of a set the running sum falls in a straight line, so only the set's genes matter, in the order of their
ranks. 64 signatures go side by side through one sorting network: the same exchanges for all, without a branch, which the
compiler turns into vector instructions. Many sets in few genes are left to :mod:`scperturb_cmap.scoring.dense_walk`.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
from numba import njit, prange

from scperturb_cmap.scoring.dense_walk import MOST_DENSE_GENES, dense_scores, prefetch_row
from scperturb_cmap.utils.ranks import MOST_GENES, descending_ranks

__all__ = ["TIE", "RankIndex"]

#: Signatures side by side. With 16 or 32 the compiler unrolls the loop before it sees that it could be vectors.
_LANES = 64

#: Rows of a tile lie anywhere in memory: asked for so many genes before they are read, they are there in time.
_AHEAD = 8

#: Two deviations this close are equal: rounding must not decide the sign of a score.
TIE = 1e-12


class RankIndex:
    """Signatures made ready for any number of gene sets.

    Parameters
    ----------
    values
        float32, shape (n_signatures, n_genes), without missing values, at most 65,536 genes.
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
        if self.n_genes > MOST_GENES:
            raise ValueError(f"{self.n_genes} genes, at most {MOST_GENES} fit the index.")
        self.values = np.ascontiguousarray(values)
        self.ranks = descending_ranks(values) if ranks is None else np.ascontiguousarray(ranks)

    @cached_property
    def _tiles(self) -> tuple[np.ndarray, np.ndarray]:
        """Ranks and abs(z), shape (n_tiles, n_genes, 64), for the network."""
        shape = (-(-self.n_signatures // _LANES), self.n_genes, _LANES)
        ranks, weights = np.empty(shape, np.uint16), np.empty(shape, np.float32)
        _fill(self.ranks, self.values, ranks, weights)
        return ranks, weights

    def enrichment_scores(self, sets: Sequence[np.ndarray]) -> np.ndarray:
        """Enrichment of each set towards the top (positive) or the bottom (negative) of each signature.

        Parameters
        ----------
        sets
            Positions of genes, each once.

        Returns
        -------
        float32, shape (n_sets, n_signatures), as
        :func:`~scperturb_cmap.scoring.wtcs.enrichment_score` defines it.
        """
        lengths = np.array([len(tags) for tags in sets], dtype=np.int64)
        genes = np.concatenate([np.asarray(tags, dtype=np.int64) for tags in sets] or [np.empty(0, np.int64)])
        sizes, which = np.unique(lengths, return_inverse=True)
        networks = [_network(int(size)) for size in sizes]
        bounds = np.concatenate([[0], np.cumsum([len(network) for network in networks])]).astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        if len(sets) and _dense_pays(len(sets), len(genes), self.n_genes):
            return dense_scores(self.values, self.ranks, genes, starts, TIE)
        scores = np.zeros((len(sets), self._tiles[0].shape[0] * _LANES), np.float32)
        if len(sets):
            _enrich(*self._tiles, genes, starts, np.concatenate(networks), bounds, which, scores)
        return scores[:, : self.n_signatures]


def _dense_pays(n_sets: int, n_tags: int, n_genes: int) -> bool:
    """Whether :mod:`~scperturb_cmap.scoring.dense_walk` is exact and faster than the network, by its steps and the tags."""
    return n_genes <= MOST_DENSE_GENES and n_genes * (-(-n_sets // 8) * 8) <= 16 * n_tags


@lru_cache(maxsize=64)
def _network(size: int) -> np.ndarray:
    """Exchanges (i, j), i < j, that sort any ``size`` keys: Batcher's merge exchange (Knuth, TAOCP 3, 5.2.2, algorithm M)."""
    pairs = [np.empty((0, 2), np.int64)]
    top = 1 << max(size - 1, 0).bit_length() >> 1
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while d > 0:
            i = np.arange(size - d)
            i = i[(i & p) == r]
            pairs.append(np.stack([i, i + d], axis=1))
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return np.concatenate(pairs)


@njit(cache=True, parallel=True)
def _fill(ranks, values, tiled_ranks, tiled_weights):  # noqa: ANN001, ANN202
    """Bring ranks and |z| into tiles of 64 signatures, gene by gene; lanes beyond the last signature repeat it."""
    n_signatures, n_genes = ranks.shape
    for tile in prange(len(tiled_ranks)):
        rows = np.minimum(np.arange(tile * _LANES, (tile + 1) * _LANES), n_signatures - 1)
        for start in range(0, n_genes, _LANES):  # squares that fit the cache, written in the order of the memory
            stop = min(start + _LANES, n_genes)
            for gene in range(start, stop):
                for lane in range(_LANES):
                    tiled_weights[tile, gene, lane] = abs(values[rows[lane], gene])
            for gene in range(start, stop):
                for lane in range(_LANES):
                    tiled_ranks[tile, gene, lane] = ranks[rows[lane], gene]


@njit(cache=True, parallel=True, error_model="numpy")
def _enrich(ranks, weights, genes, starts, exchanges, bounds, which, scores):  # noqa: ANN001, ANN202
    """Fill ``scores`` (n_sets, n_tiles * 64)."""
    n_tiles, n_genes, _ = ranks.shape
    longest = np.max(np.diff(starts))
    for tile in prange(n_tiles):
        keys = np.empty((longest, _LANES), np.uint32)
        total, highest, lowest = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
        for number in range(len(starts) - 1):
            first, size = starts[number], starts[number + 1] - starts[number]
            if size == 0 or size == n_genes:
                continue
            total[:] = 0
            for k in range(size):
                gene = genes[first + k]
                if first + k + _AHEAD < len(genes):  # also of the next set
                    prefetch_row(ranks[tile, genes[first + k + _AHEAD]])
                    prefetch_row(weights[tile, genes[first + k + _AHEAD]])
                for lane in range(_LANES):
                    keys[k, lane] = (np.uint32(ranks[tile, gene, lane]) << np.uint32(16)) | np.uint32(k)
                    total[lane] += weights[tile, gene, lane]
            for pair in range(bounds[which[number]], bounds[which[number] + 1]):
                i, j = exchanges[pair]
                for lane in range(_LANES):
                    a, b = keys[i, lane], keys[j, lane]
                    keys[i, lane] = min(a, b)
                    keys[j, lane] = max(a, b)
            _walk(keys, tile, weights, genes[first : first + size], total, highest, lowest, 1.0 / (n_genes - size))
            for lane in range(_LANES):
                score = highest[lane] if highest[lane] >= -lowest[lane] - TIE else lowest[lane]
                scores[number, tile * _LANES + lane] = score


@njit(cache=True, error_model="numpy")
def _walk(keys, tile, weights, genes, total, highest, lowest, miss):  # noqa: ANN001, ANN202
    """Largest deviations of the running sum above and below zero, seen before and after each gene of the set."""
    reached, inverse, hit = np.zeros(_LANES), np.empty(_LANES), np.empty(_LANES, np.float32)
    high, low = np.zeros(_LANES), np.zeros(_LANES)
    for lane in range(_LANES):
        inverse[lane] = 1 / total[lane] if total[lane] > 0 else 0.0
    for k in range(len(genes)):
        for lane in range(_LANES):  # apart from the arithmetic, which becomes vectors without it
            hit[lane] = weights[tile, genes[keys[k, lane] & np.uint32(0xFFFF)], lane]
        for lane in range(_LANES):
            fallen = np.float64(np.int32(keys[k, lane] >> np.uint32(16)) - np.int32(k)) * miss
            low[lane] = min(low[lane], reached[lane] - fallen)
            reached[lane] += hit[lane] * inverse[lane]
            high[lane] = max(high[lane], reached[lane] - fallen)
    for lane in range(_LANES):
        highest[lane] = high[lane] if total[lane] > 0 else 0
        lowest[lane] = low[lane] if total[lane] > 0 else 0
