"""Scores of queries against references in the space, and the nearest of many."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import anndata as ad
import numpy as np
import torch
from numba import njit, prange

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.inputs import SHAPES, on_genes, signed_scores
from scperturb_cmap.utils.ranks import p_as_low

__all__ = ["EmbeddingScore", "centred_scores", "embedding_scores", "query_kinds", "query_scores", "top_matches"]

#: Queries whose random queries stay in memory, some 16 MB each; those of others are placed anew for every block.
_MOST_KEPT = 16


def query_scores(queries: ad.AnnData, checkpoint: Checkpoint, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Signed scores of queries of one kind on the genes of their input layer, and which genes each measures.

    Returns
    -------
    scores, known
        Both of shape (n_queries, n_genes of the layer).
    """
    values = on_genes(np.asarray(queries.X), queries.var_names, checkpoint.query_genes[kind])
    return signed_scores(values, SHAPES[kind]), ~np.isnan(values)


def centred_scores(reference: ad.AnnData, checkpoint: Checkpoint) -> tuple[np.ndarray, np.ndarray]:
    """Signed scores of drug signatures on the space's genes, and of how many genes each says anything.

    The mean of the training reference in their cell line (of all, where the line was not seen) is taken off, whatever the
    shard holds besides.

    Returns
    -------
    scores, n_genes
        Shapes (n_signatures, n_genes of the space) and (n_signatures,).
    """
    values = on_genes(np.asarray(reference.X), reference.var_names, checkpoint.perturbation_genes)
    shape = SHAPES["sets" if checkpoint.centring.set_size else "profile"]
    scores = checkpoint.centring.of_perturbations(signed_scores(values, shape), reference.obs["cell_line"])
    return scores, (np.nan_to_num(values) != 0).sum(axis=1)


class EmbeddingScore:
    """Connectivity in the space: cosine, positive mimics, negative reverses.

    Gene sets go by the input layer "sets", profiles and ranked lists of single cells by "cells" where the space has it, all
    others by "profile". A query and its opposite have opposite
    scores, for the encoder is odd.

    Parameters
    ----------
    checkpoint
        As :func:`~scperturb_cmap.embedding.checkpoint.read_checkpoint` gives it.
    min_genes
        A query that has fewer of the layer's genes has no score.
    n_random
        Random queries for p-values.
    seed
        Of these.
    """

    name = "embedding"

    def __init__(self, checkpoint: Checkpoint, *, min_genes: int = 1, n_random: int = 1000, seed: int = 1):
        self._checkpoint, self._min_genes, self._n_random, self._seed = checkpoint, min_genes, n_random, seed
        self._queries: dict[int, tuple[ad.AnnData, list[_Placed]]] = {}
        self._random: dict[int, np.ndarray] = {}
        self._block: _Block | None = None

    def scores(self, queries: Sequence[ad.AnnData], reference: ad.AnnData) -> tuple[np.ndarray, list[str], np.ndarray]:
        """Scores of populations against drug signatures.

        Parameters
        ----------
        queries
            Signature sets of populations.
        reference
            Signature set of drug perturbations, or a block of it.

        Returns
        -------
        scores
            float32, shape (n_queries of all sets, n_signatures); missing where either side has a reason.
        reasons
            Of each query, why it has none; "" if it has.
        signature_reasons
            The same of each signature.
        """
        placed, block = self._place(queries), self._ready(reference)
        out = np.full((len(placed), reference.n_obs), np.nan, np.float32)
        there = np.flatnonzero(block.reasons == "")
        for kind in {one.kind for one in placed if not one.reason} if len(there) else ():
            rows = [number for number, one in enumerate(placed) if one.kind == kind and not one.reason]
            mine = np.stack([placed[number].place for number in rows])
            out[np.ix_(rows, there)] = (mine @ self._reference(kind).T)[:, there]
        return out, [one.reason for one in placed], block.reasons

    def reasons(self, queries: ad.AnnData) -> list[str]:
        """Why a query has no score, "" if it has."""
        return [one.reason for one in self._place([queries])]

    def p_values(self, scores: np.ndarray, queries: Sequence[ad.AnnData], reference: ad.AnnData) -> np.ndarray:
        """How often a random query reverses as much: (1 + number with a score as low or lower) / (1 + number).

        A random query has the query's own signed scores at other ones of the genes it measures; a pair of gene sets measures
        all genes of its layer.

        Parameters
        ----------
        scores
            As :meth:`scores` gave them.
        queries, reference
            As there.
        """
        self._ready(reference)
        out = np.full(scores.shape, np.nan)
        for number, one in enumerate(self._place(queries)):
            if not np.isnan(scores[number]).all():
                null = self._reference(one.kind) @ self._random_places(one).T
                null.sort(axis=1)
                out[number] = p_as_low(scores[number], null)
        return out

    def _place(self, queries: Sequence[ad.AnnData]) -> list["_Placed"]:
        """Queries in the space; kept, for every block of a reference asks for the same."""
        found = []
        for one in queries:
            if id(one) not in self._queries:  # the set is kept too, so that its id is not given to another
                self._queries[id(one)] = (one, _placed(one, self._checkpoint, self._min_genes))
            found += self._queries[id(one)][1]
        return found

    def _ready(self, reference: ad.AnnData) -> "_Block":
        """The block at hand, of which the last one is kept: all queries of a run ask for it one after the other."""
        if self._block is None or self._block.signatures is not reference:
            scores, n_genes = centred_scores(reference, self._checkpoint)
            least, reasons = max(self._min_genes, 1), np.full(reference.n_obs, "", dtype=object)
            for row in np.flatnonzero(n_genes < least):
                reasons[row] = f"the signature tells of {n_genes[row]} of the space's genes, {least} are needed"
            if few := self._checkpoint.lacking(reference.var_names):
                reasons[:] = few
            self._block = _Block(reference, scores, reasons, {})
        return self._block

    def _reference(self, kind: str) -> np.ndarray:
        """Places of the signatures of the block at hand."""
        places = self._block.places
        if kind not in places:
            places[kind] = self._checkpoint.encoders[kind].encode_perturbation(self._block.scores)
        return places[kind]

    def _random_places(self, query: "_Placed") -> np.ndarray:
        """Random queries in the space, the same for every block; shape (n_random, n_dimensions)."""
        if (places := self._random.get(id(query))) is None:
            rng = np.random.default_rng(self._seed)
            known = np.arange(len(query.scores)) if query.kind == "sets" else np.flatnonzero(query.known)
            shuffled = np.zeros((self._n_random, len(query.known)), np.float32)
            for row in shuffled:
                row[known] = rng.permutation(query.scores[known])
            places = self._checkpoint.encoders[query.kind].encode_query(shuffled)
            if len(self._random) < _MOST_KEPT:  # queries are kept, so that their ids are not given to others
                self._random[id(query)] = places
        return places


class _Block(NamedTuple):
    """Some signatures of a reference: centred scores, why one has no place ("" if it has), places by kind of query."""

    signatures: ad.AnnData
    scores: np.ndarray
    reasons: np.ndarray
    places: dict[str, np.ndarray]


class _Placed(NamedTuple):
    """One query: its layer, its signed scores on the layer's genes, which of them it measures, its place, or why it has none."""

    kind: str
    scores: np.ndarray
    known: np.ndarray
    place: np.ndarray
    reason: str


def _placed(queries: ad.AnnData, checkpoint: Checkpoint, min_genes: int) -> list[_Placed]:
    nothing, kinds = np.empty(0), np.array(query_kinds(queries, checkpoint.encoders), dtype=object)
    found: list[_Placed | None] = [None] * len(kinds)
    for kind in set(kinds):
        rows = np.flatnonzero(kinds == kind)
        if kind not in checkpoint.encoders:
            name = {"sets": "gene sets", "profile": "profiles"}[kind]
            for row in rows:
                found[row] = _Placed(kind, nothing, nothing, nothing, f"the space has no input layer for {name}")
            continue
        scores, known = query_scores(queries[rows], checkpoint, kind)
        places = checkpoint.encoders[kind].encode_query(scores)
        for row, score, there, place in zip(rows, scores, known, places, strict=True):
            few = f"only {there.sum()} of the space's genes are measured, {min_genes} are needed"
            reason = "" if place.any() else "no gene of the space differs from 0"
            found[row] = _Placed(kind, score, there, place, few if there.sum() < min_genes else reason)
    return found


def query_kinds(queries: ad.AnnData, layers: Collection[str]) -> list[str]:
    """Input layer of each query: "sets" for pairs of gene sets; for everything that has an order "cells" or "profile".

    Parameters
    ----------
    queries
        Populations, which are of single cells, or other signatures: ``uns["assay"]`` says what these were measured on.
    layers
        Input layers of the space; without "cells" single cells go by "profile".
    """
    cells = "cells" in layers and queries.uns.get("assay", "single_cell") == "single_cell"
    effect = queries.obs["effect"] if "effect" in queries.obs else [str(queries.uns["effect"])] * queries.n_obs
    return ["sets" if str(one) == "set" else "cells" if cells else "profile" for one in effect]


def embedding_scores(queries: ad.AnnData, reference: ad.AnnData, checkpoint: Checkpoint) -> np.ndarray:
    """Scores alone (:meth:`EmbeddingScore.scores`), shape (n_queries, n_signatures)."""
    return EmbeddingScore(checkpoint).scores([queries], reference)[0]


def top_matches(
    queries: np.ndarray, references: np.ndarray, k: int, *, block: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The k references nearest to every query, exactly, block by block; negate the queries for the best reversers.

    The scores of a block are looked through while they are in the caches, and only those above the k-th best so far
    are looked at twice.

    Parameters
    ----------
    queries, references
        Places in the space, shapes (n, d) and (m, d), without missing values.
    k
        How many.
    block
        References compared at once; by default as many as keep their scores in the caches.

    Returns
    -------
    scores, positions
        Shapes (n, min(k, m)), best first; equal scores in no particular order.

    Examples
    --------
    >>> scores, positions = top_matches(np.eye(2), np.array([[0.0, 1], [1, 0], [-1, 0]]), 2, block=1)
    >>> positions[:, 0].tolist(), scores[:, 0].tolist()
    ([1, 0], [1.0, 1.0])
    """
    mine = torch.as_tensor(np.ascontiguousarray(queries, np.float32))
    theirs = torch.as_tensor(np.ascontiguousarray(references, np.float32))
    k = min(k, len(theirs))
    block = block or max(4096, 131_072 // max(len(mine), 1))
    best = np.full((len(mine), k), -np.inf, np.float32)
    where = np.full((len(mine), k), -1)
    scores = torch.empty(len(mine), min(block, len(theirs)))
    for start in range(0, len(theirs), block):
        part = theirs[start : start + block]
        found = scores if len(part) == scores.shape[1] else torch.empty(len(mine), len(part))
        if len(mine) == 1:
            _products(mine[0].numpy(), part.numpy(), found[0].numpy())
        else:
            torch.mm(mine, part.T, out=found)
        if k:
            _keep_best(found.numpy(), start, best, where)
    order = np.lexsort((where, -best), axis=1)
    return np.take_along_axis(best, order, 1), np.take_along_axis(where, order, 1)


@njit(cache=True, parallel=True, fastmath={"reassoc", "contract"})
def _products(query, references, out):  # noqa: ANN001, ANN202
    """Inner products of one query; reads the references once, as fast as memory gives them (a matrix product does not)."""
    for row in prange(len(references)):
        total = np.float32(0)
        for column in range(references.shape[1]):
            total += query[column] * references[row, column]
        out[row] = total


@njit(cache=True, parallel=True)
def _keep_best(scores, start, best, where):  # noqa: ANN001, ANN202
    """Put the scores of a block into each query's heap, whose first is the worst of its best."""
    n, k = scores.shape[1], best.shape[1]
    for query in prange(len(scores)):
        row, heap, at = scores[query], best[query], where[query]
        for column in range(n):
            score = row[column]
            if score <= heap[0]:
                continue
            place = 0
            while True:
                child = 2 * place + 1
                if child >= k:
                    break
                if child + 1 < k and heap[child + 1] < heap[child]:
                    child += 1
                if heap[child] >= score:
                    break
                heap[place], at[place] = heap[child], at[child]
                place = child
            heap[place], at[place] = score, start + column
