"""All queries of a run against one shard of a reference, block by block."""

import logging
from collections.abc import Iterator, Sequence

import anndata as ad
import numpy as np
import pandas as pd
import torch

from scperturb_cmap.scoring.profiles import Profiles, choose_device, make_query
from scperturb_cmap.scoring.registry import SCORES
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.names import FDR

__all__ = ["FEATURE_SPACES", "score_signatures"]

log = logging.getLogger(__name__)

#: Reference signatures compared at once: 0.1 GB of float64 at 12,328 genes, and as much for each form a score needs.
_BLOCK = 1024

#: Which genes of a reference are compared.
FEATURE_SPACES = ("all", "best_inferred", "landmark")

#: Why a score that had enough genes is missing all the same.
_UNDEFINED = "undefined: one of the two signatures is constant among the genes compared"

_REFERENCE_COLUMNS = ["reference", "compound", "compound_id", "cell_line", "dose_um", "time_h", "tas"]


def score_signatures(
    queries: ad.AnnData | Sequence[ad.AnnData], reference: ad.AnnData, methods: Sequence[str] = ("cosine", "spearman", "wtcs"), *,
    n_genes: int = 150, min_tags: int = 10, feature_space: str = "all", device: str = "auto",
) -> Iterator[pd.DataFrame]:  # fmt: skip
    """Compare every usable query with every reference signature.

    Genes are compared where both sides measured them. WTCS ranks a reference signature over all of its own genes, and
    takes the query's sets among the genes both measured.

    Parameters
    ----------
    queries
        Signature sets of disease populations, taken together so that a block of the reference is made ready once; populations
        with status "skipped" are left out.
    reference
        Signature set of drug perturbations (one shard), same gene key.
    methods
        Names of :data:`~scperturb_cmap.scoring.registry.SCORES`.
    n_genes
        Size of the query's up and down sets; a query that is a pair of sets keeps its own.
    min_tags
        Fewest genes in each set (for scores of sets) and in common (for scores of profiles): below, the score is missing.
    feature_space
        Genes of the reference that are compared and ranked: "all", "best_inferred" (with the landmarks) or "landmark".
    device
        "auto", "cpu" or "gpu".

    Raises
    ------
    InputError
        The reference has no gene of the feature space.

    Yields
    ------
    One table per block of the reference: dataset, population, signature, the reference's columns, one column per method,
    n_genes (in common), n_changed (of these, FDR below 5 %), n_up, n_down, status ("ok",
    "incomplete" where a method has no score), reason.

    Examples
    --------
    >>> from scperturb_cmap.io.signature_set import PERTURBATION_COLUMNS, POPULATION_COLUMNS, signature_set
    >>> var = pd.DataFrame({"symbol": list("abcd"), "feature_space": "landmark"}, index=list("1234"))
    >>> ill = pd.DataFrame({c: ["ok"] for c in POPULATION_COLUMNS}, index=["ill|B"])
    >>> drugs = pd.DataFrame({c: ["x", "y"] for c in PERTURBATION_COLUMNS}, index=["x:1", "y:1"])
    >>> queries = signature_set(np.array([[3.0, 1, -1, -3]]), ill, var, "wald_z")
    >>> reference = signature_set(np.array([[2.0, 1, -1, -2], [-2, -1, 1, 2]]), drugs, var, "modz")
    >>> table = next(score_signatures(queries, reference, n_genes=1, min_tags=1, device="cpu"))
    >>> table[["signature", "spearman", "wtcs"]]
      signature  spearman  wtcs
    0       x:1       1.0   1.0
    1       y:1      -1.0  -1.0
    """
    place = choose_device(device)
    log.info("scoring on %s", torch.cuda.get_device_name(place) if place.type == "cuda" else "cpu")
    inside = _in_feature_space(reference, feature_space)
    sides = [
        _as_query(one, reference.var_names[inside])
        for one in ([queries] if isinstance(queries, ad.AnnData) else queries)
    ]

    for start in range(0, reference.n_obs, _BLOCK):
        block = reference[start : start + _BLOCK]
        measured = np.asarray(block.X)[:, inside]
        ranked = "rank" in block.layers and inside.all()  # ranks hold among all genes measured
        tables = []
        for rows, genes in _by_measured_genes(measured):
            ranks = np.asarray(block.layers["rank"])[np.ix_(rows, genes)] if ranked else None
            profiles = Profiles(torch.as_tensor(measured[np.ix_(rows, genes)], device=place), ranks)
            known = {column: block.obs[column].to_numpy()[rows] for column in _REFERENCE_COLUMNS}
            for usable, values, changed in sides:
                for number, obs in enumerate(usable.itertuples()):
                    ordered = getattr(obs, "effect", "") != "set"
                    most = n_genes if ordered else len(genes)  # a gene set has the size it has
                    scores = _score(values[number, genes], profiles, methods, most, min_tags, ordered)
                    names = {"dataset": obs.dataset, "population": obs.population, "signature": block.obs_names[rows]}
                    names["n_changed"] = int(changed[number, genes].sum())
                    tables.append(pd.DataFrame(names | known | scores))
        log.info("scored %d of %d reference signatures", min(start + _BLOCK, reference.n_obs), reference.n_obs)
        if tables:
            yield pd.concat(tables, ignore_index=True)


def _in_feature_space(reference: ad.AnnData, feature_space: str) -> np.ndarray:
    """Which genes of the reference are compared, shape (n_genes,)."""
    spaces = {"landmark": ["landmark"], "best_inferred": ["landmark", "best inferred"]}
    if feature_space == "all":
        return np.ones(reference.n_vars, bool)
    inside = reference.var["feature_space"].isin(spaces[feature_space]).to_numpy()
    if not inside.any():
        wrong = f"The gene table calls no gene of this reference {' or '.join(spaces[feature_space])}"
        remedy = "Give LINCS' geneinfo as the first gene table (--genes), or --feature_space all."
        raise InputError(Problem("--feature_space", feature_space, f"{wrong}.", remedy))
    return inside


def _as_query(queries: ad.AnnData, genes: pd.Index) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Populations that can be used, their values in the reference's order of genes (NaN = not measured), what changed."""
    usable = queries[queries.obs["status"] != "skipped"]
    found = usable.var_names.get_indexer(genes)
    values = np.where(found >= 0, np.asarray(usable.X)[:, found], np.nan)
    fdr = usable.layers["fdr"] if "fdr" in usable.layers else np.full(usable.shape, np.nan)
    return usable.obs, values, (found >= 0) & (np.asarray(fdr)[:, found] < FDR)


def _score(
    values: np.ndarray, profiles: Profiles, methods: Sequence[str], n_genes: int, min_tags: int, ordered: bool
) -> dict:
    """Scores of one query, and why one is missing."""
    query = make_query(values, n_genes, profiles.values.device)
    sizes = {"n_genes": len(query.genes), "n_up": len(query.up), "n_down": len(query.down)}
    scores, reasons = {}, []
    for method in methods:
        score = SCORES[method]
        smallest = len(query.genes) if score.needs == "profile" else min(len(query.up), len(query.down))
        if score.needs == "ordered sets" and not ordered:
            reasons.append(f"{method}: the query is a pair of gene sets without an order")
            scores[method] = np.full(len(profiles.values), np.nan)
        elif smallest < min_tags:
            what = "genes in common" if score.needs == "profile" else "genes in the up or down set"
            reasons.append(f"{method}: only {smallest} {what}, {min_tags} are needed")
            scores[method] = np.full(len(profiles.values), np.nan)
        else:
            scores[method] = score.function(query, profiles).cpu().numpy()
    missing = np.isnan(np.stack(list(scores.values()))).any(axis=0)
    reason = np.where(missing, "; ".join(reasons) or _UNDEFINED, "")
    return scores | sizes | {"status": np.where(missing, "incomplete", "ok"), "reason": reason}


def _by_measured_genes(values: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows that measure the same genes, and these genes; a platform gives one group."""
    patterns, group = np.unique(np.packbits(~np.isnan(values), axis=1), axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        yield np.flatnonzero(group == number), np.flatnonzero(np.unpackbits(pattern, count=values.shape[1]))
