"""Reported pairs of a population and a drug, and which second drug reverses what the first leaves."""

import numpy as np
import pandas as pd

from scperturb_cmap.ranking.selectivity import complementary_pairs

__all__ = ["REPORTED", "pair_drugs", "reported"]

#: So many drugs of each population, from the top of its ranking, get leading edges and partners.
REPORTED = 50

_COLUMNS = [
    "dataset", "population", "rank", "first", "first_id", "second", "second_id", "n_leading_genes", "covered_by_first",
    "covered_by_both", "gain", "status", "reason",
]  # fmt: skip


def reported(drugs: pd.DataFrame, most: int = REPORTED) -> pd.DataFrame:
    """First drugs of each population's ranking.

    Parameters
    ----------
    drugs
        Ranking as :func:`~scperturb_cmap.ranking.rank_drugs` gives it, best first.
    most
        How many of each population; of drugs that share a rank those that stand first.

    Examples
    --------
    >>> drugs = pd.DataFrame({"dataset": "d", "population": list("BBBT"), "rank": [1, 2, 3, None], "compound": list("xyz-")})
    >>> reported(drugs, most=2)["compound"].tolist()
    ['x', 'y']
    """
    return drugs[drugs["rank"].notna()].groupby(["dataset", "population"], sort=False, observed=True).head(most)


def pair_drugs(drugs: pd.DataFrame, edges: pd.DataFrame, genes: pd.DataFrame) -> pd.DataFrame:
    """For each reported drug that reverses a population the second drug that reverses most of what it leaves.

    Shares are of the weight, abs(z), of the genes of the population's up and down sets. Where references measure different
    genes the sets differ, and all genes that are in a set for any reported drug count.

    Parameters
    ----------
    drugs
        Ranking of one data set.
    edges
        Its leading edges, all shards: population, compound_id, gene_key.
    genes
        The genes of its sets, all shards: population, gene_key, disease_z; a gene may stand there several times.

    Returns
    -------
    One row per population and reported drug, in the order of the ranking: dataset, population, rank, first and second (names)
    with first_id and second_id, n_leading_genes (of the first), covered_by_first, covered_by_both, gain, status, reason.
    "alone": no second drug adds anything; "not_paired": the drug does not reverse, or the population has no ranking (one row).

    Examples
    --------
    >>> drugs = pd.DataFrame({"dataset": "d", "population": "B", "rank": [1, 2], "compound": ["X", "Y"],
    ...                       "compound_id": ["x", "y"], "score": [-0.9, -0.5], "reason": ""})
    >>> edges = pd.DataFrame({"population": "B", "compound_id": ["x", "y"], "gene_key": ["1", "2"]})
    >>> genes = pd.DataFrame({"population": "B", "gene_key": ["1", "2", "3"], "disease_z": [5.0, -3.0, 2.0]})
    >>> pair_drugs(drugs, edges, genes)[["first", "second", "covered_by_first", "covered_by_both", "status"]]
      first second  covered_by_first  covered_by_both status
    0     X      Y               0.5              0.8     ok
    1     Y      X               0.3              0.8     ok
    """
    rows = []
    for population, mine in drugs.groupby("population", sort=False, observed=True):
        top = reported(mine)
        if top.empty:
            rows += mine.iloc[:1][["dataset", "population", "reason"]].assign(status="not_paired").to_dict("records")
            continue
        weights = (
            genes[genes["population"] == population]
            .drop_duplicates("gene_key")
            .set_index("gene_key")["disease_z"]
            .abs()
        )
        rows += _pair(top, edges[edges["population"] == population], weights).to_dict("records")
    result = pd.DataFrame(rows, columns=_COLUMNS)
    names, shares = ["first", "first_id", "second", "second_id"], ["covered_by_first", "covered_by_both", "gain"]
    types = (
        dict.fromkeys(("rank", "n_leading_genes"), "Int64")
        | dict.fromkeys(names, object)
        | dict.fromkeys(shares, float)
    )
    return result.astype(types)


def _pair(top: pd.DataFrame, edges: pd.DataFrame, weights: pd.Series) -> pd.DataFrame:
    """Partners of the reported drugs of one population."""
    table = top[["dataset", "population", "rank", "score"]].assign(first=top["compound"], first_id=top["compound_id"])
    table = table.set_index("first_id", drop=False)
    table["n_leading_genes"] = edges.groupby("compound_id").size().reindex(table.index).fillna(0)
    table[["second", "second_id"]] = None
    table[["covered_by_first", "covered_by_both", "gain"]] = np.nan
    reverses = table["score"] < 0
    table["status"], table["reason"] = "not_paired", np.where(
        table["score"] == 0, "Its score is 0, which has no direction.", "It does not reverse the signature."
    )  # fmt: skip
    if not reverses.any():
        return table
    if weights.sum() <= 0:
        table.loc[reverses, "reason"] = "No gene is in the sets of the signature that both sides measure."
        return table
    there = pd.MultiIndex.from_frame(edges[["compound_id", "gene_key"]])
    every = pd.MultiIndex.from_product([table.index[reverses], weights.index])
    covered = pd.DataFrame(
        every.isin(there).reshape(-1, len(weights)), index=table.index[reverses], columns=weights.index
    )
    found = complementary_pairs(covered, weights).set_index("first")
    shares = ["covered_by_first", "covered_by_both", "gain"]
    table.loc[reverses, shares] = found[shares]
    table.loc[reverses, "second_id"] = found["second"]
    table["second"] = table["second_id"].map(table["first"])
    alone = reverses & table["second_id"].isna()
    table.loc[reverses, ["status", "reason"]] = ["ok", ""]
    table.loc[alone, ["status", "reason"]] = ["alone", "No other reported drug that reverses adds a gene."]
    return table
