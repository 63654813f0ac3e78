"""Ranking: aggregation, ties, missing scores, populations without ranking, annotation."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scperturb_cmap.io import schemas
from scperturb_cmap.ranking import annotate, describe_populations, harmonise_annotation, maxq, rank_drugs
from scperturb_cmap.utils.errors import InputError


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
    drugs = rank_drugs(mine, obs, ["wtcs"], "wtcs")
    assert describe_populations(signatures, mine, drugs)["caution"].tolist() == [caution]


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


def test_a_drug_below_the_others_in_every_line_has_a_p_value_and_few_drugs_have_none():
    rng = np.random.default_rng(3)
    table = scores({f"d{n:02d}": rng.normal(0, 0.1, 5) - (n == 7) for n in range(40)})
    ranked = rank_drugs(table, populations(), ["wtcs"], "wtcs")
    assert ranked.loc[ranked["fdr"] < 0.1, "compound"].tolist() == ["d07"] and (ranked["p_reason"] == "").all()
    few = rank_drugs(table[table["compound"] < "d10"], populations(), ["wtcs"], "wtcs")
    assert few["p_value"].isna().all() and few["rank"].notna().all()
    assert (few["p_reason"] == "There are 9 other drugs with a score, 20 are needed.").all()
