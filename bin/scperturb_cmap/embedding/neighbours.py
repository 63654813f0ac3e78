"""Populations and compounds in one space: mean places, the nearest compounds with the genes that carry them, a map."""

from collections.abc import Iterable

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.embedding.attribution import attribute_match
from scperturb_cmap.embedding.checkpoint import Checkpoint
from scperturb_cmap.embedding.inputs import SHAPES, on_genes, signed_scores
from scperturb_cmap.embedding.retrieval import centred_scores, query_scores, top_matches
from scperturb_cmap.utils.names import of_a_compound

__all__ = ["compound_places", "embedding_map", "nearest_compounds"]

#: Signatures placed at once.
_BLOCK = 4096

#: Points around each that a map keeps together.
_NEIGHBOURS = 15

#: Genes named beside a neighbour.
_GENES_NAMED = 20


def compound_places(
    shards: Iterable[ad.AnnData], checkpoint: Checkpoint, kind: str, min_genes: int = 1
) -> ad.AnnData | None:
    """Mean place and mean signed scores of each compound's signatures; shards are read one after the other.

    Controls, genetic perturbations and signatures without a name are no compounds.

    Parameters
    ----------
    shards
        Signature sets of drug perturbations.
    checkpoint
        The space.
    kind
        Kind of query whose space it is: "profile", "cells" or "sets".
    min_genes
        A signature that tells of fewer of the space's genes has no place.

    Returns
    -------
    ``X``: mean centred signed scores on the space's genes; ``obs``: compound_id (index, too), compound, n_signatures;
    ``obsm["embedding"]``: mean place, no longer than 1: the shorter, the less a compound's signatures agree.
    None where no signature has a place.
    """
    sums: dict[str, list] = {}
    for shard in shards:
        rows = np.flatnonzero(of_a_compound(shard.obs).to_numpy())
        for start in range(0, len(rows), _BLOCK):
            block = shard[rows[start : start + _BLOCK]]
            scores, n_genes = centred_scores(block, checkpoint)
            placed = n_genes >= max(min_genes, 1)
            block, scores = block[placed], scores[placed]
            places = checkpoint.encoders[kind].encode_perturbation(scores)
            ids = block.obs["compound_id"].astype(str).to_numpy()
            for name in np.unique(ids):
                mine = ids == name
                total = sums.setdefault(name, [block.obs["compound"].astype(str).iloc[mine.argmax()], 0, 0.0, 0.0])
                total[1] += int(mine.sum())
                total[2] = total[2] + places[mine].sum(axis=0)
                total[3] = total[3] + scores[mine].sum(axis=0)
    if not sums:
        return None
    names = sorted(sums)
    obs = pd.DataFrame({
        "compound_id": names, "compound": [sums[n][0] for n in names], "n_signatures": [sums[n][1] for n in names],
    }, index=names)  # fmt: skip
    mean = [np.stack([sums[n][part] / sums[n][1] for n in names]).astype(np.float32) for part in (3, 2)]
    var = pd.DataFrame(index=checkpoint.perturbation_genes)
    return ad.AnnData(mean[0], obs, var, obsm={"embedding": mean[1]})


def nearest_compounds(
    queries: ad.AnnData, compounds: ad.AnnData, checkpoint: Checkpoint, kind: str, symbols: pd.Series, k: int = 50
) -> pd.DataFrame:
    """The compounds nearest to the opposite of every population (reverses) and to the population itself (mimics).

    Parameters
    ----------
    queries
        Populations of this kind, with a place in the space.
    compounds
        As :func:`compound_places` gives them.
    checkpoint, kind
        The space.
    symbols
        Gene key -> symbol.
    k
        Neighbours of each direction.

    Returns
    -------
    Columns dataset, population, direction, neighbour (1 = nearest), compound, compound_id, score (mean cosine of the compound's
    signatures: negative reverses), n_signatures, genes (those of the population that carry the score most, up genes with +),
    share (what these add up to, over what all genes of that sign do).
    """
    encoder, genes = checkpoint.encoders[kind], np.array(checkpoint.query_genes[kind])
    labels = np.array([symbols.get(gene) or gene for gene in genes])
    scores, _ = query_scores(queries, checkpoint, kind)
    places = encoder.encode_query(scores)
    rows = []
    for direction, sign in (("reverses", -1), ("mimics", 1)):
        found, where = top_matches(sign * places, compounds.obsm["embedding"], k)
        for number, obs in enumerate(queries.obs.itertuples()):
            for at in range(found.shape[1]):
                if found[number, at] <= 0:  # what lies on the other side does not reverse
                    continue
                one = where[number, at]
                parts = sign * attribute_match(encoder, scores[number], compounds.obsm["embedding"][one])
                best = [g for g in np.argsort(-parts, kind="stable")[:_GENES_NAMED] if parts[g] > 0]
                rows.append({
                    "dataset": obs.dataset, "population": obs.population, "direction": direction, "neighbour": at + 1,
                    "compound": compounds.obs["compound"].iloc[one], "compound_id": compounds.obs_names[one],
                    "score": sign * float(found[number, at]), "n_signatures": compounds.obs["n_signatures"].iloc[one],
                    "genes": "|".join(f"{'+' if scores[number, g] > 0 else '-'}{labels[g]}" for g in best),
                    "share": parts[best].sum() / parts[parts > 0].sum(),
                })  # fmt: skip
    columns = [
        "dataset", "population", "direction", "neighbour", "compound", "compound_id", "score", "n_signatures", "genes", "share",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def embedding_map(
    queries: ad.AnnData, compounds: ad.AnnData, checkpoint: Checkpoint, kind: str, seed: int
) -> ad.AnnData:
    """Populations, their opposites and compounds as one set, with places in the space and on a map.

    Parameters
    ----------
    queries, compounds, checkpoint, kind
        As in :func:`nearest_compounds`.
    seed
        Of the map.

    Returns
    -------
    ``X``: signed scores on the genes of the perturbations; ``obs``: what (population, opposite of a population, compound),
    dataset, population, compound, compound_id, n_signatures; ``obsm``: embedding, and X_umap (two dimensions; only who is near
    whom has a meaning there).

    References
    ----------
    McInnes 2018, arXiv:1802.03426 (UMAP).
    """
    import umap  # takes seconds to load

    places = checkpoint.encoders[kind].encode_query(query_scores(queries, checkpoint, kind)[0])
    shown = signed_scores(
        on_genes(np.asarray(queries.X), queries.var_names, checkpoint.perturbation_genes), SHAPES[kind]
    )
    about = queries.obs[["dataset", "population"]].astype(str).reset_index(drop=True)
    obs = pd.concat(
        [
            about.assign(what="population").set_axis(queries.obs_names),
            about.assign(what="opposite").set_axis("opposite of " + queries.obs_names),
            compounds.obs.assign(what="compound").set_axis("compound " + compounds.obs_names),
        ]
    )
    text = ["what", "dataset", "population", "compound", "compound_id"]
    obs = obs[[*text, "n_signatures"]].fillna(dict.fromkeys(text, "") | {"n_signatures": 1})
    whole = np.concatenate([places, -places, compounds.obsm["embedding"]])
    n_neighbours = min(_NEIGHBOURS, len(whole) - 1)
    # the spectral start needs more points than it has dimensions
    start = "spectral" if len(whole) > _NEIGHBOURS else "random"
    options = {"metric": "cosine", "n_neighbors": n_neighbours, "init": start, "random_state": seed, "n_jobs": 1}
    flat = umap.UMAP(**options).fit_transform(whole)
    values = np.concatenate([shown, -shown, compounds.X]).astype(np.float32)
    out = ad.AnnData(values, obs, compounds.var, obsm={"embedding": whole, "X_umap": flat.astype(np.float32)})
    out.uns["kind"] = kind
    return out
