"""Scores of signatures of a reference against others of it, by every method, as matrices."""

from collections.abc import Callable, Iterable, Sequence

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.inputs import is_gene_sets
from scperturb_cmap.embedding.retrieval import EmbeddingScore
from scperturb_cmap.io.signature_set import POPULATION_COLUMNS
from scperturb_cmap.scoring.engine import score_blocks

__all__ = ["as_queries", "learned_in_folds", "oddness", "score_matrices"]


def as_queries(signatures: ad.AnnData) -> ad.AnnData:
    """Signatures of a reference as if they were populations: what a client's query goes through, they go through.

    Those of gene sets become pairs of sets, which have the space's input layer of their own.
    """
    effect = str(signatures.uns["effect"])
    effect = "set" if is_gene_sets(effect) else effect
    obs = pd.DataFrame("", signatures.obs_names, list(POPULATION_COLUMNS))
    obs = obs.assign(dataset="validation", population=signatures.obs_names, status="ok", effect=effect)
    obs["compound_id"] = signatures.obs["compound_id"].astype(str)
    assay = signatures.uns.get("assay", "bulk")
    return ad.AnnData(np.asarray(signatures.X), obs, signatures.var, uns={"effect": effect, "assay": assay})


def score_matrices(
    queries: ad.AnnData, searched: ad.AnnData, methods: Sequence[str], **options: object
) -> dict[str, np.ndarray]:
    """Scores by several methods at once.

    Parameters
    ----------
    queries
        Of :func:`as_queries`, or populations.
    searched
        Signature set of perturbations.
    methods
        Names of :data:`~scperturb_cmap.scoring.registry.SCORES`.
    options
        Of :func:`~scperturb_cmap.scoring.engine.score_blocks`: n_genes, min_tags, feature_space, device.

    Returns
    -------
    Method -> shape (n_queries, n_signatures); missing where a method has no score.
    """
    out = {method: np.full((queries.n_obs, searched.n_obs), np.nan) for method in methods}
    rows = pd.Index(queries.obs["dataset"].astype(str) + "\t" + queries.obs["population"].astype(str))
    for block in score_blocks(queries, searched, methods, **options):
        table = block.table
        row = rows.get_indexer(table["dataset"] + "\t" + table["population"])
        column = searched.obs_names.get_indexer(table["signature"])
        for method in methods:
            out[method][row, column] = table[method]
    return out


def oddness(queries: ad.AnnData, searched: ad.AnnData, methods: Sequence[str], **options: object) -> dict[str, float]:
    """How far each method's score of a turned query is from the turned score, relative to the largest score; NaN without any."""
    turned = queries.copy()
    turned.X = -turned.X
    one, other = (score_matrices(side, searched, methods, **options) for side in (queries, turned))
    out = {}
    for method in methods:
        scores, largest = one[method], np.nanmax(np.abs(one[method]), initial=0.0)
        out[method] = float(np.nanmax(np.abs(scores + other[method])) / largest) if largest else float("nan")
    return out


def learned_in_folds(
    folds: Iterable[tuple[np.ndarray, Checkpoint]], searched: ad.AnnData
) -> Callable[[ad.AnnData], np.ndarray]:
    """Scores by spaces that have not seen what they are tested on.

    Parameters
    ----------
    folds
        Which queries a space is for, bool (n_queries,), and the space.
    searched
        Signature set of perturbations.

    Returns
    -------
    Function of queries (as many, in this order) -> shape (n_queries, n_signatures).
    """
    spaces = list(folds)

    def scores(queries: ad.AnnData) -> np.ndarray:
        out = np.full((queries.n_obs, searched.n_obs), np.nan)
        for rows, checkpoint in spaces:
            if rows.any():  # made anew each time, for it keeps the searched signatures as its space sees them
                out[rows] = EmbeddingScore(checkpoint).scores([queries[rows].copy()], searched)[0]
        return out

    return scores
