"""Scores of queries against references in the space, and the nearest of many."""

import anndata as ad
import numpy as np
import torch

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.inputs import SHAPES, on_genes, signed_scores

__all__ = ["embed_queries", "embed_reference", "embedding_scores", "top_matches"]


def embed_queries(queries: ad.AnnData, checkpoint: Checkpoint, kind: str) -> np.ndarray:
    """Places of populations in the space of one kind of query; nothing is centred, so that -x lies opposite x."""
    values = on_genes(np.asarray(queries.X), queries.var_names, checkpoint.query_genes[kind])
    return checkpoint.encoders[kind].encode_query(signed_scores(values, SHAPES[kind]))


def embed_reference(reference: ad.AnnData, checkpoint: Checkpoint, kind: str) -> np.ndarray:
    """Places of drug signatures; the mean of the training reference is taken off, whatever the shard holds besides."""
    checkpoint.check_genes(reference.var_names, "the reference")
    values = on_genes(np.asarray(reference.X), reference.var_names, checkpoint.perturbation_genes)
    centred = (signed_scores(values) - checkpoint.perturbation_mean) * ~np.isnan(values)
    return checkpoint.encoders[kind].encode_perturbation(centred)


def embedding_scores(queries: ad.AnnData, reference: ad.AnnData, checkpoint: Checkpoint) -> np.ndarray:
    """Cosine in the space: positive mimics, negative reverses.

    Parameters
    ----------
    queries
        Signature set of populations; gene sets go by the input layer "sets", profiles by "profile", where the checkpoint has it.
    reference
        Signature set of drug perturbations.
    checkpoint
        As :func:`~scperturb_cmap.embedding.checkpoint.read_checkpoint` gives it.

    Returns
    -------
    float32, shape (n_queries, n_signatures); NaN where the checkpoint has no input layer for the query, or the query none of
    its genes.

    Raises
    ------
    InputError
        The reference has other genes than the checkpoint was trained on.
    """
    out = np.full((queries.n_obs, reference.n_obs), np.nan, np.float32)
    effect = queries.obs["effect"] if "effect" in queries.obs else [str(queries.uns["effect"])] * queries.n_obs
    kinds = np.where(np.asarray(effect, dtype=str) == "set", "sets", "profile")  # a ranked list is a profile
    for kind in set(kinds) & set(checkpoint.encoders):
        rows = np.flatnonzero(kinds == kind)
        mine = embed_queries(queries[rows], checkpoint, kind)
        out[rows] = mine @ embed_reference(reference, checkpoint, kind).T
        out[rows[~mine.any(axis=1)]] = np.nan
    return out


def top_matches(
    queries: np.ndarray, references: np.ndarray, k: int, *, block: int = 65_536, device: str = "cpu"
) -> tuple[np.ndarray, np.ndarray]:
    """The k references nearest to every query, exactly, block by block; negate the queries for the best reversers.

    Parameters
    ----------
    queries, references
        Places in the space, shapes (n, d) and (m, d).
    k
        How many.
    block
        References compared at once.
    device
        Of torch.

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
    mine = torch.as_tensor(np.ascontiguousarray(queries, np.float32), device=device)
    best = torch.empty((len(mine), 0), device=device)
    where = torch.empty((len(mine), 0), dtype=torch.int64, device=device)
    for start in range(0, len(references), block):
        part = torch.as_tensor(np.ascontiguousarray(references[start : start + block], np.float32), device=device)
        scores, places = (mine @ part.T).topk(min(k, len(part)), dim=1)
        best, order = torch.cat([best, scores], dim=1).topk(min(k, best.shape[1] + scores.shape[1]), dim=1)
        where = torch.cat([where, places + start], dim=1).gather(1, order)
    return best.cpu().numpy(), where.cpu().numpy()
