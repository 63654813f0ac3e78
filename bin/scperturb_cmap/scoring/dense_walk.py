"""Enrichment scores of many gene sets in signatures of few genes: every set's running sum at once, gene by gene.

With 978 genes, walking down the whole list for eight sets in one vector register takes less time than ordering the genes of
each set. Sums are integers, parts of 2**30, so that thousands of steps do not drift; the few scores that rounding could
turn are worked out again in float64. The vectors are written out for LLVM, which keeps them in registers: the same loop in
plain numba goes through memory and takes a third longer.
"""

import numpy as np
from llvmlite import ir
from numba import get_num_threads, njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["MOST_DENSE_GENES", "dense_scores"]

#: The height of a whole running sum. A float32 has fewer digits, an int32 no more.
_WHOLE = 1 << 30

#: Each step is rounded to half a unit: so many steps together stay below 1e-6 of the height.
MOST_DENSE_GENES = 2048

#: Deviations this close may be equal.
_NEAR = 1 << 12

#: Sets in a vector, and in a batch: three vectors of sums, of maxima, of minima and of scales fill AVX2's 16 registers.
_SETS, _BATCH = 8, 24

#: Signatures whose genes are brought side by side to sum the weights of the sets.
_LANES = 32

#: Below, 2**30 parts of a sum of weights overflow float32.
_SMALLEST = 1e-28


def dense_scores(
    values: np.ndarray, ranks: np.ndarray, genes: np.ndarray, starts: np.ndarray, tie: float
) -> np.ndarray:
    """Enrichment scores, as :func:`~scperturb_cmap.scoring.wtcs.enrichment_scores` defines them.

    Parameters
    ----------
    values, ranks
        Signatures and their descending ranks, shape (n_signatures, n_genes), at most :data:`MOST_DENSE_GENES` genes.
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
    >>> dense_scores(z, ranks, np.array([0, 3]), np.array([0, 1, 2]), 1e-12).ravel().tolist()
    [1.0, -1.0]
    """
    n_sets, n_genes = len(starts) - 1, values.shape[1]
    owners = np.repeat(np.arange(n_sets), np.diff(starts))
    inside = np.zeros((-(-n_sets // _BATCH), n_genes, _BATCH), np.int8)
    inside[owners // _BATCH, genes, owners % _BATCH] = -1
    scores = np.zeros((n_sets, len(values)), np.float32)
    _score(values, ranks, inside, genes, starts, tie, scores, get_num_threads())
    return scores


def _walker(vectors: int):  # noqa: ANN202
    """A function of numba that walks ``8 * vectors`` sets down one signature."""
    floats, ints = ir.VectorType(ir.FloatType(), _SETS), ir.VectorType(ir.IntType(32), _SETS)
    flag = ir.VectorType(ir.IntType(8), _SETS)  # a byte each: the table of a batch stays in the fastest cache
    i64, every = ir.IntType(64), range(vectors)
    zero, half = ir.Constant(ints, [0] * _SETS), ir.Constant(floats, [0.5] * _SETS)

    @intrinsic
    def walk(typing, order, weights, inside, scales, falls, highest, lowest):  # noqa: ANN001, ANN202
        """Fill ``highest`` and ``lowest`` with each sum's largest and smallest value; the arrays are those of `_score`."""

        def codegen(context, builder, signature, arguments):  # noqa: ANN001, ANN202
            arrays = [
                context.make_array(t)(context, builder, a) for t, a in zip(signature.args, arguments, strict=True)
            ]
            order, weights, inside, scales, falls, highest, lowest = (array.data for array in arrays)

            def at(data, place, kind):  # noqa: ANN001, ANN202
                return builder.bitcast(builder.gep(data, [place]), kind.as_pointer())

            def load(data, place, kind):  # noqa: ANN001, ANN202
                return builder.load(at(data, place, kind), align=4)

            def keep(variable, relation, value):  # noqa: ANN001, ANN202
                old = builder.load(variable)
                builder.store(builder.select(builder.icmp_signed(relation, value, old), value, old), variable)

            places = [ir.Constant(i64, _SETS * v) for v in every]
            scale = [load(scales, place, floats) for place in places]
            fall = [load(falls, place, ints) for place in places]
            sums, high, low = ([cgutils.alloca_once_value(builder, zero) for _ in every] for _ in range(3))
            with cgutils.for_range(builder, arrays[0].nitems, intp=i64) as loop:
                gene = builder.zext(builder.load(builder.gep(order, [loop.index])), i64)
                row = builder.mul(gene, ir.Constant(i64, _BATCH))
                weight = builder.load(builder.gep(weights, [loop.index]))
                one = builder.insert_element(ir.Constant(floats, ir.Undefined), weight, ir.Constant(ir.IntType(32), 0))
                weight = builder.shuffle_vector(one, one, zero)
                for v in every:
                    flags = builder.load(at(inside, builder.add(row, places[v]), flag), align=1)
                    hit = builder.icmp_signed("<", builder.sext(flags, ints), zero)
                    rise = builder.fptosi(builder.fadd(builder.fmul(weight, scale[v]), half, flags=["contract"]), ints)
                    total = builder.add(builder.load(sums[v]), builder.select(hit, rise, fall[v]))
                    builder.store(total, sums[v])
                    keep(high[v], ">", total)
                    keep(low[v], "<", total)
            for v in every:
                builder.store(builder.load(high[v]), at(highest, places[v], ints), align=4)
                builder.store(builder.load(low[v]), at(lowest, places[v], ints), align=4)
            return context.get_dummy_value()

        return types.void(order, weights, inside, scales, falls, highest, lowest), codegen

    return walk


_walk_8, _walk_16, _walk_24 = (_walker(vectors) for vectors in (1, 2, 3))


@njit(cache=True, error_model="numpy")
def _exactly(order, weights, inside, size, tie):  # noqa: ANN001, ANN202
    """Score of one set in one signature, in float64; ``inside`` is the set's column."""
    n_genes, total = len(order), 0.0
    for place in range(n_genes):
        if inside[order[place]]:
            total += np.float64(weights[place])
    reached, misses, highest, lowest = 0.0, 0, 0.0, 0.0
    for place in range(n_genes):
        if inside[order[place]]:
            lowest = min(lowest, reached / total - misses / (n_genes - size))
            reached += np.float64(weights[place])
            highest = max(highest, reached / total - misses / (n_genes - size))
        else:
            misses += 1
    lowest = min(lowest, reached / total - misses / (n_genes - size))
    return highest if highest >= -lowest - tie else lowest


@njit(cache=True, inline="always")
def _make_ready(values, ranks, columns, order, weights):  # noqa: ANN001, ANN202
    """Bring signatures' abs(z) side by side (``columns``), and their genes and abs(z) into the order of the ranks."""
    n, n_genes = values.shape
    for lane in range(n):
        for gene in range(n_genes):
            rank = ranks[lane, gene]
            order[lane, rank], weights[lane, rank] = gene, abs(values[lane, gene])
    for start in range(0, n_genes, _LANES):  # squares that fit the cache
        for lane in range(n):
            for gene in range(start, min(start + _LANES, n_genes)):
                columns[gene, lane] = abs(values[lane, gene])


@njit(cache=True, inline="always")
def _sum_weights(columns, genes, totals):  # noqa: ANN001, ANN202
    """Sum of abs(z) of a set's genes in every signature of ``columns``."""
    totals[:] = 0
    fours = len(genes) // 4 * 4
    for k in range(0, fours, 4):
        a, b, c, d = columns[genes[k]], columns[genes[k + 1]], columns[genes[k + 2]], columns[genes[k + 3]]
        for lane in range(_LANES):
            totals[lane] += (a[lane] + b[lane]) + (c[lane] + d[lane])
    for k in range(fours, len(genes)):
        for lane in range(_LANES):
            totals[lane] += columns[genes[k], lane]


@njit(cache=True, parallel=True, error_model="numpy")
def _score(values, ranks, inside, genes, starts, tie, scores, workers):  # noqa: ANN001, ANN202
    """Fill ``scores``; ``inside`` (n_batches, n_genes, 24) is -1 where the gene belongs to the set."""
    n_signatures, n_genes = values.shape
    n_sets = len(starts) - 1
    tiles = (n_signatures + _LANES - 1) // _LANES
    for worker in prange(workers):  # each with memory of its own, touched once
        columns = np.zeros((n_genes, _LANES), np.float32)
        order, weights = np.empty((_LANES, n_genes), np.uint16), np.empty((_LANES, n_genes), np.float32)
        totals = np.zeros((_BATCH, _LANES))
        scales, falls = np.zeros(_BATCH, np.float32), np.zeros(_BATCH, np.int32)
        highest, lowest = np.zeros(_BATCH, np.int32), np.zeros(_BATCH, np.int32)
        for tile in range(worker, tiles, workers):
            first = tile * _LANES
            n = min(_LANES, n_signatures - first)
            _make_ready(values[first : first + n], ranks[first : first + n], columns, order, weights)
            for batch in range(len(inside)):
                n_here = min(_BATCH, n_sets - batch * _BATCH)
                for k in range(n_here):
                    number = batch * _BATCH + k
                    _sum_weights(columns, genes[starts[number] : starts[number + 1]], totals[k])
                    misses = n_genes - (starts[number + 1] - starts[number])
                    falls[k] = -np.int32(np.rint(_WHOLE / misses)) if misses else 0
                for lane in range(n):
                    for k in range(n_here):
                        scales[k] = _WHOLE / totals[k, lane] if totals[k, lane] > _SMALLEST else 0
                    if n_here > 16:
                        _walk_24(order[lane], weights[lane], inside[batch], scales, falls, highest, lowest)
                    elif n_here > 8:
                        _walk_16(order[lane], weights[lane], inside[batch], scales, falls, highest, lowest)
                    else:
                        _walk_8(order[lane], weights[lane], inside[batch], scales, falls, highest, lowest)
                    for k in range(n_here):
                        number, total = batch * _BATCH + k, totals[k, lane]
                        size = starts[number + 1] - starts[number]
                        high, low = highest[k], -lowest[k]
                        if total == 0 or size == n_genes:
                            score = 0.0
                        elif abs(high - low) <= _NEAR or total <= _SMALLEST:  # rounding could turn the sign
                            score = _exactly(order[lane], weights[lane], inside[batch, :, k], size, tie)
                        else:
                            score = (high if high > low else -low) / _WHOLE
                        scores[number, first + lane] = score
