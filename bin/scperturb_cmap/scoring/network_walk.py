"""Enrichment scores of gene sets in signatures of any number of genes: the genes of 16 sets at once by a sorting network.

Between two genes of a set the running sum falls in a straight line, so only the set's genes matter, in the order of their
ranks. 16 sets lie side by side and go through the same exchanges, without a branch; one signature and the genes of 16 sets fit
the processor's caches. A rank alone is sorted, in 16 bits: it finds abs(z) in the signature put in the order of its ranks,
which is made anew for every signature, since reading it from memory would take longer. The vectors are written out for LLVM:
of loops over 16 lanes it makes none.
"""

from functools import lru_cache

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["network_scores"]

#: Sets side by side: a register of AVX2 holds so many ranks.
_LANES = 16

#: Of these, so many walk down together in float64.
_HALF = 8

#: Signatures for one thread at a time: their scores of a set fill a line of memory, which no other thread writes.
_BLOCK = 16


def network_scores(
    values: np.ndarray, ranks: np.ndarray, genes: np.ndarray, starts: np.ndarray, tie: float
) -> np.ndarray:
    """Enrichment scores, as :func:`~scperturb_cmap.scoring.wtcs.enrichment_scores` defines them.

    Parameters
    ----------
    values, ranks
        Signatures and their descending ranks (uint16), shape (n_signatures, n_genes), at most 65,535 genes.
    genes, starts
        The genes of all sets one after the other; set ``i`` is ``genes[starts[i] : starts[i + 1]]``.
    tie
        Two deviations this close are equal.

    Returns
    -------
    float32, shape (n_sets, n_signatures).

    Examples
    --------
    >>> z, ranks = np.array([[3, 1, -1, -2]], np.float32), np.arange(4, dtype=np.uint16)[None]
    >>> network_scores(z, ranks, np.array([0, 3]), np.array([0, 1, 2]), 1e-12).ravel().tolist()
    [1.0, -1.0]
    """
    n_sets, n_genes = len(starts) - 1, values.shape[1]
    scores = np.zeros((n_sets, len(values)), np.float32)
    if not n_sets:
        return scores
    lengths = np.diff(starts)
    lengths = np.where(lengths < n_genes, lengths, 0)  # a set of all genes scores 0 as an empty one does
    order = np.argsort(lengths, kind="stable")  # sets of about one size go together
    n_groups = -(-n_sets // _LANES)
    longest = np.array([lengths[order[: (group + 1) * _LANES][-1]] for group in range(n_groups)])
    offsets = np.concatenate([[0], np.cumsum(longest * _LANES)])
    table = np.zeros(offsets[-1], np.uint16)
    sizes = np.repeat(longest[:, None], _LANES, axis=1).astype(np.int32)  # lanes without a set work on any gene
    for place, number in enumerate(order):
        group, lane = divmod(place, _LANES)
        here = table[offsets[group] : offsets[group + 1]].reshape(-1, _LANES)
        here[: lengths[number], lane] = genes[starts[number] : starts[number] + lengths[number]]
        sizes[group, lane] = lengths[number]
    found, which = np.unique(longest, return_inverse=True)
    networks = [_network(int(length)) * _LANES for length in found]
    exchanges = np.concatenate(networks).astype(np.uint32)
    bounds = np.concatenate([[0], np.cumsum([len(network) for network in networks])])
    _score(values, ranks, table, offsets, sizes, order, exchanges, bounds, which, tie, scores)
    return scores


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


@intrinsic
def _sort(typing, keys, exchanges, start, stop):  # noqa: ANN001, ANN202
    """Sort 16 columns of ``keys`` by ``exchanges[start:stop]``, each the places of two rows' first keys."""

    def codegen(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        i64, ranks = ir.IntType(64), ir.VectorType(ir.IntType(16), _LANES)
        keys, exchanges = (
            context.make_array(t)(context, builder, a).data
            for t, a in zip(signature.args[:2], arguments[:2], strict=True)
        )

        def row(pair, side):  # noqa: ANN001, ANN202
            number = builder.add(builder.shl(pair, ir.Constant(i64, 1)), ir.Constant(i64, side))
            place = builder.zext(builder.load(builder.gep(exchanges, [number])), i64)
            return builder.bitcast(builder.gep(keys, [place]), ranks.as_pointer())

        with cgutils.for_range_slice(builder, arguments[2], arguments[3], ir.Constant(i64, 1), intp=i64) as (pair, _):
            upper, lower = row(pair, 0), row(pair, 1)
            a, b = builder.load(upper, align=2), builder.load(lower, align=2)
            less = builder.icmp_unsigned("<", a, b)
            builder.store(builder.select(less, a, b), upper, align=2)
            builder.store(builder.select(less, b, a), lower, align=2)
        return context.get_dummy_value()

    return types.void(keys, exchanges, start, stop), codegen


@intrinsic
def _walk(typing, keys, weights, lane, length, sizes, falls, highest, lowest):  # noqa: ANN001, ANN202
    """Largest deviations above and below zero of 8 sets from ``lane`` on, seen before and after each gene of a set."""

    def codegen(context, builder, signature, arguments):  # noqa: ANN001, ANN202
        i32, i64, double = ir.IntType(32), ir.IntType(64), ir.DoubleType()
        shorts, ints, floats, doubles = (ir.VectorType(t, _HALF) for t in (ir.IntType(16), i32, ir.FloatType(), double))
        lane, length = arguments[2], arguments[3]
        keys, weights, sizes, falls, highest, lowest = (
            builder.gep(context.make_array(signature.args[n])(context, builder, arguments[n]).data, [lane])
            for n in (0, 1, 4, 5, 6, 7)
        )
        zero, one = ir.Constant(doubles, [0.0] * _HALF), ir.Constant(doubles, [1.0] * _HALF)

        def load(data, kind, row=ir.Constant(i64, 0)):  # noqa: ANN001, ANN202, B008
            start = builder.gep(data, [builder.mul(row, ir.Constant(i64, _LANES))])
            return builder.load(builder.bitcast(start, kind.as_pointer()), align=2)

        def keep(variable, relation, value):  # noqa: ANN001, ANN202
            old = builder.load(variable)
            builder.store(builder.select(builder.fcmp_ordered(relation, value, old), value, old), variable)

        total, reached, high, low = (cgutils.alloca_once_value(builder, zero) for _ in range(4))
        with cgutils.for_range(builder, length, intp=i64) as loop:
            weight = builder.fpext(load(weights, floats, loop.index), doubles)
            builder.store(builder.fadd(builder.load(total), weight), total)
        some = builder.fcmp_ordered(">", builder.load(total), zero)  # without any weight the score is 0
        inverse = builder.select(some, builder.fdiv(one, builder.load(total)), zero)
        fall, size = builder.select(some, load(falls, doubles), zero), load(sizes, ints)
        passed = cgutils.alloca_once_value(builder, ir.Constant(ints, [0] * _HALF))
        with cgutils.for_range(builder, length, intp=i64) as loop:
            k = builder.load(passed)
            builder.store(builder.add(k, ir.Constant(ints, [1] * _HALF)), passed)
            # Past the end of a shorter set: rank n_genes, weight 0. There the sum is back at 0.
            hits = builder.select(builder.icmp_signed("<", k, size), k, size)
            misses = builder.sub(builder.zext(load(keys, shorts, loop.index), ints), hits)
            fallen = builder.fmul(builder.sitofp(misses, doubles), fall)
            keep(low, "<", builder.fsub(builder.load(reached), fallen))
            rise = builder.fmul(builder.fpext(load(weights, floats, loop.index), doubles), inverse)
            builder.store(builder.fadd(builder.load(reached), rise), reached)
            keep(high, ">", builder.fsub(builder.load(reached), fallen))
        for variable, data in ((high, highest), (low, lowest)):
            builder.store(builder.load(variable), builder.bitcast(data, doubles.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(keys, weights, lane, length, sizes, falls, highest, lowest), codegen


@njit(cache=True)
def _put_by_rank(values, ranks, out):  # noqa: ANN001, ANN202
    for gene in range(np.uint64(len(ranks))):  # unsigned: no look whether a place counts from the end
        out[np.uint64(ranks[gene])] = abs(values[gene])


@njit(cache=True)
def _take(numbers, places, out):  # noqa: ANN001, ANN202
    for k in range(np.uint64(len(places))):
        out[k] = numbers[np.uint64(places[k])]


@njit(cache=True, error_model="numpy")
def _score_block(values, ranks, table, offsets, sizes, order, exchanges, bounds, which, tie, scores):  # noqa: ANN001, ANN202
    """The work of :func:`_score` for a few signatures."""
    n_signatures, n_genes = values.shape
    n_sets, most = len(scores), (offsets[1:] - offsets[:-1]).max()
    by_rank = np.zeros(n_genes + 1, np.float32)
    keys, weights = np.empty(most, np.uint16), np.empty(most, np.float32)
    falls, highest, lowest = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
    for signature in range(n_signatures):
        _put_by_rank(values[signature], ranks[signature], by_rank)
        for group in range(len(sizes)):
            genes = table[offsets[group] : offsets[group + 1]]
            length, lanes = len(genes) // _LANES, min(_LANES, n_sets - group * _LANES)
            _take(ranks[signature], genes, keys)
            for lane in range(_LANES):
                falls[lane] = 1 / (n_genes - sizes[group, lane])
                for k in range(sizes[group, lane], length):
                    keys[k * _LANES + lane] = n_genes
            _sort(keys, exchanges, bounds[which[group]], bounds[which[group] + 1])
            _take(by_rank, keys[: len(genes)], weights)
            for lane in range(0, lanes, _HALF):
                _walk(keys, weights, lane, length, sizes[group], falls, highest, lowest)
            for lane in range(lanes):
                score = highest[lane] if highest[lane] >= -lowest[lane] - tie else lowest[lane]
                scores[order[group * _LANES + lane], signature] = score


@njit(cache=True, parallel=True)
def _score(values, ranks, table, offsets, sizes, order, exchanges, bounds, which, tie, scores):  # noqa: ANN001, ANN202
    """Fill ``scores``; ``table`` holds 16 columns of genes for each group of sets, ``order`` the numbers of the sets."""
    for block in prange((len(values) + _BLOCK - 1) // _BLOCK):  # no more in here: what is parallel compiles slowly
        here = slice(block * _BLOCK, (block + 1) * _BLOCK)
        _score_block(
            values[here], ranks[here], table, offsets, sizes, order, exchanges, bounds, which, tie, scores[:, here]
        )
