"""Ranking: aggregation, ties, missing scores, populations without ranking, annotation."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scperturb_cmap import ranking
from scperturb_cmap.io import schemas
from scperturb_cmap.ranking import annotate, describe_populations, harmonise_annotation, indicated_compounds, maxq
from scperturb_cmap.reference.identity import names_of_compounds, unify_compounds, unite_compounds
from scperturb_cmap.utils.errors import InputError


def rank(table: pd.DataFrame, obs: pd.DataFrame, methods, headline, **options) -> ranking.Ranking:
    """The ranking of scores that lie in one table."""
    return ranking.rank_drugs(lambda name: table[table["population"] == name], obs, methods, headline, **options)


def rank_drugs(table: pd.DataFrame, obs: pd.DataFrame, methods, headline, aggregation="maxq") -> pd.DataFrame:
    return rank(table, obs, methods, headline, aggregation=aggregation).drugs


def scores(values: dict, population="B") -> pd.DataFrame:
    """One row per signature: {drug: [scores by signature]}; every signature in a cell line of its own."""
    rows = [
        (population, "ref", drug, drug, f"line{n}", 10.0, 24.0, value)
        for drug, many in values.items()
        for n, value in enumerate(many)
    ]
    table = pd.DataFrame(
        rows, columns=["population", "reference", "compound", "compound_id", "cell_line", "dose_um", "time_h", "wtcs"]
    )
    return table.assign(
        signature=[f"sig{n}" for n in range(len(table))],
        cosine=-table["wtcs"],
        n_genes=900,
        n_changed=100,
        pert_type="trt_cp",
        p_value=0.5,
        status=np.where(table["wtcs"].isna(), "incomplete", "ok"),
        tas=np.nan,
        reason=np.where(table["wtcs"].isna(), "too few genes", ""),
    )


def populations(**more) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "dataset": "d",
                "population": "B",
                "evidence": "replicated",
                "effect": "wald_z",
                "status": "ok",
                "reason": "",
            }
            | more
        ]
    )


def test_maxq_takes_the_quantile_further_from_zero():
    values = pd.Series([-0.9, -0.8, 0.1, 0.2, 0.5, 0.4, 0.3, -0.1])
    drugs = pd.Series(list("aaaabbbb"))
    found = maxq(values, drugs)
    for drug in "ab":
        low, high = np.quantile(values[drugs == drug], [0.33, 0.67])
        assert found.loc[drug].tolist() == pytest.approx([high if abs(high) >= abs(low) else low, low, high])


def test_rank_one_is_the_strongest_reversal_and_ties_share():
    ranked = rank_drugs(
        scores({"x": [-0.5], "y": [0.9], "z": [-0.5], "w": [0.0]}), populations(), ["wtcs", "cosine"], "wtcs"
    )
    assert ranked[["compound", "rank", "rank_cosine"]].values.tolist() == [
        ["x", 1, 3],
        ["z", 1, 3],
        ["w", 3, 2],
        ["y", 4, 1],
    ]
    assert (ranked["status"] == "ok").all()


def test_the_best_signature_supports_the_score():
    ranked = rank_drugs(
        scores({"x": [0.2, -0.7, -0.4], "y": [0.1, 0.6, -0.2]}), populations(), ["wtcs"], "wtcs"
    ).set_index("compound")
    assert ranked.loc["x", "best_cell_line"] == "line1" and ranked.loc["y", "best_cell_line"] == "line1"
    assert ranked["best_signature"].to_dict() == {"x": "sig1", "y": "sig4"}
    assert ranked["n_signatures"].tolist() == [3, 3] and ranked["n_cell_lines"].tolist() == [3, 3]


def test_missing_scores_come_last_with_a_reason():
    ranked = rank_drugs(scores({"x": [np.nan, np.nan], "y": [0.1, np.nan]}), populations(), ["wtcs"], "wtcs")
    assert ranked["compound"].tolist() == ["y", "x"] and ranked["n_signatures"].tolist() == [1, 0]
    assert ranked.loc[1, ["status", "reason"]].tolist() == ["not_ranked", "too few genes"] and pd.isna(
        ranked.loc[1, "rank"]
    )


@pytest.mark.parametrize(
    ("about", "table", "reason"),
    [
        ({"status": "skipped", "reason": "Too few donors."}, {"x": [0.1]}, "Too few donors."),
        ({}, {"x": [np.nan]}, "No score could be computed (too few genes)."),
        ({"population": "T"}, {"x": [0.1]}, "No score could be computed (no reference signatures)."),
    ],
)
def test_a_population_without_ranking_has_one_row_and_a_reason(about, table, reason):
    ranked = annotate(rank_drugs(scores(table), populations(**about), ["wtcs"], "wtcs"), None)
    assert len(ranked) == 1 and ranked.loc[0, ["status", "reason"]].tolist() == ["not_ranked", reason]
    schemas.DRUGS.validate(ranked)


def test_vehicles_alone_are_no_ranking():
    table = scores({"DMSO": [0.1, -0.2]}).assign(pert_type="ctl_vehicle")
    ranked = rank_drugs(table, populations(), ["wtcs"], "wtcs")
    assert ranked["reason"].tolist() == ["No score could be computed (no reference signatures)."]


def test_only_scored_signatures_count_as_cell_lines():
    ranked = rank_drugs(scores({"x": [0.1, np.nan, np.nan], "y": [0.2, 0.3]}), populations(), ["wtcs"], "wtcs")
    counts = ranked.set_index("compound")[["n_signatures", "n_cell_lines"]]
    assert counts.loc["x"].tolist() == [1, 1] and counts.loc["y"].tolist() == [2, 2]


def test_exploratory_evidence_is_marked_on_every_drug():
    ranked = rank_drugs(scores({"x": [0.1], "y": [0.2]}), populations(evidence="exploratory"), ["wtcs"], "wtcs")
    assert (ranked["status"] == "exploratory_evidence").all()
    assert ranked["reason"].str.contains("only 1 donor: effect sizes without replicates").all()


def test_limited_evidence_is_marked_on_every_drug():
    ranked = rank_drugs(scores({"x": [0.1], "y": [0.2]}), populations(evidence="limited"), ["wtcs"], "wtcs")
    assert (ranked["status"] == "limited_evidence").all() and ranked["reason"].str.contains("only 2 donors").all()


def test_a_drug_that_shares_few_genes_is_marked():
    """Whatever the donors say; a gene set is as small as it is."""
    few = scores({"x": [0.1, 0.3], "y": [0.2]}).assign(n_genes=[35, 20, 900])
    ranked = rank_drugs(few, populations(), ["wtcs"], "wtcs").set_index("compound")
    assert ranked.loc["x", "status"] == "few_genes" and ranked.loc["x", "reason"].startswith("Only 35 genes are")
    assert ranked.loc["y", "status"] == "ok"
    both = rank_drugs(few, populations(evidence="limited"), ["wtcs"], "wtcs").set_index("compound")
    assert both.loc["x", "status"] == "limited_evidence" and "only 2 donors" in both.loc["x", "reason"]
    assert "Only 35 genes" in both.loc["x", "reason"] and "35" not in both.loc["y", "reason"]
    assert (rank_drugs(few, populations(effect="set"), ["wtcs"], "wtcs")["status"] == "ok").all()
    # A signature with many genes but without a score does not help.
    unscored = scores({"x": [0.1, np.nan]}).assign(n_genes=[35, 900])
    assert rank_drugs(unscored, populations(), ["wtcs"], "wtcs")["status"].tolist() == ["few_genes"]


@pytest.mark.parametrize(
    ("shared", "changed", "more", "caution"),
    [
        (900, 60, {}, ""),
        (299, 60, {}, "few genes"),
        (300, 49, {}, "weak signal"),
        (35, 12, {}, "few genes; weak signal"),
        (35, 0, {"evidence": "exploratory", "effect": "log_fc"}, "few genes"),
        (35, 0, {"evidence": "given", "effect": "set"}, ""),
    ],
)
def test_what_speaks_for_care(shared, changed, more, caution):
    obs = populations(**more).set_index(pd.Index(["d|B"]))
    signatures = ad.AnnData(
        np.ones((1, 3)), obs=obs, var=pd.DataFrame({"feature_space": "landmark"}, index=list("abc"))
    )
    mine = scores({"x": [0.1], "y": [0.2]}).assign(n_genes=[shared, shared - 10], n_changed=changed, status="ok")
    ranked = rank(mine, obs, ["wtcs"], "wtcs")
    assert describe_populations(signatures, ranked)["caution"].tolist() == [caution]


def test_annotation_joins_without_multiplying_drugs():
    table = pd.DataFrame(
        {"pert_iname": ["X", "x", "other", ""], "moa": ["a", "b", "c", "lost"], "target": ["T1", "T1", "", ""]}
    )
    annotation = harmonise_annotation(table, "drugs.tsv")
    drugs = pd.DataFrame({"compound_id": ["x", "x", "unknown", None]})
    found = annotate(drugs, annotation)
    assert found["mechanism"].tolist() == ["a|b", "a|b", "", ""] and found["targets"].tolist() == ["T1", "T1", "", ""]
    with pytest.raises(InputError, match="column 'compound'"):
        harmonise_annotation(pd.DataFrame({"x": []}), "drugs.tsv")


def test_a_compound_is_one_drug_over_all_references_and_known_by_any_of_its_names():
    """imatinib of one reference is STI-571 of the other; the annotation has a third name."""
    key = {"pert_ids": "", "inchi_keys": "KTUFNOKKBVMGRW-UHFFFAOYSA-N"}
    tables = {
        "r1": pd.DataFrame([{"compound_id": "imatinib", "names": "Imatinib", **key}]),
        "r2": pd.DataFrame([{"compound_id": "sti-571", "names": "STI-571|Gleevec", **key}]),
    }
    identity = unify_compounds(tables)
    names = names_of_compounds(tables, identity)
    table = scores({"imatinib": [-0.5, -0.4], "sti-571": [-0.6], "other": [0.1]})
    table["reference"] = np.where(table["compound"] == "sti-571", "r2", "r1")
    ranked = rank_drugs(unite_compounds(table, identity), populations(), ["wtcs"], "wtcs")
    assert ranked["n_signatures"].tolist() == [3, 1] and ranked["compound_id"].tolist() == ["imatinib", "other"]
    drugs = pd.DataFrame({"name": ["gleevec", "IMATINIB mesylate"], "moa": ["BCR-ABL inhibitor", "KIT inhibitor"]})
    found = annotate(ranked, harmonise_annotation(drugs, "drugs.tsv", names))
    assert found["mechanism"].tolist() == ["BCR-ABL inhibitor|KIT inhibitor", ""]
    known = indicated_compounds(pd.DataFrame({"dataset": ["d"], "compound": ["STI 571"]}), "known.tsv", names)
    assert known["compound_id"].tolist() == ["imatinib"]


def test_a_table_that_breaks_its_contract_is_not_written(tmp_path):
    good = annotate(rank_drugs(scores({"x": [0.1]}), populations(), ["wtcs"], "wtcs"), None)
    schemas.write_table(good, schemas.DRUGS, tmp_path / "good.tsv")
    with pytest.raises(Exception, match="status without a reason"):
        schemas.write_table(good.assign(status="limited_evidence"), schemas.DRUGS, tmp_path / "bad.tsv")
    assert [path.name for path in tmp_path.iterdir()] == ["good.tsv"]


def test_consensus_and_selectivity_stand_beside_each_drug():
    names = ["B", "T", "all cells"]
    values = {
        "B": {"x": [-0.9], "y": [0.1], "z": [0.4]},
        "T": {"x": [0.5], "y": [-0.2]},
        "all cells": {"x": [-0.5], "y": [0.0]},
    }
    table = pd.concat([scores(values[name], name) for name in names], ignore_index=True)
    assert (table["cosine"] == -table["wtcs"]).all()
    obs = pd.concat([populations().assign(population=name) for name in names], ignore_index=True)
    ranked = rank_drugs(table, obs, ["wtcs", "cosine"], "wtcs").set_index(["population", "compound_id"])
    here = ranked.loc[("B", "x")]
    assert (
        here["consensus"] == 0.5 and here["disagreement"] == 1 and here["n_methods"] == 2
    )  # the methods say the opposite
    places = stats.norm.ppf([1 / 4, 2 / 3])
    assert here["selectivity"] == here["selectivity_to_best"] == pytest.approx(places[0] - places[1])
    assert ranked.loc[("T", "x"), "selectivity"] == pytest.approx(places[1] - places[0])
    alone = ranked.loc[[("B", "z"), ("all cells", "x"), ("all cells", "y")], "selectivity"]
    assert alone.isna().all()
    without = rank_drugs(scores({"x": [np.nan]}), populations(), ["wtcs"], "wtcs")
    assert without["selectivity"].isna().all() and without["consensus_rank"].isna().all()


class Wide:
    """Wide scores in memory: signatures x queries, in the order of a table of signatures."""

    def __init__(self, table: pd.DataFrame, scores: pd.DataFrame):
        self._table, self._scores, self.queries = table, scores.to_numpy().T, list(scores)

    def keys(self) -> pd.DataFrame:
        return self._table[["reference", "signature"]].reset_index(drop=True)

    def columns(self, queries=None):
        for query in self.queries if queries is None else queries:
            yield [query], self._scores[[self.queries.index(query)]]

    def rows(self):
        for start in range(0, self._scores.shape[1], 64):
            yield self._scores[:, start : start + 64]


def with_queries(rng, reverser=1.0, n=40, lines=5):
    """Scores in which drug d07 lies below the others in every line, and reference queries; in another order."""
    table = scores({f"d{n:02d}": rng.normal(0, 0.1, lines) - reverser * (n == 7) for n in range(n)})
    queries = pd.DataFrame(rng.normal(0, 0.1, (len(table), 120)), columns=[f"ref|other{n}" for n in range(120)])
    mixed = rng.permutation(len(table))
    return table, Wide(table.iloc[mixed], queries.iloc[mixed])


def test_a_drug_below_the_others_in_every_line_has_a_p_value_and_few_drugs_have_none():
    table, queries = with_queries(np.random.default_rng(3))
    ranked = rank(table, populations(), ["wtcs"], "wtcs", reference_queries=queries)
    drugs = ranked.drugs
    assert drugs.loc[drugs["fdr"] < 0.1, "compound"].tolist() == ["d07"] and (drugs["p_reason"] == "").all()
    assert (
        (drugs["scored_by"] == "z").all()
        and drugs["rank"].is_monotonic_increasing
        and drugs["score"].is_monotonic_increasing
    )
    assert ranked.null["B"].shape == (40, 120) and ranked.null["B"].loc["d07"].std() == pytest.approx(1, abs=0.2)
    assert drugs["ncs"].notna().all() and drugs["tau"].notna().all() and drugs["tau"].iloc[0] < -99
    few, queries = with_queries(np.random.default_rng(3), n=10)
    few = rank(few, populations(), ["wtcs"], "wtcs", reference_queries=queries).drugs
    assert few["p_value"].isna().all() and few["rank"].notna().all() and (few["scored_by"] == "maxq").all()
    assert (few["p_reason"] == "There are 9 other drugs with a score, 20 are needed.").all()


def test_the_best_signature_is_the_one_the_calibrated_score_is_made_of():
    """In line0 all drugs lie low, d07 among them; in line1 it alone does, if less far from 0."""
    table, queries = with_queries(np.random.default_rng(3), reverser=0, lines=2)
    low = (table["cell_line"] == "line0") * -1.0 + (
        (table["compound"] == "d07") & (table["cell_line"] == "line1")
    ) * -0.8
    table = table.assign(wtcs=np.random.default_rng(4).normal(0, 0.1, len(table)) + low)
    ranked = rank(table, populations(), ["wtcs"], "wtcs", reference_queries=queries).drugs
    assert ranked["compound"].iloc[0] == "d07" and ranked["best_cell_line"].iloc[0] == "line1"
    raw = rank_drugs(table, populations(), ["wtcs"], "wtcs").set_index("compound")
    assert raw.loc["d07", "best_cell_line"] == "line0"


def test_without_reference_queries_the_score_is_maxq_and_says_so():
    table, _ = with_queries(np.random.default_rng(3))
    drugs = rank(table, populations(), ["wtcs"], "wtcs").drugs
    assert (drugs["scored_by"] == "maxq").all() and drugs["score"].equals(drugs["score_wtcs"])
    assert (drugs["p_reason"] == "There are 0 reference queries, 50 are needed.").all()
    assert (drugs["norm_reason"] != "").all() and drugs[["ncs", "tau"]].isna().all(axis=None)


def test_a_query_of_its_own_compound_says_nothing_of_a_drug():
    """tau and reach leave it out: were it counted, d07 would look like a drug that reaches far."""
    table, queries = with_queries(np.random.default_rng(5))
    own = table.loc[table["compound"] == "d07", "signature"].iloc[0]
    scores = queries._scores.copy()
    at = [list(queries.keys()["signature"]).index(name) for name in table.loc[table["compound"] == "d07", "signature"]]
    scores[0, at] = -50
    extreme = Wide(
        queries.keys(), pd.DataFrame(scores.T, columns=[f"ref|{own}"] + [f"ref|other{n}" for n in range(119)])
    )
    plain = Wide(queries.keys(), pd.DataFrame(queries._scores[1:].T, columns=[f"ref|other{n}" for n in range(119)]))
    found, bare = (rank(table, populations(), ["wtcs"], "wtcs", reference_queries=q) for q in (extreme, plain))
    assert found.null["B"].loc["d07"].isna().sum() == 1
    first, same = (one.drugs.set_index("compound").loc["d07"] for one in (found, bare))
    assert first["tau"] == same["tau"] < -99 and first["score"] == pytest.approx(same["score"], rel=0.01)


def test_donors_give_score_and_rank_an_interval():
    table, queries = with_queries(np.random.default_rng(3))
    rng = np.random.default_rng(4)
    names = [f"d|B|without {donor}" for donor in "abc"] + ["d|B|C|without a", "e|B|without a"]
    drawn = pd.DataFrame({name: table["wtcs"] + rng.normal(0, 0.05, len(table)) for name in names})
    for aggregation in ("z", "maxq", "srges"):
        options = {"aggregation": aggregation, "reference_queries": queries, "resamples": Wide(table, drawn)}
        first = rank(table, populations(), ["wtcs"], "wtcs", **options).drugs.iloc[0]
        assert first["compound"] == "d07" and first["n_resamples"] == 3 and first["interval"] == "range"
        assert first["rank_low"] == first["rank_high"] == 1 and first["top_share"] == 1
        assert (
            first["score_low"] <= first["score_high"] < 0
            and abs(first["score_low"] - first["score"]) < abs(first["score"]) / 2
        )


def test_vehicles_are_no_drugs_but_the_null_of_pairs():
    table, queries = with_queries(np.random.default_rng(6), lines=6)
    vehicles = table.sample(150, random_state=0).assign(compound="DMSO", compound_id="dmso", pert_type="ctl_vehicle")
    vehicles = vehicles.assign(
        signature=[f"v{n}" for n in range(150)], wtcs=np.random.default_rng(0).normal(0, 0.1, 150)
    )
    pairs = []
    both = pd.concat([table, vehicles], ignore_index=True)
    found = rank(both, populations(), ["wtcs"], "wtcs", reference_queries=queries, write_connections=pairs.append)
    assert "dmso" not in set(found.drugs["compound_id"]) and len(pairs[0]) == len(table)
    assert (pairs[0]["fdr_null"] == "vehicles").all()
    mine = pairs[0].set_index("compound")["fdr"]
    assert mine["d07"].max() < mine.drop("d07").median() / 2
    rank(table, populations(), ["wtcs"], "wtcs", reference_queries=queries, write_connections=pairs.append)
    assert (pairs[1]["fdr_null"] == "random queries").all()


def test_vehicles_of_another_reference_say_nothing():
    table, _ = with_queries(np.random.default_rng(6), lines=6)
    vehicles = table.sample(150, random_state=0).assign(compound="DMSO", compound_id="dmso", pert_type="ctl_vehicle")
    vehicles = vehicles.assign(
        signature=[f"v{n}" for n in range(150)], wtcs=np.random.default_rng(0).normal(0, 0.1, 150)
    )
    every = pd.concat([table, vehicles, table.assign(reference="second")], ignore_index=True)
    rng = np.random.default_rng(1)
    queries = Wide(every, pd.DataFrame(rng.normal(0, 0.1, (len(every), 120)), columns=[f"q{n}" for n in range(120)]))
    pairs = []
    rank(every, populations(), ["wtcs"], "wtcs", reference_queries=queries, write_connections=pairs.append)
    null = pairs[0].groupby("reference")["fdr_null"].unique().map(list).to_dict()
    assert null == {"ref": ["vehicles"], "second": ["random queries"]} and pairs[0]["fdr"].notna().all()


def test_signatures_without_a_score_are_no_company_for_resamples():
    """With the population's own scores as a resample, score and rank are those of the ranking, whatever has no score."""
    table, queries = with_queries(np.random.default_rng(7))
    table["tas"] = np.random.default_rng(8).uniform(0, 1, len(table))
    full = table["wtcs"].copy()
    table.loc[::3, ["wtcs", "status", "reason"]] = [np.nan, "incomplete", "too few genes"]
    drawn = pd.DataFrame({"d|B|without a": full})
    options = {"reference_queries": queries, "resamples": Wide(table, drawn)}
    drugs = rank(table, populations(), ["wtcs"], "wtcs", **options).drugs
    assert (drugs["scored_by"] == "z").all()
    np.testing.assert_allclose(drugs["score_low"], drugs["score"], rtol=1e-6)
