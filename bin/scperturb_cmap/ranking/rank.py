"""Rank drugs by how strongly they reverse a population's signature."""

from collections.abc import Sequence

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.ranking.aggregation import consensus, maxq
from scperturb_cmap.ranking.selectivity import selectivity
from scperturb_cmap.ranking.significance import drug_significance
from scperturb_cmap.utils.names import ALL_CELLS

__all__ = ["FEW_CHANGED", "FEW_GENES", "describe_populations", "rank_drugs"]

#: With fewer genes in common than two sets of 150, every gene is in a set, whether it changes or not.
FEW_GENES = 300

#: Fewer changed genes (FDR below 5 %) among those in common: most of what is compared is noise.
FEW_CHANGED = 50

#: What weak evidence means for a rank; it stands beside each.
_WEAK = {
    "limited": "An arm has only 2 donors: the signature, and with it the rank, is unsure.",
    "exploratory": "An arm has only 1 donor: effect sizes without replicates, so the rank says nothing about other donors.",
}


def rank_drugs(scores: pd.DataFrame, populations: pd.DataFrame, methods: Sequence[str], headline: str) -> pd.DataFrame:
    """Rank the drugs for every population of one data set.

    Parameters
    ----------
    scores
        Scores of signatures (all shards): population, signature, reference, compound, compound_id, cell_line, dose_um, time_h,
        tas, n_genes, reason, one column per method.
    populations
        ``obs`` of the data set's signature set.
    methods
        Score columns.
    headline
        The method that decides rank and score.

    Returns
    -------
    One row per population and drug, ordered by rank (1 = most negative score = strongest reversal; equal scores share the
    better rank); one row with status "not_ranked" and a reason for a population without ranking. See docs/output.md.
    """
    tables = []
    by_population = dict(list(scores.groupby("population", observed=True)))
    for obs in populations.itertuples():
        names = {"dataset": obs.dataset, "population": obs.population, "evidence": obs.evidence}
        mine = by_population.get(obs.population)
        if obs.status == "skipped":
            ranked = _not_ranked(obs.reason)
        elif mine is None or mine[headline].isna().all():
            why = "no reference signatures" if mine is None else mine["reason"].iloc[0]
            ranked = _not_ranked(f"No score could be computed ({why}).")
        else:
            ranked = _rank(mine, methods, headline)
            if obs.effect != "set":
                _mark_few_genes(ranked, mine[mine[headline].notna()])
            if obs.evidence in _WEAK:
                done = ranked["status"] != "not_ranked"
                ranked.loc[done, "status"] = f"{obs.evidence}_evidence"
                ranked.loc[done, "reason"] = (_WEAK[obs.evidence] + " " + ranked.loc[done, "reason"]).str.strip()
        tables.append(ranked.assign(**names, method=headline))
    per_method = [f"{what}_{method}" for method in methods for what in ("score", "rank")]
    columns = [
        "dataset", "population", "evidence", "rank", "compound", "compound_id", "score", "method", "score_low", "score_high",
        "z", "p_value", "fdr", "effective_n", "p_reason", *per_method, "consensus", "consensus_rank", "disagreement",
        "n_methods", "selectivity", "selectivity_to_best", "n_signatures", "n_cell_lines", "best_reference", "best_cell_line",
        "best_dose_um", "best_time_h", "best_signature", "status", "reason",
    ]  # fmt: skip
    result = pd.concat([table.reindex(columns=columns) for table in tables], ignore_index=True)
    result = _add_selectivity(result)
    counts = [
        "rank",
        "consensus_rank",
        "n_methods",
        "n_signatures",
        "n_cell_lines",
        *(c for c in per_method if c.startswith("rank")),
    ]
    # Where no population is ranked, columns of names would be numbers.
    names = ["compound", "compound_id", "best_reference", "best_cell_line", "best_signature"]
    return result.astype(dict.fromkeys(counts, "Int64") | dict.fromkeys(names, object))


def describe_populations(signatures: ad.AnnData, scores: pd.DataFrame, drugs: pd.DataFrame) -> pd.DataFrame:
    """What stands behind the ranking of each population.

    Parameters
    ----------
    signatures
        The data set's signature set.
    scores
        Its scores, as for :func:`rank_drugs`.
    drugs
        The ranking.

    Returns
    -------
    ``obs`` of the signature set with n_genes (tested), n_genes_shared (most genes in common with a reference signature),
    n_changed_shared (those of them with FDR below 5 %), n_landmarks (tested landmark genes), n_drugs (ranked), and
    caution: "few genes" (:data:`FEW_GENES`), "weak signal" (:data:`FEW_CHANGED`), both with "; " between, or "".
    """
    tested = ~np.isnan(np.asarray(signatures.X))
    landmark = (signatures.var["feature_space"] == "landmark").to_numpy()
    populations = signatures.obs.reset_index(drop=True).assign(
        n_genes=tested.sum(axis=1), n_landmarks=tested[:, landmark].sum(axis=1)
    )
    by_population = scores[scores["status"] == "ok"].groupby("population", observed=True)
    shared, changed = by_population["n_genes"].max(), by_population["n_changed"].max()
    ranked = drugs[drugs["rank"].notna()].groupby("population").size()
    for column, counts in (("n_genes_shared", shared), ("n_changed_shared", changed), ("n_drugs", ranked)):
        populations[column] = populations["population"].astype(object).map(counts).fillna(0).astype(int)
    done, has_fdr = populations["n_drugs"] > 0, populations["evidence"].isin(["replicated", "limited"])
    cautions = {
        "few genes": done & (populations["effect"] != "set") & (populations["n_genes_shared"] < FEW_GENES),
        "weak signal": done & has_fdr & (populations["n_changed_shared"] < FEW_CHANGED),
    }
    populations["caution"] = ["; ".join(c for c in cautions if cautions[c][row]) for row in populations.index]
    text = populations.select_dtypes("category").columns
    return populations.astype(dict.fromkeys(text, str))


def _rank(mine: pd.DataFrame, methods: Sequence[str], headline: str) -> pd.DataFrame:
    """Ranking of one population; drugs without a headline score come last, with the reason."""
    drugs = mine["compound_id"]
    ranked = maxq(mine[headline], drugs)
    for method in methods:
        score = ranked["score"] if method == headline else maxq(mine[method], drugs)["score"]
        ranked[f"score_{method}"] = score
        ranked[f"rank_{method}"] = score.rank(method="min")
    ranked = ranked.join(consensus(ranked, methods))
    tested = drug_significance(mine, headline).rename(columns={"reason": "p_reason"})
    ranked = ranked.join(tested[["z", "p_value", "fdr", "effective_n", "p_reason"]])
    by_drug = mine.groupby(drugs.to_numpy(), sort=True)
    ranked["rank"] = ranked[f"rank_{headline}"]
    ranked["compound"] = by_drug["compound"].first()
    ranked["n_signatures"] = by_drug[headline].count()
    scored = mine[mine[headline].notna() & (mine["cell_line"] != "")]
    ranked["n_cell_lines"] = scored.groupby("compound_id", observed=True)["cell_line"].nunique()
    ranked["n_cell_lines"] = ranked["n_cell_lines"].fillna(0)

    # The signature that best supports the drug's score: its most extreme one in the direction of the score.
    # A score of 0 has no direction, so nothing supports it.
    signed = mine[headline] * np.sign(drugs.map(ranked["score"])).replace(0, np.nan)
    best = mine.loc[signed.dropna().groupby(drugs).idxmax()].set_index("compound_id")
    for column in ("reference", "cell_line", "dose_um", "time_h", "signature"):
        ranked[f"best_{column}"] = best[column]

    missing = ranked["score"].isna()
    ranked["status"] = np.where(missing, "not_ranked", "ok")
    ranked["reason"] = by_drug["reason"].first().where(missing, "")
    return ranked.rename_axis("compound_id").reset_index().sort_values(["rank", "compound_id"])


def _add_selectivity(result: pd.DataFrame) -> pd.DataFrame:
    """Beside each drug how much more it reverses this population than the others; not for the cells of all together."""
    own = selectivity(result[(result["population"] != ALL_CELLS) & result["compound_id"].notna()])
    columns = ["selectivity", "selectivity_to_best"]
    found = own.set_index(["population", "compound_id"])[columns]
    keys = pd.MultiIndex.from_frame(result[["population", "compound_id"]])
    return result.assign(**dict(zip(columns, found.reindex(keys).to_numpy().T, strict=True)))


def _mark_few_genes(ranked: pd.DataFrame, mine: pd.DataFrame) -> None:
    """Tell of drugs whose signatures hardly share a gene with the population's."""
    shared = ranked["compound_id"].map(mine.groupby("compound_id", observed=True)["n_genes"].max())
    few = (ranked["status"] == "ok") & (shared < FEW_GENES)
    ranked.loc[few, "status"] = "few_genes"
    ranked.loc[few, "reason"] = [
        f"Only {n:.0f} genes are measured in cells and drug alike: the rank rests on little." for n in shared[few]
    ]


def _not_ranked(reason: str) -> pd.DataFrame:
    return pd.DataFrame({"status": ["not_ranked"], "reason": [reason], "p_reason": [reason]})
