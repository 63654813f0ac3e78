"""Ranks of the genes in every signature, by radix sort: what scores of gene sets read."""

import numpy as np
from numba import njit, prange

__all__ = ["MOST_GENES", "descending_ranks", "mean_ranks"]

#: Ranks of so many genes fit 16 bits.
MOST_GENES = 1 << 16

#: A 32-bit key is sorted in three passes over this many bits, whose counters (8 kB each) stay in the processor's cache.
_BITS = 11
_BUCKETS = 1 << _BITS


def descending_ranks(values: np.ndarray) -> np.ndarray:
    """Rank of every gene in its signature, 0 = most up; equal values in the order of the genes, missing ones last.

    So a gene's rank is its rank among the genes measured, whichever others are missing.

    A radix sort does not compare: its time is the same for any values, and it is stable, so ties need no second look.
    numpy's stable argsort takes about twenty times as long (``make bench ARGS=ranks``).

    Parameters
    ----------
    values
        float32, shape (n_signatures, n_genes), NaN = not measured. 0.0 and -0.0 are equal.

    Returns
    -------
    uint16, or int32 where there are more than :data:`MOST_GENES` genes; shape of ``values``.

    Raises
    ------
    ValueError
        The values are not float32, or not a table.

    Examples
    --------
    >>> descending_ranks(np.array([[0.5, 3, 0.5, -2], [-0.0, 0, np.nan, 1]], dtype=np.float32)).tolist()
    [[1, 0, 2, 3], [1, 2, 3, 0]]
    """
    values = np.ascontiguousarray(values)
    if values.dtype != np.float32 or values.ndim != 2:
        raise ValueError(f"Ranks are made of a table of float32, not of {values.dtype} of shape {values.shape}.")
    ranks = np.empty(values.shape, np.uint16 if values.shape[1] <= MOST_GENES else np.int32)
    _radix_ranks(values.view(np.uint32), ranks)
    return ranks


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Rank of every gene in its signature, 0 = smallest; equal values share the mean of their ranks.

    Parameters
    ----------
    values
        float32, shape (n_signatures, n_genes), without missing values.

    Returns
    -------
    float64, shape of ``values``.

    Examples
    --------
    >>> mean_ranks(np.array([[0.5, 3, 0.5, -2]], dtype=np.float32)).tolist()
    [[1.5, 3.0, 1.5, 0.0]]
    """
    values = np.ascontiguousarray(values)
    out = np.empty(values.shape)
    _share_ranks(values, descending_ranks(values), out)
    return out


@njit(cache=True, parallel=True)
def _share_ranks(values, ranks, out):  # noqa: ANN001, ANN202
    """Fill ``out`` with ascending ranks, those of equal values shared."""
    n_signatures, n_genes = values.shape
    for row in prange(n_signatures):
        order = np.empty(n_genes, np.int64)
        for gene in range(n_genes):
            order[ranks[row, gene]] = gene
        start = 0
        while start < n_genes:
            stop, value = start + 1, values[row, order[start]]
            while stop < n_genes and values[row, order[stop]] == value:
                stop += 1
            for place in range(start, stop):
                out[row, order[place]] = n_genes - 1 - (start + stop - 1) / 2
            start = stop


@njit(cache=True, inline="always")
def _descending(bits):  # noqa: ANN001, ANN202
    """Key that grows as the float with these bits falls."""
    size = bits & np.uint32(0x7FFFFFFF)
    if size > np.uint32(0x7F800000):  # not a number
        return np.uint32(0xFFFFFFFF)
    # The bits of a negative number grow with its size; those of a positive one must be turned round.
    return bits if bits != size and size else np.uint32(0x7FFFFFFF) - size


@njit(cache=True, parallel=True, error_model="numpy")
def _radix_ranks(bits, ranks):  # noqa: ANN001, ANN202
    """Fill ``ranks`` from the bits of float32 values; both of shape (n_signatures, n_genes)."""
    n_signatures, n_genes = bits.shape
    shift, low = np.uint64(_BITS), np.uint64(_BUCKETS - 1)
    for row in prange(n_signatures):
        # A key in the low half of each word, its gene in the high half, so that they move together.
        words, moved = np.empty(n_genes, np.uint64), np.empty(n_genes, np.uint64)
        starts = np.zeros((3, _BUCKETS), np.uint32)
        for gene in range(n_genes):
            key = np.uint64(_descending(bits[row, gene]))
            words[gene] = key | (np.uint64(gene) << np.uint64(32))
            starts[0, key & low] += np.uint32(1)
            starts[1, (key >> shift) & low] += np.uint32(1)
            starts[2, key >> (shift + shift)] += np.uint32(1)
        for digit in range(3):
            start = np.uint32(0)
            for bucket in range(_BUCKETS):
                size = starts[digit, bucket]
                starts[digit, bucket] = start
                start += size
        for gene in range(n_genes):
            word = words[gene]
            bucket = word & low
            moved[starts[0, bucket]] = word
            starts[0, bucket] += np.uint32(1)
        for place in range(n_genes):
            word = moved[place]
            bucket = (word >> shift) & low
            words[starts[1, bucket]] = word
            starts[1, bucket] += np.uint32(1)
        for place in range(n_genes):
            word = words[place]
            bucket = (word & np.uint64(0xFFFFFFFF)) >> (shift + shift)
            ranks[row, word >> np.uint64(32)] = starts[2, bucket]
            starts[2, bucket] += np.uint32(1)
