"""Rank drugs by how strongly they reverse a population's signature."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.io.wide_scores import WideScores
from scperturb_cmap.ranking.aggregation import aggregate, consensus, maxq
from scperturb_cmap.ranking.background import ReferenceQueries, resampled_scores
from scperturb_cmap.ranking.connections import describe_connections
from scperturb_cmap.ranking.intervals import rank_intervals
from scperturb_cmap.ranking.matching import match_signatures, normal_scores
from scperturb_cmap.ranking.selectivity import selectivity
from scperturb_cmap.ranking.significance import drug_significance, matched_means
from scperturb_cmap.utils.names import ALL_CELLS, VEHICLE

__all__ = ["FEW_CHANGED", "FEW_GENES", "Ranking", "describe_populations", "rank_drugs"]

#: With fewer genes in common than two sets of 150, every gene is in a set, whether it changes or not.
FEW_GENES = 300

#: Fewer changed genes (FDR below 5 %) among those in common: most of what is compared is noise.
FEW_CHANGED = 50

#: What weak evidence means for a rank; it stands beside each.
_WEAK = {
    "limited": "An arm has only 2 donors: the signature, and with it the rank, is unsure.",
    "exploratory": "An arm has only 1 donor: effect sizes without replicates, so the rank says nothing about other donors.",
}


class Ranking(NamedTuple):
    """Ranking of one data set.

    Parameters
    ----------
    drugs
        One row per population and drug, ordered by rank (1 = most negative score = strongest reversal; equal scores share
        the better rank); one row with status "not_ranked" and a reason for a population without ranking.
    shared
        Index = ranked population; columns n_genes_shared (most genes in common with a reference signature) and
        n_changed_shared (those of them with FDR below 5 %).
    null
        Population -> drugs x reference queries: the score each drug has under queries that have nothing to do with the
        disease; populations whose scores are no z have none. One table serves all populations with the same signatures.
    """

    drugs: pd.DataFrame
    shared: pd.DataFrame
    null: dict[str, pd.DataFrame]


def rank_drugs(
    read_scores: Callable[[str], pd.DataFrame], populations: pd.DataFrame, methods: Sequence[str], headline: str, *,
    aggregation: str = "z", reference_queries: WideScores | None = None, resamples: WideScores | None = None,
    write_connections: Callable[[pd.DataFrame], None] = lambda table: None,
) -> Ranking:  # fmt: skip
    """Rank the drugs for every population of one data set; the scores of one population are in memory at a time.

    Parameters
    ----------
    read_scores
        Population -> scores of signatures (all shards): signature, reference, compound, compound_id, pert_type, cell_line,
        dose_um, time_h, tas, n_genes, n_changed, status, reason, p_value (of the pair), one column per method. Vehicles
        (pert_type ctl_vehicle) are no drugs; they serve as the null of single pairs.
    populations
        ``obs`` of the data set's signature set.
    methods
        Score columns.
    headline
        The method that decides rank and score.
    aggregation
        How a drug's signatures make its score: "z" (:func:`~scperturb_cmap.ranking.significance.drug_significance`), or one
        of :data:`~scperturb_cmap.ranking.aggregation.AGGREGATIONS` or "srges". Where there is no z (few drugs, few
        reference queries), maxq takes its place and ``scored_by`` says so.
    reference_queries, resamples
        Headline scores of reference queries, and of the populations with other donors.
    write_connections
        Takes the single pairs of a population: one row per signature with its headline score, ncs, tau, p_value and fdr.

    Returns
    -------
    See :class:`Ranking` and docs/output.md.
    """
    results, shared, null = [], {}, {}
    reach = _Reach(reference_queries)
    for obs in populations.itertuples():
        names = {"dataset": obs.dataset, "population": obs.population, "evidence": obs.evidence, "method": headline}
        every = read_scores(obs.population) if obs.status != "skipped" else None
        if every is None:
            ranked = _not_ranked(obs.reason)
        elif (treated := every[every["pert_type"] != VEHICLE])[headline].isna().all():
            why = "no reference signatures" if treated.empty else treated["reason"].iloc[0]
            ranked = _not_ranked(f"No score could be computed ({why}).")
        else:
            described = describe_connections(every, headline, reach.queries(every))
            mine = described[described["pert_type"] != VEHICLE].reset_index(drop=True)
            table, calibrated = reach.of(every, mine[headline])
            ranked = _rank(mine, methods, headline, aggregation, table)
            other = resampled_scores(resamples, mine, obs.dataset, obs.population) if resamples else ()
            ranked = ranked.join(_donor_intervals(mine, headline, ranked["scored_by"].iloc[0], table, other))
            ranked = ranked.rename_axis("compound_id").reset_index().sort_values(["rank", "compound_id"])
            if ranked["scored_by"].iloc[0] == "z":
                null[obs.population] = calibrated
            if obs.effect != "set":
                _mark_few_genes(ranked, mine[mine[headline].notna()])
            if obs.evidence in _WEAK:
                done = ranked["status"] != "not_ranked"
                ranked.loc[done, "status"] = f"{obs.evidence}_evidence"
                ranked.loc[done, "reason"] = (_WEAK[obs.evidence] + " " + ranked.loc[done, "reason"]).str.strip()
            done = mine[mine["status"] == "ok"]
            shared[obs.population] = (done["n_genes"].max(), done["n_changed"].max())
            write_connections(mine.assign(dataset=obs.dataset, population=obs.population, score=mine[headline]))
        results.append(ranked.assign(**names))
    per_method = [f"{what}_{method}" for method in methods for what in ("score", "rank")]
    columns = [
        "dataset", "population", "evidence", "rank", "compound", "compound_id", "score", "method", "scored_by", "score_low",
        "score_high", "rank_low", "rank_high", "top_share", "n_resamples", "interval", "interval_reason",
        "p_value", "fdr", "effective_n",
        "p_reason", "ncs", "tau", "norm_reason", *per_method, "consensus", "consensus_rank", "disagreement", "n_methods",
        "selectivity", "selectivity_to_best", "n_signatures", "n_cell_lines", "best_reference", "best_cell_line",
        "best_dose_um", "best_time_h", "best_signature", "status", "reason",
    ]  # fmt: skip
    result = pd.concat([table.reindex(columns=columns) for table in results], ignore_index=True)
    result = _add_selectivity(result)
    ranks = [c for c in per_method if c.startswith("rank")]
    counts = ["rank", "consensus_rank", "n_methods", "n_signatures", "n_cell_lines", "n_resamples", *ranks]
    # Where no population is ranked, columns of names would be numbers.
    texts = ["compound", "compound_id", "scored_by", "interval", "best_reference", "best_cell_line", "best_signature"]
    result = result.astype(dict.fromkeys(counts, "Int64") | dict.fromkeys(texts, object))
    return Ranking(result, pd.DataFrame(shared, index=["n_genes_shared", "n_changed_shared"]).T, null)


class _Reach:
    """Reach of the drugs, measured once for all populations with scores for the same signatures."""

    def __init__(self, wide: WideScores | None):
        self._wide, self._queries = wide, None
        self._key, self._found = None, None

    def queries(self, every: pd.DataFrame) -> ReferenceQueries | None:
        """The reference queries, in the order of a population's scores."""
        if self._wide is not None and self._wide.queries and (self._queries is None or not self._queries.fits(every)):
            self._queries, self._key = ReferenceQueries(self._wide, every), None
        return self._queries

    def of(self, every: pd.DataFrame, scores: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """Reach of the drugs by the treatments that have a score, and their calibrated scores under each query."""
        queries = self.queries(every)
        if queries is None:
            return pd.DataFrame(columns=["variance", "df", "n_queries"], dtype=float), None
        rows = (every["pert_type"] != VEHICLE).to_numpy()
        rows[rows] = scores.notna().to_numpy()
        if self._key != rows.tobytes():
            self._key, self._found = rows.tobytes(), queries.reach(rows)
        return self._found


def describe_populations(signatures: ad.AnnData, ranking: Ranking) -> pd.DataFrame:
    """What stands behind the ranking of each population.

    Parameters
    ----------
    signatures
        The data set's signature set.
    ranking
        Its ranking.

    Returns
    -------
    ``obs`` of the signature set with n_genes (tested), the columns of ``ranking.shared``, n_landmarks (tested landmark
    genes), n_drugs (ranked), and caution: "few genes" (:data:`FEW_GENES`), "weak signal" (:data:`FEW_CHANGED`), both with
    "; " between, or "".
    """
    tested = ~np.isnan(np.asarray(signatures.X))
    landmark = (signatures.var["feature_space"] == "landmark").to_numpy()
    populations = signatures.obs.reset_index(drop=True).assign(
        n_genes=tested.sum(axis=1), n_landmarks=tested[:, landmark].sum(axis=1)
    )
    drugs, names = ranking.drugs, populations["population"].astype(object)
    counts = ranking.shared.assign(n_drugs=drugs[drugs["rank"].notna()].groupby("population").size())
    for column in counts:
        populations[column] = names.map(counts[column]).fillna(0).astype(int)
    done, has_fdr = populations["n_drugs"] > 0, populations["evidence"].isin(["replicated", "limited"])
    cautions = {
        "few genes": done & (populations["effect"] != "set") & (populations["n_genes_shared"] < FEW_GENES),
        "weak signal": done & has_fdr & (populations["n_changed_shared"] < FEW_CHANGED),
    }
    populations["caution"] = ["; ".join(c for c in cautions if cautions[c][row]) for row in populations.index]
    text = populations.select_dtypes("category").columns
    return populations.astype(dict.fromkeys(text, str))


def _rank(
    mine: pd.DataFrame, methods: Sequence[str], headline: str, aggregation: str, reach: pd.DataFrame
) -> pd.DataFrame:
    """Ranking of one population, index = drug; drugs without a score have no rank, but a reason."""
    drugs = mine["compound_id"]
    tested = drug_significance(mine, headline, reach).rename(columns={"reason": "p_reason"})
    by = aggregation if aggregation != "z" or tested["z"].notna().any() else "maxq"
    ranked = pd.DataFrame({"score": tested["z"] if by == "z" else aggregate(by, mine, headline)["score"]})
    ranked["scored_by"] = by
    ranked["rank"] = ranked["score"].rank(method="min")
    for method in methods:
        ranked[f"score_{method}"] = maxq(mine[method], drugs)["score"]
        ranked[f"rank_{method}"] = ranked[f"score_{method}"].rank(method="min")
    ranked = ranked.join(consensus(ranked, methods))
    ranked = ranked.join(tested[["p_value", "fdr", "effective_n", "p_reason"]])
    for column in ("ncs", "tau"):
        ranked[column] = maxq(mine[column], drugs)["score"]
    by_drug = mine.groupby(drugs.to_numpy(), sort=True)
    lost = ranked["ncs"].isna() | ranked["tau"].isna()
    ranked["norm_reason"] = by_drug["norm_reason"].max().where(lost, "")
    ranked["compound"] = by_drug["compound"].first()
    ranked["n_signatures"] = by_drug[headline].count()
    scored = mine[mine[headline].notna() & (mine["cell_line"] != "")]
    ranked["n_cell_lines"] = scored.groupby("compound_id", observed=True)["cell_line"].nunique()
    ranked["n_cell_lines"] = ranked["n_cell_lines"].fillna(0)

    # The signature that best supports the drug's score: the most extreme in its direction of what the score is made of.
    # A score of 0 has no direction, so nothing supports it.
    signed = _support(mine, headline, by) * np.sign(drugs.map(ranked["score"])).replace(0, np.nan)
    best = mine.loc[signed.dropna().groupby(drugs).idxmax()].set_index("compound_id")
    for column in ("reference", "cell_line", "dose_um", "time_h", "signature"):
        ranked[f"best_{column}"] = best[column]

    missing = ranked["score"].isna()
    unscored = by_drug["reason"].first()
    ranked["status"] = np.where(missing, "not_ranked", "ok")
    ranked["reason"] = unscored.where(unscored != "", ranked["p_reason"]).where(missing, "")
    return ranked


def _support(mine: pd.DataFrame, headline: str, by: str) -> pd.Series:
    """What each signature adds to its drug's score: its normal score among those it is matched with, or else its own score."""
    scores = mine[headline].dropna()
    if by == "z":
        matched = match_signatures(mine.loc[scores.index])
        scores = pd.Series(normal_scores(scores.to_numpy(float)[None], matched).extended[0], scores.index)
    return scores.reindex(mine.index)


def _donor_intervals(
    mine: pd.DataFrame, headline: str, by: str, reach: pd.DataFrame, resamples: Iterable[tuple[list[str], np.ndarray]]
) -> pd.DataFrame:
    """Score and rank of each drug over resamples of the donors."""
    names, tables = [], []
    there = mine[headline].notna().to_numpy()  # of these the reach is
    matched = match_signatures(mine[there]) if by == "z" else None
    for part, scores in resamples:
        names += part
        if by == "z":
            drugs = mine["compound_id"][there].iloc[np.unique(matched.drug, return_index=True)[1]].to_numpy()
            means = pd.DataFrame(matched_means(scores[:, there], matched).T, drugs)
            tables.append(means.div(np.sqrt(reach["variance"].reindex(drugs)), axis=0))
        else:
            tables += [aggregate(by, mine.assign(**{headline: one}), headline)["score"] for one in scores]
    drugs = pd.Index(np.sort(mine["compound_id"].unique()))
    wide = pd.concat(tables, axis=1) if tables else pd.DataFrame(index=drugs)
    found = rank_intervals(wide.reindex(drugs).set_axis(pd.Index(names, dtype=object), axis=1))
    none = (
        "No resample of the donors has a score."
        if names
        else "There are no resamples: fewer than 3 donors in an arm, or none asked for."
    )
    return found.assign(interval_reason=np.where(found["interval"] == "none", none, ""))


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
    reasons = dict.fromkeys(("reason", "p_reason", "norm_reason", "interval_reason"), [reason])
    return pd.DataFrame({"status": ["not_ranked"], **reasons})
