"""Ranks of the genes in every signature, by radix sort: what scores of gene sets read."""

import numpy as np
from numba import njit, prange

__all__ = ["MOST_GENES", "are_ranks", "descending_ranks", "mean_ranks", "p_as_low"]

#: Ranks of so many genes fit 16 bits.
MOST_GENES = 1 << 16

#: A 32-bit key is sorted in three passes over this many bits, whose counters (8 kB each) stay in the processor's cache.
_BITS = 11
_BUCKETS = 1 << _BITS

#: Signatures for one thread at a time.
_BLOCK = 8


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


def are_ranks(ranks: np.ndarray, values: np.ndarray) -> bool:
    """Whether ready-made ranks can be the :func:`descending_ranks` of these values.

    Those of a file whose genes were chosen or values changed afterwards cannot: every row must have as many ranks as genes, from
    0 without a gap by their largest and their sum, the first at the largest value and the last at the smallest.

    Parameters
    ----------
    ranks, values
        Shape (n_signatures, n_genes); values without missing ones.

    Examples
    --------
    >>> values = np.array([[0.5, 3, 0.5, -2]], dtype=np.float32)
    >>> ranks = descending_ranks(values)
    >>> are_ranks(ranks, values), are_ranks(ranks, -values), are_ranks(ranks[:, 2:], values[:, 2:])
    (True, False, False)
    """
    n, rows = values.shape[1], np.arange(len(values))
    if not values.size:
        return True
    if not np.issubdtype(ranks.dtype, np.integer):
        return False
    if not (ranks.max(axis=1) == n - 1).all() or not (ranks.sum(axis=1, dtype=np.int64) == n * (n - 1) // 2).all():
        return False
    ends = (ranks.argmin(axis=1), values.max(axis=1)), (ranks.argmax(axis=1), values.min(axis=1))
    return all((values[rows, place] == value).all() for place, value in ends)


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


@njit(cache=True, error_model="numpy")
def _rank_row(bits, words, moved, ranks):  # noqa: ANN001, ANN202
    """Fill ``ranks`` from the bits of one signature's float32 values; ``words`` and ``moved`` are room to work in."""
    n_genes, shift, low = np.uint64(len(bits)), np.uint64(_BITS), np.uint64(_BUCKETS - 1)
    first, second, third = (np.zeros(_BUCKETS, np.uint32), np.zeros(_BUCKETS, np.uint32), np.zeros(_BUCKETS, np.uint32))
    for gene in range(n_genes):  # unsigned: no look whether a place counts from the end
        key = np.uint64(_descending(bits[gene]))
        # A key in the low half of each word, its gene in the high half, so that they move together.
        words[gene] = key | (gene << np.uint64(32))
        first[key & low] += np.uint32(1)
        second[(key >> shift) & low] += np.uint32(1)
        third[key >> (shift + shift)] += np.uint32(1)
    for starts in (first, second, third):
        start = np.uint32(0)
        for bucket in range(_BUCKETS):
            size = starts[bucket]
            starts[bucket] = start
            start += size
    for gene in range(n_genes):
        word = words[gene]
        bucket = word & low
        place = first[bucket]
        moved[np.uint64(place)] = word
        first[bucket] = place + np.uint32(1)
    for k in range(n_genes):
        word = moved[k]
        bucket = (word >> shift) & low
        place = second[bucket]
        words[np.uint64(place)] = word
        second[bucket] = place + np.uint32(1)
    for k in range(n_genes):
        word = words[k]
        bucket = (word & np.uint64(0xFFFFFFFF)) >> (shift + shift)
        place = third[bucket]
        ranks[word >> np.uint64(32)] = place
        third[bucket] = place + np.uint32(1)


@njit(cache=True, parallel=True)
def _radix_ranks(bits, ranks):  # noqa: ANN001, ANN202
    """Fill ``ranks`` from the bits of float32 values; both of shape (n_signatures, n_genes)."""
    for block in prange((len(bits) + _BLOCK - 1) // _BLOCK):  # no more in here: what is parallel compiles slowly
        here = slice(block * _BLOCK, (block + 1) * _BLOCK)
        _rank_rows(bits[here], ranks[here])


@njit(cache=True)
def _rank_rows(bits, ranks):  # noqa: ANN001, ANN202
    words, moved = np.empty(bits.shape[1], np.uint64), np.empty(bits.shape[1], np.uint64)
    for row in range(len(bits)):
        _rank_row(bits[row], words, moved, ranks[row])


def p_as_low(scores: np.ndarray, null: np.ndarray) -> np.ndarray:
    """How often chance is as low: (1 + number as low or lower) / (1 + number).

    Parameters
    ----------
    scores
        Shape (n,), missing values allowed.
    null
        Scores by chance, each row in rising order; shape (n, n_random).

    Returns
    -------
    One-sided p-values, shape (n,); missing where the score is.

    References
    ----------
    Phipson, Smyth 2010, doi:10.2202/1544-6115.1585 (never 0).

    Examples
    --------
    >>> p_as_low(np.array([-3.0, 0.0, np.nan]), np.array([[-2.0, -1.0, 2.0]] * 3)).tolist()
    [0.25, 0.75, nan]
    """
    lower = np.array([np.searchsorted(row, one, side="right") for row, one in zip(null, scores, strict=True)])
    return np.where(np.isnan(scores), np.nan, (1 + lower) / (1 + null.shape[1]))
