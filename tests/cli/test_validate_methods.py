"""VALIDATE_METHODS as a command: finds what is planted, chooses the headline, and measures tables of other tools."""

import json

import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.io.signature_set import POPULATION_COLUMNS, read_signature_set, signature_set, write_signature_set

TABLES = (
    "validation_meanings",
    "validation",
    "validation_tasks",
    "validation_splits",
    "validation_gates",
    "validation_findings",
    "indications",
    "efficacy",
)


@pytest.fixture
def validated(stage, references):
    def run(out, *options):
        folder = references / out
        folder.mkdir(exist_ok=True)
        names = ("target", "source")
        files = ["--shards", *(references / f"{name}.shard_0000.h5ad" for name in names)]
        files += ["--libraries", *(references / f"{name}.library.json" for name in names)]
        files += ["--compounds", *(references / f"{name}.compounds.tsv" for name in names)]
        files += [
            "--searched",
            "target",
            "--learned",
            *names,
            "--methods",
            "spearman,wtcs,embedding",
            "--device",
            "cpu",
        ]
        status, said = stage("validate_methods", *files, "--queries", 120, "--out", folder, *options)
        assert status == 0, said
        tables = {kind: pd.read_csv(folder / f"run.{kind}.tsv", sep="\t", keep_default_na=False) for kind in TABLES}
        return tables, json.loads((folder / "run.headline.json").read_text())

    return run


def test_a_space_that_sees_what_classic_scores_cannot_becomes_the_headline(validated):
    """Both platforms see one state on genes of their own, so only a map learned from pairs finds unseen compounds."""
    tables, headline = validated("auto", "--query-kinds", "gene_sets")
    tasks = tables["validation_tasks"].set_index("task")
    assert tasks.at["other_platform", "status"] == "run" and tasks.at["other_platform", "n_queries"] == 120
    assert (tasks.loc[tasks["status"] == "not run", "reason"] != "").all()
    table = tables["validation"]
    area = table[(table["metric"] == "auroc") & (table["compared_with"] == "") & (table["split"] == "test")].set_index(
        "method"
    )["value"]
    area = area.astype(float)
    assert (
        area["embedding"] > 0.75 and abs(area["wtcs"] - 0.5) < 0.1 and abs(area["control: shuffled genes"] - 0.5) < 0.1
    )
    assert headline["method"] == "embedding", headline["reason"]
    assert set(tables["validation_gates"]["passed"]) == {"yes"}
    splits = tables["validation_splits"]
    assert (splits.loc[splits["split"] == "compound", "half"].value_counts() == 60).all()
    again, unknown = validated("again")
    pd.testing.assert_frame_equal(table, again["validation"])
    assert unknown["method"] != "embedding" and "was not tried on enough single cells" in unknown["reason"]


def test_the_headline_asked_for_overrides_the_gates_and_says_so(validated):
    _, headline = validated("asked", "--headline", "wtcs")
    assert headline["method"] == "wtcs"
    assert (
        "because --headline says so; left to the gates, spearman ranks the drugs: the embedding" in headline["reason"]
    )


def test_single_cells_are_asked_and_decide_for_single_cells(validated, single_cells):
    tables, _ = validated("cells")
    tasks = tables["validation_tasks"].set_index("task")
    assert tasks.at["single_cell", "status"] == "run" and tasks.at["other_platform", "status"] == "not run"
    gates = tables["validation_gates"].set_index("gate")
    assert "single_cell by auroc: " in gates.at["G4", "detail"] and "not measured" not in gates.at["G4", "detail"]


def test_mechanisms_lineages_and_indications_come_from_tables(validated, references):
    for name, lineage in (("target", ""), ("source", "skin")):  # one reference knows of one line what it is
        shard = references / f"{name}.shard_0000.h5ad"
        signatures = read_signature_set(shard)
        odd = signatures.obs["compound"].str.split("-").str[1].astype(int) % 2 == 1
        signatures.obs["cell_line"], signatures.obs["cell_lineage"] = (
            np.where(odd, "B", "A"),
            np.where(odd, lineage, ""),
        )
        write_signature_set(signatures, shard)
    drugs = pd.DataFrame({"pert_iname": [f"drug {n}" for n in range(120)], "moa": [f"m{n % 60}" for n in range(120)]})
    drugs.to_csv(references / "drugs.tsv", sep="\t", index=False)
    known = pd.DataFrame({"dataset": "nowhere", "compound": [f"drug {n}" for n in range(5)]})
    known.to_csv(references / "known.tsv", sep="\t", index=False)
    options = ("--drugs", references / "drugs.tsv", "--indications", references / "known.tsv")
    tables, headline = validated("mechanisms", *options)
    tasks = tables["validation_tasks"].set_index("task")
    assert tasks.at["mechanism", "status"] == "run" and tasks.at["indication", "status"] == "not run"
    assert tasks.at["indication", "reason"] == "no row is for a data set of this run"
    assert (
        tasks.at["unseen_batch", "status"] == "not run"
        and "a batch of every signature" in tasks.at["unseen_batch", "reason"]
    )
    assert 0 < tasks.at["mechanism_in_unseen_line", "n_queries"] < tasks.at["mechanism", "n_queries"]
    splits = tables["validation_splits"]
    lines = splits[splits["split"] == "cell_line"].set_index("name")
    assert lines["group"].to_dict() == {"A": "A", "B": "skin"} and lines["fold"].nunique() == 2
    crossed = splits[splits["split"] == "mechanism and cell_line"]
    assert set(crossed["group"]) == {"A", "skin"} and crossed["name"].str.startswith("m").all()
    # mechanisms are at random here, so nothing finds them and the default stays
    assert headline["method"] == "spearman" and "on mechanism" in headline["reason"]


def test_drugs_that_reverse_more_kill_more(validated, references):
    """Planted: the population is the first hidden state, and the drugs that turn it most kill most."""
    target = read_signature_set(references / "target.shard_0000.h5ad")
    population = np.asarray(target.X)[:10].mean(axis=0)
    obs = pd.DataFrame({c: ["x"] for c in POPULATION_COLUMNS}, index=["cells|T cells"])
    obs = obs.assign(dataset="cells", population="T cells", status="ok", effect="wald_z")
    write_signature_set(
        signature_set(population[None], obs, target.var, "wald_z"), references / "cells.signatures.h5ad"
    )
    likeness = [np.corrcoef(population, row)[0, 1] for row in np.asarray(target.X)[:60]]
    table = pd.DataFrame({"disease": "Cells", "compound": [f"Drug {n}" for n in range(60)], "sensitivity": likeness})
    table.to_csv(references / "auc.tsv", sep="\t", index=False)
    options = ("--methods", "spearman", "--signatures", references / "cells.signatures.h5ad")
    tables, _ = validated("kill", *options, "--sensitivity", references / "auc.tsv")
    found = tables["efficacy"].set_index("method")
    assert found["n_drugs"].tolist() == [60, 60] and found.index.tolist() == ["spearman", "control: strength only"]
    assert float(found.at["spearman", "spearman"]) > 0.95 and float(found.at["spearman", "p"]) < 0.01
    assert "one score" in found.at["control: strength only", "reason"]  # all have one TAS here
    tasks = tables["validation_tasks"].set_index("task")
    assert tasks.at["efficacy", "status"] == "run" and tasks.at["efficacy", "n_queries"] == 1
    assert tasks.at["indication", "status"] == "not run" and tables["indications"].empty
    tables, _ = validated("elsewhere", *options, "--indications", references / "auc.tsv")
    tasks = tables["validation_tasks"].set_index("task")
    assert tables["efficacy"].empty and "--sensitivity" in tasks.at["efficacy", "reason"]


@pytest.mark.parametrize(("options", "wrong"), [
    ([], "either --scores with --labels, or --shards"),
    (["--scores", "x.tsv"], "either --scores with --labels, or --shards"),
    (["--shards", "x.h5ad", "--headline", "xsum"], "'xsum' is not among --methods"),
    (["--shards", "x.h5ad", "--methods", "embedding"], "no classic score to compare"),
])  # fmt: skip
def test_wrong_options_are_told_in_words(stage, options, wrong):
    status, said = stage("validate_methods", *options)
    assert status == 1 and wrong in said and "Traceback" not in said


def test_any_table_of_scores(stage, tmp_path):
    random = np.random.default_rng(0)
    rows = [(f"q{q}", f"i{i}", -1.0 * (i == q) + 0.1 * random.normal()) for q in range(30) for i in range(40)]
    pd.DataFrame(rows, columns=["query", "item", "tool"]).to_parquet(tmp_path / "any.parquet")
    labels = pd.DataFrame({"query": [f"q{q}" for q in range(30)], "item": [f"i{q}" for q in range(30)], "label": 1})
    labels.to_csv(tmp_path / "labels.tsv", sep="\t", index=False)
    options = ["--scores", tmp_path / "any.parquet", "--labels", tmp_path / "labels.tsv", "--out", tmp_path]
    assert stage("validate_methods", *options, "--lower-is-better")[0] == 0
    table = pd.read_csv(tmp_path / "run.validation.tsv", sep="\t").set_index("metric")
    assert (
        table.at["auroc", "value"] == 1 and table.at["average_precision", "p"] < 0.01 and table.at["auroc", "n"] == 30
    )
    (tmp_path / "any.parquet").write_bytes(b"PAR1 and nothing more")
    status, said = stage("validate_methods", *options)
    assert status == 1 and "It is no readable Parquet file" in said
