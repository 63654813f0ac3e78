"""What a reader would stumble over: labels on top of each other, names that fill a page, names of files and of tasks."""

import re
import runpy
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from scperturb_cmap import figures

FAKE = runpy.run_path(str(Path(__file__).parents[2] / "tests" / "browser" / "fake_results.py"))
LONG = FAKE["HOSTILE"][-1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Results of a small run with hostile names."""
    return figures.Results(FAKE["write_results"](tmp_path_factory.mktemp("results"), n_genes=60, n_drugs=70))


def label_boxes(figure) -> list[tuple[float, ...]]:
    """Left, right, bottom and top of every label of the populations on a map of 660 x 460 px, letters of 7 x 16 px."""
    shown = next(trace for trace in figure.data if trace.name == "populations")
    every = np.concatenate([np.column_stack([trace.x, trace.y]) for trace in figure.data])
    low, high = every.min(axis=0), every.max(axis=0)
    places = (np.column_stack([shown.x, shown.y]) - low) / (high - low) * (660, 460)
    boxes = []
    for (x, y), text, side in zip(places, shown.text, shown.textposition, strict=True):
        left = x - 7 * len(text) if "left" in side else x
        boxes += [(left, left + 7 * len(text), y - 16 * ("bottom" in side), y + 16 * ("top" in side))] if text else []
    return boxes


def test_no_label_of_the_map_covers_another_or_leaves_it():
    rng = np.random.default_rng(0)
    for _ in range(20):
        n = int(rng.integers(2, 16))
        about = {
            "dataset": "d",
            "population": [f"population of cells {k}" for k in range(n)],
            "compound": "",
            "compound_id": "",
        }
        obs = pd.concat(
            [pd.DataFrame(about | {"what": what}) for what in ("population", "opposite")], ignore_index=True
        )
        embedded = ad.AnnData(obs=obs.rename(index=str), obsm={"X_umap": rng.random((2 * n, 2)) * rng.random(2)})
        nearest = pd.DataFrame({"compound_id": [], "direction": [], "neighbour": []})
        boxes = label_boxes(figures.map_figure(embedded, nearest))
        assert boxes and min(box[0] for box in boxes) >= -1 and max(box[1] for box in boxes) <= 661
        for at, (left, right, bottom, top) in enumerate(boxes):
            for other in boxes[:at]:
                assert right <= other[0] or other[1] <= left or top <= other[2] or other[3] <= bottom


def test_many_drugs_stand_upright_in_a_figure_that_is_wide_enough():
    one = {"rank": 1, "score": -0.5, "scored_by": "maxq"}
    many = pd.DataFrame([one | {"population": f"P{n}", "compound": f"x{n}", "compound_id": f"x{n}"} for n in range(40)])
    few, all_ = figures.score_matrix(many.head(3)), figures.score_matrix(many)
    assert few.layout.xaxis.tickangle == -45 and all_.layout.xaxis.tickangle == -90
    shown = [figures.embed(figure, "x", wide=True) for figure in (few, all_, go.Figure())]
    assert [re.search(r"--least: (\d+)px", one)[1] for one in shown] == ["310", "770", "660"]
    assert "--least" not in figures.embed(all_, "x")


def test_a_long_name_fills_no_caption_and_no_table(run):
    populations, drugs = run.table("demo.populations.tsv"), run.table("demo.drugs.tsv")
    pairs, edges = run.table("demo.pairs.tsv"), run.table("demo.leading_edges.tsv")
    shown = figures.drug_table(drugs, LONG) + figures.mimic_table(drugs, LONG)
    shown += figures.partner_table(LONG, pairs, edges) + figures.enrichment_table(
        LONG, run.table("demo.enrichment.tsv")
    )
    captions = re.findall("<caption>(.*?)</caption>", shown)
    assert len(captions) == 4 and all("long n…" in caption for caption in captions)
    for table in (
        figures.population_table(populations, drugs),
        figures.agreement_table(drugs),
        figures.average_table(drugs),
    ):
        assert f'<span class="clamp" title="{LONG}">{LONG}</span>' in table


def test_files_are_named_without_their_folders(run):
    library = run.document("l1000.library.json")
    FAKE["_json"](library | {"sources": [{"file": "/data/secret/l1000.gctx"}]}, run.file("l1000.library.json"))
    table = figures.reference_table(run)
    assert "l1000.gctx" in table and "secret" not in table


def test_cell_lines_that_are_not_given_are_counted():
    said = figures.coverage_notice(pd.DataFrame({"cell_line": ["A375", "A375", "", None], "reference": "l1000"}))
    assert "1 cell line (A375 50 %; for 50 % of the signatures it is not given)" in said


def test_what_ranks_the_drugs_is_said_once_and_in_words(run):
    def note(**about):
        FAKE["_json"](about, run.file("run.headline.json"))
        return re.sub(r"<[^>]*>", "", figures.headline_note(run))

    passed = note(
        method="embedding", reason="the embedding ranks the drugs: it passed all gates against spearman on other_line"
    )
    assert (
        passed
        == "The score embedding ranks the drugs: it passed all gates against Spearman on &#34;same compound&#34;."
    )
    wanted = "cosine ranks the drugs because --headline says so; left to the gates, wtcs ranks the drugs: the best classic score"
    assert note(method="cosine", reason=wanted) == (
        "The score cosine ranks the drugs because --headline says so; left to the gates, WTCS ranks the drugs: the best classic "
        "score."
    )
    assert note(method="wtcs", reason="--methods has one") == "Which score ranks the drugs: --methods has one."
    gates = run.tables("validation_gates").assign(detail="other_line by auroc: -0.01 [-0.02, +0.01], n 30")
    shown = figures.gate_table(gates, run.tables("validation_tasks"))
    assert "by area under the ROC curve: −0.01 [−0.02, +0.01], n 30" in shown


def test_controls_stand_after_the_methods(run):
    table, tasks = run.tables("validation"), run.tables("validation_tasks")
    late = pd.concat(
        [table[table["method"] != "wtcs"], table[table["method"] == "wtcs"]]
    )  # as a score of fewer queries comes
    figure = figures.validation_figure(late, tasks)
    labels = list(figure.layout.yaxis.ticktext)
    assert labels == ["embedding", "WTCS", "random"] * 3
    assert [trace.marker.symbol for trace in figure.data] == ["circle", "circle", "circle-open"] * 3


def test_a_rank_by_a_score_of_zero_is_none(run):
    drugs = run.table("demo.drugs.tsv")
    drugs["score_wtcs"] = 0.0
    population = figures.ranked(drugs)["population"].iloc[0]
    shown = figures.drugs.drug_table(drugs, population)
    assert shown.count("score 0: no direction") == len(figures.reversing(drugs, population).head(50))
    assert "none (score 0)" in figures.top_drugs(run.table("demo.populations.tsv"), drugs)


def test_one_measurement_under_two_names_is_told(run):
    drugs = run.table("demo.drugs.tsv")
    assert "copies" not in figures.notices(run.table("demo.populations.tsv"), drugs)
    columns = [column for column in drugs if column.startswith("score_")]
    first = drugs["compound_id"].dropna().unique()[:2]
    for population in drugs["population"].unique():
        mine = drugs["population"] == population
        one, other = (drugs.index[mine & (drugs["compound_id"] == name)] for name in first)
        if len(one) and len(other):
            drugs.loc[other, columns] = drugs.loc[one, columns].to_numpy()
    assert "2 of" in (said := figures.notices(run.table("demo.populations.tsv"), drugs)) and "copies" in said


def test_the_signature_with_the_leading_edge_comes_first():
    names = [f"s{n}" for n in range(9)]
    table = pd.DataFrame(
        {"signature": names, "score": np.linspace(-1, 1, 9), "cell_line": "A", "reason": "", "norm_reason": ""}
    )
    table = table.assign(**dict.fromkeys(["dose_um", "time_h", "tas", "ncs", "tau", "fdr"], 0.5))
    shown = figures.dossier_tables.signature_table(table, "x", "s7")
    assert re.findall(r"<small>(s\d)</small>", shown) == ["s7", "s0", "s1", "s2", "s3", "s4"]


def test_a_consensus_over_cell_lines_is_no_cell_line():
    said = figures.coverage_notice(pd.DataFrame({"cell_line": ["consensus", "consensus"], "reference": "l1000"}))
    assert "do not tell in which cells" in said and "1 cell line" not in said
