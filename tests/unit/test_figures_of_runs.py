"""What the report shows of runs that are out of the ordinary: nothing ranked, many populations."""

import re
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from scperturb_cmap import figures

FAKE = runpy.run_path(str(Path(__file__).parents[2] / "tests" / "browser" / "fake_results.py"))


def test_a_report_without_any_ranking_says_so(tmp_path):
    run = figures.Results(FAKE["write_results"](tmp_path, populations={"B": "", "T": ""}, hostile=False))
    skipped = run.table("demo.populations.tsv").assign(status="skipped", n_drugs=0)
    rows = run.table("demo.drugs.tsv")
    nothing = rows.groupby("population").head(1).assign(rank=np.nan, score=np.nan, reason="too few donors")
    pq.write_table(pq.read_table(run.file("demo.connections.parquet"))[:0], run.file("demo.connections.parquet"))
    assert run.searched().empty and figures.coverage_notice(run.searched()) == ""
    assert "No population was ranked" in figures.line_coverage(run.searched())
    assert "too few donors" in figures.top_drugs(skipped, nothing) and figures.condition_table(run.searched()) == ""
    assert "was not ranked" in figures.dossiers(
        "B", nothing, run.connections("demo", "B", []), run.table("demo.pairs.tsv")
    )
    assert figures.edge_figure("B", nothing, run.table("demo.leading_edges.tsv")) is None
    assert "0 of 2" in figures.key_numbers(skipped, nothing, run.tables("funnel"))


def test_special_runs_are_told_in_words(tmp_path):
    few = {f"cells {n}": "" for n in range(6)} | {"B": "exploratory"}
    run = figures.Results(FAKE["write_results"](tmp_path, populations=few, n_genes=60, n_drugs=70, hostile=False))
    populations, drugs = run.table("demo.populations.tsv"), run.table("demo.drugs.tsv")
    said = figures.notices(populations, drugs)
    assert (
        "<b>6 populations</b>, each for a reason of its own</summary>" in said and "Too few donors of cells 5" in said
    )
    assert "no gene has a p-value" in said  # while its drugs have an FDR
    assert "7 populations; score" in figures.top_drugs(populations, drugs)
    one = populations[populations["population"] == "all cells"]
    assert "This population was ranked" in figures.notices(
        one, drugs[drugs["population"] == "all cells"].assign(fdr=0.01)
    )
    library = run.document("l1000.library.json")
    FAKE["_json"](library | {"n_signatures": 0}, run.file("l1000.library.json"))
    assert "no signature is left" in figures.reference_table(run)
    FAKE["_json"]({"method": "wtcs", "reason": "wtcs ranks the drugs: the embedding did not pass G2 on other_line"},
                  run.file("run.headline.json"))  # fmt: skip
    assert "gate G2 (beating the classic score) on &#34;same compound&#34;" in figures.headline_note(run)
    short = figures.score_matrix(
        pd.concat([drugs[drugs["population"] == "B"].assign(population=f"P{n}") for n in range(40)])
    ).layout.height
    assert short < 1000  # forty rows fit a screen


def test_forty_populations_fit_one_page(tmp_path):
    names = {f"population {n}": "replicated" for n in range(39)}
    run = figures.Results(FAKE["write_results"](tmp_path, populations=names, n_genes=60, n_drugs=70, hostile=False))
    populations, drugs = run.table("demo.populations.tsv"), run.table("demo.drugs.tsv")
    matrix = figures.score_matrix(drugs).data[0].z
    assert matrix.shape[0] == 40 and matrix.shape[1] <= 60
    assert figures.top_drugs(populations, drugs).count('class="chip"') <= 200
    assert set(re.findall(r'href="([^"]*)"', figures.population_links(populations))) == {
        f"population.demo.{n:03d}.html" for n in range(1, 41)
    }
    first = figures.reversing(drugs, "population 7")["compound_id"].head(10)
    shown = figures.dossiers(
        "population 7", drugs, run.connections("demo", "population 7", first), run.table("demo.pairs.tsv")
    )
    assert " in every population, 12 of 40" in shown and shown.count("<details") == 10


def test_what_the_batch_explains_stands_side_by_side(tmp_path):
    run = figures.Results(FAKE["write_results"](tmp_path, n_genes=60, n_drugs=30))
    table, tasks = run.tables("validation"), run.tables("validation_tasks")
    mine = (table["metric"] == "auroc") & (table["method"] == "embedding")
    for task, area, gain in (("other_line", "0.81", "0.22"), ("other_line_same_batch", "0.66", "0.07")):
        for base, value in (("", area), ("wtcs", gain)):
            table.loc[mine & (table["task"] == task) & (table["compared_with"] == base), "value"] = value
    said = re.sub(r"<[^>]*>", " ", figures.batch_table(table, tasks))
    learned = said.index("embedding")
    assert learned < said.index("0.810") < said.index("0.660") < said.index("−0.150")
    assert said.index("gain of embedding over WTCS") < said.index("0.220") < said.index("0.070")
    assert "control" not in said
    own = table[(table["method"] == "embedding") & (table["task"].isin(["other_line", "other_line_same_batch"]))]
    more = [
        own.assign(method=f"control: {name}") for name in ("labels alone", "learned from permuted labels", "random")
    ]
    said = re.sub(r"<[^>]*>", " ", figures.batch_table(pd.concat([table, *more]), tasks))
    assert learned < said.index("embedding, learned from permuted labels") < said.index("gain of embedding")
    assert said.count("permuted labels") == 1 and "random" not in said
    tasks.loc[tasks["task"] == "other_line_same_batch", ["status", "reason"]] = "not run", "needs a batch"
    assert "needs a batch" in figures.batch_table(table[table["task"] != "other_line_same_batch"], tasks)
