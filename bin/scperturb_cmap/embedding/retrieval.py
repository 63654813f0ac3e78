"""Scores of queries against references in the space, and the nearest of many."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import anndata as ad
import numpy as np
import torch
from numba import njit, prange

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.inputs import SHAPES, on_genes, signed_scores

__all__ = ["EmbeddingScore", "embed_reference", "embedding_scores", "query_kinds", "top_matches"]


def embed_reference(reference: ad.AnnData, checkpoint: Checkpoint, kind: str) -> np.ndarray:
    """Places of drug signatures; the mean of the training reference is taken off, whatever the shard holds besides."""
    checkpoint.check_genes(reference.var_names, "the reference")
    values = on_genes(np.asarray(reference.X), reference.var_names, checkpoint.perturbation_genes)
    centred = (signed_scores(values) - checkpoint.perturbation_mean) * ~np.isnan(values)
    return checkpoint.encoders[kind].encode_perturbation(centred)


class EmbeddingScore:
    """Connectivity in the space: cosine, positive mimics, negative reverses.

    Gene sets go by the input layer "sets", profiles and ranked lists by "profile". A query and its opposite have opposite
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
        self._random: dict[tuple, np.ndarray] = {}
        self._block: tuple[ad.AnnData | None, dict[str, np.ndarray]] = (None, {})

    def scores(self, queries: Sequence[ad.AnnData], reference: ad.AnnData) -> tuple[np.ndarray, list[str]]:
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
            float32, shape (n_queries of all sets, n_signatures).
        reasons
            Of each query, why it has none; "" if it has. A signature without any of the space's genes has none either.

        Raises
        ------
        InputError
            The reference has other genes than the checkpoint was trained on.
        """
        placed = self._place(queries)
        out = np.full((len(placed), reference.n_obs), np.nan, np.float32)
        for number, one in enumerate(placed):
            if not one.reason:
                out[number] = self._reference(one.kind, reference) @ one.place
        return out, [one.reason for one in placed]

    def reasons(self, queries: ad.AnnData) -> list[str]:
        """Why a query has no score, "" if it has."""
        return [one.reason for one in self._place([queries])]

    def p_values(self, scores: np.ndarray, queries: Sequence[ad.AnnData], reference: ad.AnnData) -> np.ndarray:
        """How often a random query reverses as much: (1 + number with a score as low or lower) / (1 + number).

        A random query has the query's own signed scores at other ones of the genes it measures.

        Parameters
        ----------
        scores
            As :meth:`scores` gave them.
        queries, reference
            As there.
        """
        out = np.full(scores.shape, np.nan)
        for number, one in enumerate(self._place(queries)):
            if one.reason:
                continue
            null = self._reference(one.kind, reference) @ self._random_places(one).T
            null.sort(axis=1)
            lower = [np.searchsorted(row, score, side="right") for row, score in zip(null, scores[number], strict=True)]
            out[number] = (1 + np.array(lower)) / (1 + self._n_random)
        return np.where(np.isnan(scores), np.nan, out)

    def _place(self, queries: Sequence[ad.AnnData]) -> list["_Placed"]:
        """Queries in the space; kept, for every block of a reference asks for the same."""
        found = []
        for one in queries:
            if id(one) not in self._queries:  # the set is kept too, so that its id is not given to another
                self._queries[id(one)] = (one, list(_placed(one, self._checkpoint, self._min_genes)))
            found += self._queries[id(one)][1]
        return found

    def _reference(self, kind: str, block: ad.AnnData) -> np.ndarray:
        """Places of a block's signatures; of the last block only."""
        if self._block[0] is not block:
            self._block = (block, {})
        if kind not in self._block[1]:
            places = embed_reference(block, self._checkpoint, kind)
            places[~places.any(axis=1)] = np.nan
            self._block[1][kind] = places
        return self._block[1][kind]

    def _random_places(self, query: "_Placed") -> np.ndarray:
        """Random queries in the space, shape (n_random, n_dimensions)."""
        rng, known = np.random.default_rng(self._seed), np.flatnonzero(query.known)
        shuffled = np.zeros((self._n_random, len(query.known)), np.float32)
        for row in shuffled:
            row[known] = rng.permutation(query.scores[known])
        return self._checkpoint.encoders[query.kind].encode_query(shuffled)


class _Placed(NamedTuple):
    """One query: its layer, its signed scores on the layer's genes, which of them it measures, its place, or why it has none."""

    kind: str
    scores: np.ndarray
    known: np.ndarray
    place: np.ndarray
    reason: str


def _placed(queries: ad.AnnData, checkpoint: Checkpoint, min_genes: int) -> Iterator[_Placed]:
    nothing = np.empty(0)
    for number, kind in enumerate(query_kinds(queries)):
        if kind not in checkpoint.encoders:
            name = {"sets": "gene sets", "profile": "profiles"}[kind]
            yield _Placed(kind, nothing, nothing, nothing, f"the space has no input layer for {name}")
            continue
        values = on_genes(np.asarray(queries.X[[number]]), queries.var_names, checkpoint.query_genes[kind])
        scores, known = signed_scores(values, SHAPES[kind])[0], ~np.isnan(values[0])
        place = checkpoint.encoders[kind].encode_query(scores[None])[0]
        few = f"only {known.sum()} of the space's genes are measured, {min_genes} are needed"
        empty = "no gene of the space differs from 0"
        reason = few if known.sum() < min_genes else "" if place.any() else empty
        yield _Placed(kind, scores, known, place, reason)


def query_kinds(queries: ad.AnnData) -> list[str]:
    """Input layer of each query: "sets" for pairs of gene sets, "profile" for everything that has an order."""
    effect = queries.obs["effect"] if "effect" in queries.obs else [str(queries.uns["effect"])] * queries.n_obs
    return ["sets" if str(one) == "set" else "profile" for one in effect]


def embedding_scores(queries: ad.AnnData, reference: ad.AnnData, checkpoint: Checkpoint) -> np.ndarray:
    """Scores alone (:meth:`EmbeddingScore.scores`), shape (n_queries, n_signatures)."""
    return EmbeddingScore(checkpoint).scores([queries], reference)[0]


def top_matches(
    queries: np.ndarray, references: np.ndarray, k: int, *, block: int = 4096, device: str = "cpu"
) -> tuple[np.ndarray, np.ndarray]:
    """The k references nearest to every query, exactly, block by block; negate the queries for the best reversers.

    On a CPU the scores of a block are looked through while they are in the caches, and only those above the k-th best so far
    are looked at twice.

    Parameters
    ----------
    queries, references
        Places in the space, shapes (n, d) and (m, d), without missing values.
    k
        How many.
    block
        References compared at once.
    device
        Of torch.

    Returns
    -------
    scores, positions
        Shapes (n, min(k, m)), best first; of equal scores the first.

    Examples
    --------
    >>> scores, positions = top_matches(np.eye(2), np.array([[0.0, 1], [1, 0], [-1, 0]]), 2, block=1)
    >>> positions[:, 0].tolist(), scores[:, 0].tolist()
    ([1, 0], [1.0, 1.0])
    """
    mine = torch.as_tensor(np.ascontiguousarray(queries, np.float32), device=device)
    theirs = torch.as_tensor(np.ascontiguousarray(references, np.float32))
    k = min(k, len(theirs))
    if mine.device.type == "cuda":
        return _top_on_gpu(mine, theirs, k, 16 * block)
    best = np.full((len(mine), k), -np.inf, np.float32)
    where = np.full((len(mine), k), -1)
    scores = torch.empty(len(mine), min(block, len(theirs)))
    for start in range(0, len(theirs), block):
        part = theirs[start : start + block]
        found = scores if len(part) == scores.shape[1] else torch.empty(len(mine), len(part))
        torch.mm(mine, part.T, out=found)
        if k:
            _keep_best(found.numpy(), start, best, where)
    order = np.lexsort((where, -best), axis=1)
    return np.take_along_axis(best, order, 1), np.take_along_axis(where, order, 1)


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


def _top_on_gpu(mine: torch.Tensor, theirs: torch.Tensor, k: int, block: int) -> tuple[np.ndarray, np.ndarray]:
    best = torch.empty((len(mine), 0), device=mine.device)
    where = torch.empty((len(mine), 0), dtype=torch.int64, device=mine.device)
    for start in range(0, len(theirs), block):
        part = theirs[start : start + block].to(mine.device)
        scores, places = (mine @ part.T).topk(min(k, len(part)), dim=1)
        best, order = torch.cat([best, scores], dim=1).topk(min(k, best.shape[1] + scores.shape[1]), dim=1)
        where = torch.cat([where, places + start], dim=1).gather(1, order)
    return best.cpu().numpy(), where.cpu().numpy()
