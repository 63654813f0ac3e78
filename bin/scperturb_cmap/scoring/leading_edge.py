"""Leading edges: the genes of a disease signature by which a drug reverses (or mimics) it."""

from collections.abc import Sequence

import anndata as ad
import numpy as np
import pandas as pd
import torch

from scperturb_cmap.scoring.feature_space import in_feature_space
from scperturb_cmap.scoring.profiles import make_query
from scperturb_cmap.utils.ranks import are_ranks, descending_ranks
from scperturb_cmap.utils.running_sum import leading_edge

__all__ = ["find_leading_edges"]

_PAIR = ["dataset", "population", "compound", "compound_id"]
_GENE = ["gene_key", "symbol", "set", "disease_z"]


def find_leading_edges(
    pairs: pd.DataFrame, queries: Sequence[ad.AnnData], shard: ad.AnnData, *, n_genes: int = 150, feature_space: str = "all"
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Leading edges of the query's up and down set in the signature of each pair.

    The sets and ranks are those of the score ``wtcs``, whatever score ranked the drugs. A set counts where its enrichment
    score points the way of the pair: in a reversal the up set sinks to the bottom (ES below 0) and the down set rises to
    the top, in a mimic the reverse. A set that moves the other way, or not at all, gives no genes.

    Parameters
    ----------
    pairs
        dataset, population, compound, compound_id, score (below 0: reversal, above 0: mimicry), best_signature. Rows whose
        signature is not in the shard are left out.
    queries
        Signature sets of the data sets.
    shard
        Signature set of drug perturbations; it need only hold the signatures of the pairs.
    n_genes
        Size of the query's up and down sets; a query that is a pair of sets keeps its own.
    feature_space
        Genes of the reference that are compared and ranked.

    Returns
    -------
    edges
        One row per pair and gene in a leading edge, the strongest disease genes of a set first: dataset, population,
        compound, compound_id, signature, gene_key, symbol, set ("up" or "down" in the disease), disease_z, drug_z,
        drug_rank (1 = most up of the signature's genes).
    genes
        The genes of the queries' sets, in a leading edge or not, each once per population: dataset, population, gene_key,
        symbol, set, disease_z.

    Examples
    --------
    >>> from scperturb_cmap.io.signature_set import PERTURBATION_COLUMNS, POPULATION_COLUMNS, signature_set
    >>> var = pd.DataFrame({"symbol": list("abcd"), "feature_space": "landmark"}, index=list("1234"))
    >>> ill = pd.DataFrame({c: ["ok"] for c in POPULATION_COLUMNS}, index=["ill|B"]).assign(dataset="ill", population="B")
    >>> drug = pd.DataFrame({c: ["x"] for c in PERTURBATION_COLUMNS}, index=["x:1"])
    >>> queries = signature_set(np.array([[3.0, 1, -1, -3]]), ill, var, "wald_z")
    >>> shard = signature_set(np.array([[-2.0, -1, 2, 1]]), drug, var, "modz")
    >>> pairs = pd.DataFrame({"dataset": ["ill"], "population": "B", "compound": "x", "compound_id": "x", "score": -1.0})
    >>> edges, genes = find_leading_edges(pairs.assign(best_signature="x:1"), [queries], shard, n_genes=1)
    >>> edges[["symbol", "set", "disease_z", "drug_z", "drug_rank"]]
      symbol   set  disease_z  drug_z  drug_rank
    0      a    up        3.0    -2.0          4
    1      d  down       -3.0     1.0          2
    """
    inside = in_feature_space(shard, feature_space)
    rows = {name: row for row, name in enumerate(shard.obs_names)}
    here = pairs[pairs["best_signature"].isin(rows)]
    # As in the engine, ready-made ranks hold among all genes measured, not in a part of them.
    ready = shard.layers["rank"] if "rank" in shard.layers and inside.all() else None
    edges, genes = [], []
    for (dataset, population), mine in here.groupby(["dataset", "population"], sort=False, observed=True):
        query, ordered = _query(queries, dataset, population, shard.var_names)
        for pair in mine.itertuples():
            row = rows[pair.best_signature]
            values = np.asarray(shard.X[row], dtype=np.float32).ravel()
            measured = np.flatnonzero(~np.isnan(values) & inside)
            known = values[measured]
            ranks = None if ready is None else np.asarray(ready[row])[measured]
            if ranks is None or not are_ranks(ranks[None], known[None]):
                ranks = descending_ranks(known[None])[0]
            table = _pair_genes(query[measured], known, ranks, n_genes if ordered else len(measured))
            table["gene_key"] = shard.var_names[measured[table.pop("position")]]
            table["symbol"] = shard.var.loc[table["gene_key"], "symbol"].astype(str).to_numpy()
            table = table.assign(**{column: getattr(pair, column) for column in _PAIR}, signature=pair.best_signature)
            # The down set rises where the up set sinks.
            wanted = np.sign(pair.score) * np.where(table["set"] == "up", 1, -1)
            edges.append(table[table["edge"] & (np.sign(table["es"]) == wanted)])
            genes.append(table)
    columns = [*_PAIR, "signature", *_GENE, "drug_z", "drug_rank"]
    all_genes = (
        pd.concat(genes)[[*_PAIR[:2], *_GENE]].drop_duplicates(["dataset", "population", "gene_key"]) if genes else None
    )
    return (
        pd.concat(edges, ignore_index=True)[columns] if edges else pd.DataFrame(columns=columns),
        pd.DataFrame(columns=[*_PAIR[:2], *_GENE]) if all_genes is None else all_genes.reset_index(drop=True),
    )


def _query(queries: Sequence[ad.AnnData], dataset: str, population: str, genes: pd.Index) -> tuple[np.ndarray, bool]:
    """Values of a population in the reference's order of genes (NaN = not measured), and whether they have an order."""
    for one in queries:
        row = np.flatnonzero((one.obs["dataset"] == dataset) & (one.obs["population"] == population))
        if len(row):
            found = one.var_names.get_indexer(genes)
            values = np.where(found >= 0, np.asarray(one.X[row[0]], dtype=float).ravel()[found], np.nan)
            return values, one.obs["effect"].iloc[row[0]] != "set"
    raise ValueError(f"No signature set holds {population} of {dataset}.")  # the tables are of another run


def _pair_genes(query: np.ndarray, values: np.ndarray, ranks: np.ndarray, n_genes: int) -> pd.DataFrame:
    """One row per gene of both sets: position, set, disease_z, drug_z, drug_rank, es (of its set), edge."""
    sets = make_query(query, n_genes, torch.device("cpu"))
    tables = []
    for name, tags in (("up", sets.up.numpy()), ("down", sets.down.numpy())):
        es, edge = leading_edge(ranks[tags].astype(np.int64), np.abs(values[tags]).astype(float), len(values))
        tables.append(pd.DataFrame({
            "position": tags, "set": name, "disease_z": query[tags], "drug_z": values[tags].astype(float),
            "drug_rank": ranks[tags].astype(np.int64) + 1, "es": es, "edge": edge,
        }))  # fmt: skip
    return pd.concat(tables, ignore_index=True)
