"""The demo run: the planted truth in the published tables, everything published, everything cached the second time."""

import hashlib
import json
import re
import subprocess
import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.nextflow
#: TSV files have six significant digits, Parquet all.
SIX_DIGITS = {"rtol": 5e-6}
METHODS = ("cosine", "spearman", "wtcs", "embedding")


@pytest.fixture(scope="module")
def drugs(demo_run):
    return pd.read_csv(demo_run.outdir / "ranking" / "demo.drugs.tsv", sep="\t", float_precision="round_trip")


@pytest.fixture(scope="module")
def truth(demo):
    return pd.read_csv(demo / "truth.tsv", sep="\t").set_index("role")


@pytest.mark.parametrize("method", METHODS)
def test_each_populations_reverser_is_first_and_its_mimic_last(drugs, truth, method):
    assert len(truth.loc["reverser"]) >= 4
    for population, planted in truth.loc[["reverser", "mimic"]].groupby("population"):
        ranked = drugs[drugs["population"] == population].sort_values(f"rank_{method}")
        assert ranked["compound"].iloc[0] == planted.loc["reverser", "compound"]
        assert ranked["compound"].iloc[-1] == planted.loc["mimic", "compound"]
        assert ranked[f"score_{method}"].iloc[0] < 0 < ranked[f"score_{method}"].iloc[-1]


@pytest.mark.parametrize("method", METHODS)
def test_the_average_would_have_misled(drugs, truth, method):
    """The drug that all cells together put first is of no use for the population that matters, nor is mere strength."""
    rank = drugs.set_index(["population", "compound"])[f"rank_{method}"]
    decoy, strong = truth.loc["bulk_decoy", "compound"], truth.loc["strong_unrelated", "compound"]
    assert rank["all cells", decoy] == 1
    assert rank["CD14 monocytes", decoy] > rank["CD14 monocytes"].max() / 2
    assert all(rank[population, strong] > 10 for population in truth.loc["reverser", "population"])


def test_the_calibrated_score_ranks_what_is_planted_first_and_last(drugs, truth):
    ranked = drugs[drugs["rank"].notna()]
    assert (ranked["method"] == "spearman").all() and (ranked["scored_by"] == "z").all()
    assert (ranked.groupby("population")["score"].diff().dropna() >= 0).all()
    for population, planted in truth.drop(["bulk_decoy", "strong_unrelated"]).groupby("population"):
        order = ranked.loc[ranked["population"] == population, "compound"]
        assert (
            order.iloc[0] == planted.loc["reverser", "compound"] and order.iloc[-1] == planted.loc["mimic", "compound"]
        )


def test_score_and_rank_have_an_interval_over_donors(drugs):
    ranked = drugs[drugs["rank"].notna()]
    assert (ranked["interval"] == "bootstrap").all() and (ranked["n_resamples"] == 20).all()
    assert (ranked["score_low"] <= ranked["score_high"]).all() and (ranked["rank_low"] <= ranked["rank_high"]).all()
    first = ranked[ranked["rank"] == 1]
    assert (first["rank_high"] <= 10).all() and (first["top_share"] > 0.9).all() and (first["tau"] < -95).all()
    assert ranked[["ncs", "tau", "p_value", "fdr"]].notna().all(axis=None)


def test_single_pairs_have_a_p_value_and_a_false_discovery_rate(drugs, truth, demo_run):
    pairs = pd.read_parquet(demo_run.outdir / "ranking" / "demo.connections.parquet")
    assert pairs[["score", "ncs", "tau", "p_value", "fdr"]].notna().all(axis=None)
    for population, planted in truth.loc[["reverser"]].groupby("population"):
        mine = pairs[(pairs["population"] == population) & (pairs["compound"] == planted["compound"].item())]
        assert (mine["p_value"] < 0.01).all() and (mine["fdr"] < 0.1).all()


def test_nothing_is_missing_without_a_reason(drugs, demo_run):
    assert {"dataset", "population", "rank", "compound", "score", "status", "reason"} <= set(drugs)
    missing = drugs["score"].isna()
    assert (drugs["status"] == "not_ranked").equals(missing) and drugs.loc[missing, "reason"].str.len().min() > 20
    assert drugs.loc[missing, "population"].tolist() == ["Plasma cells"]
    populations = pd.read_csv(demo_run.outdir / "ranking" / "demo.populations.tsv", sep="\t").set_index("population")
    assert populations.loc["Plasma cells", "status"] == "skipped" and populations.loc["Plasma cells", "n_drugs"] == 0
    assert (populations.drop("Plasma cells")["n_drugs"] == drugs["compound"].nunique()).all()
    parquet = pd.read_parquet(demo_run.outdir / "ranking" / "demo.drugs.parquet")
    assert len(parquet) == len(drugs)
    np.testing.assert_allclose(parquet["score"].to_numpy(float), drugs["score"].to_numpy(), **SIX_DIGITS)


def test_the_leading_genes_are_those_of_the_signature_that_supports_the_drug(drugs, truth, demo_run):
    edges = pd.read_csv(demo_run.outdir / "ranking" / "demo.leading_edges.tsv", sep="\t", dtype={"gene_key": str})
    scored = drugs[drugs["rank"].notna()]
    assert scored["best_signature"].notna().equals(scored["score"] != 0)
    ill = ad.read_h5ad(demo_run.outdir / "signatures" / "demo.signatures.h5ad")
    shard = ad.read_h5ad(demo_run.outdir / "reference" / "demo_l1000.shard_0000.h5ad")
    for population, planted in truth.loc[["reverser"]].groupby("population"):
        mine = edges[(edges["population"] == population) & (edges["compound"] == planted["compound"].item())]
        assert 50 < len(mine) <= 300 and mine["signature"].nunique() == 1
        genes, signature = mine["gene_key"], shard[mine["signature"].iloc[0]]
        assert signature.obs["compound"].item() == planted["compound"].item()
        np.testing.assert_allclose(mine["drug_z"], signature[:, genes].X.ravel(), **SIX_DIGITS)
        np.testing.assert_allclose(mine["disease_z"], ill[f"demo|{population}", genes].X.ravel(), **SIX_DIGITS)
        assert (mine["drug_rank"] == signature[:, genes].layers["rank"].ravel() + 1).all()
        middle, up = shard.n_vars / 2, mine["set"] == "up"
        assert (mine.loc[up, "disease_z"] > 0).all() and mine.loc[up, "drug_rank"].median() > middle
        assert (mine.loc[~up, "disease_z"] < 0).all() and mine.loc[~up, "drug_rank"].median() < middle


def test_every_reported_drug_has_a_partner_or_a_reason(drugs, truth, demo_run):
    pairs = pd.read_csv(demo_run.outdir / "ranking" / "demo.pairs.tsv", sep="\t")
    reported = drugs[drugs["rank"].notna()].groupby("population").head(50)
    assert pairs.loc[pairs["first"].notna(), "first_id"].tolist() == reported["compound_id"].tolist()
    assert pairs.loc[pairs["first"].isna(), "population"].tolist() == ["Plasma cells"]
    assert (pairs["second"].notna() | (pairs["reason"].str.len() > 20)).all()
    paired = pairs[pairs["status"] == "ok"]
    assert len(paired) > 100 and (paired["gain"] > 0).all() and paired["covered_by_both"].max() <= 1
    np.testing.assert_allclose(paired["covered_by_both"], paired["covered_by_first"] + paired["gain"], atol=2e-6)
    most = paired.loc[paired.groupby("population")["covered_by_first"].idxmax()].set_index("population")["first"]
    assert most.drop("all cells").to_dict() == truth.loc["reverser"].set_index("population")["compound"].to_dict()


def test_mechanisms_are_tested_in_every_population_or_it_is_told_why(drugs, demo_run):
    found = pd.read_csv(demo_run.outdir / "ranking" / "demo.enrichment.tsv", sep="\t")
    tested = found[found["status"] == "ok"]
    assert set(tested["population"]) == set(drugs.loc[drugs["rank"].notna(), "population"])
    sizes = tested[tested["kind"] == "mechanism"].groupby("name")["n_drugs"].unique().map(list)
    counts = drugs[drugs["population"] == "B cells"]["mechanism"].value_counts()
    assert sizes.to_dict() == {name: [n] for name, n in counts.items() if n >= 3}
    assert tested["p_value"].between(0, 1, inclusive="right").all() and (tested["null"] == "reference queries").all()
    lost = found[found["status"] != "ok"]
    assert lost["population"].tolist() == ["Plasma cells"] * 2 and lost["reason"].str.len().min() > 20


def test_signature_sets_hold_their_contract(demo_run):
    ill = ad.read_h5ad(demo_run.outdir / "signatures" / "demo.signatures.h5ad")
    drugs = ad.read_h5ad(demo_run.outdir / "reference" / "demo_l1000.shard_0000.h5ad")
    for signatures, effect in ((ill, "wald_z"), (drugs, "modz")):
        assert (
            signatures.X.dtype == np.float32
            and signatures.uns["effect"] == effect
            and signatures.uns["gene_key"] == "entrez_id"
        )
        assert signatures.var_names.str.fullmatch(r"\d+").all() and {"symbol", "feature_space"} <= set(signatures.var)
    assert set(ill.layers) == {"log_fc", "mean_count", "p_value", "fdr"} and "all cells" in set(ill.obs["population"])
    assert (
        drugs.obs["pert_type"].value_counts().to_dict() == {"trt_cp": 714, "ctl_vehicle": 6}
        and set(drugs.obs["dose_um"]) >= {1.0, 10.0}
        and set(drugs.obs["time_h"]) == {6.0, 24.0}
    )


def test_the_funnel_counts_what_was_dropped(demo_run):
    funnel = pd.read_csv(demo_run.outdir / "reference" / "demo_l1000.funnel.tsv", sep="\t").set_index("step")[
        "n_signatures"
    ]
    assert funnel["in the matrix"] - funnel["compound treatments"] == 6  # DMSO
    assert funnel.is_monotonic_decreasing


def test_the_space_is_published_with_its_neighbours(demo_run, truth):
    folder = demo_run.outdir / "embedding"
    assert "| demo_l1000 | modz |" in (folder / "run.model_card.md").read_text()
    found = pd.read_csv(folder / "run.neighbours.tsv", sep="\t")
    for population, planted in truth.loc[["reverser", "mimic"]].groupby("population"):
        mine = found[(found["population"] == population) & (found["neighbour"] == 1)].set_index("direction")
        assert mine.loc["reverses", "compound"] == planted.loc["reverser", "compound"]
        assert mine.loc["mimics", "compound"] == planted.loc["mimic", "compound"]
        assert mine.loc["reverses", "score"] < 0 < mine.loc["mimics", "score"] and (mine["share"] > 0.2).all()
    embedded = ad.read_h5ad(folder / "run.profile.embedded.h5ad")
    assert embedded.obsm["X_umap"].shape == (embedded.n_obs, 2) and set(found["population"]) < set(
        embedded.obs["population"]
    )


def test_versions_of_every_process(demo_run):
    versions = pd.read_csv(demo_run.outdir / "pipeline_info" / "software_versions.tsv", sep="\t")
    assert list(versions) == ["process", "tool", "version"]
    assert set(versions["process"]) == set(demo_run.trace["name"].str.split().str[0]) | {"pipeline"}
    assert versions["version"].str.match(r"\d+\.\d+").all()


def test_parameters_and_inputs_are_recorded(demo_run):
    info = demo_run.outdir / "pipeline_info"
    assert json.loads((info / "params.json").read_text())["n_genes"] == 150
    manifest = json.loads((info / "manifest.json").read_text())
    assert len(manifest["code_digest"]) == 32 and {"cells", "path", "genes", "drugs"} <= {
        i["role"] for i in manifest["inputs"]
    }


def test_a_reference_is_built_the_same_byte_for_byte(demo_run, root, tmp_path):
    manifest = json.loads((demo_run.outdir / "pipeline_info" / "manifest.json").read_text())
    row = manifest["references"][0]
    known = {i["role"]: i["sha256"] for i in manifest["inputs"] if i["role"] in ("path", "siginfo", "geneinfo")}
    (tmp_path / "reference.json").write_text(json.dumps(row | {"sha256": known}))
    demo = root / "assets" / "demo"
    command = [sys.executable, root / "bin" / "build_reference.py", "--reference", "reference.json"]
    command += ["--path", demo / row["path"], "--siginfo", demo / row["siginfo"], "--genes", demo / "genes.tsv"]
    command += ["--shard-size", "10000", "--seed", "1", "--code-digest", manifest["code_digest"]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in ("demo_l1000.shard_0000.h5ad", "demo_l1000.reference_queries.h5ad", "demo_l1000.library.json"):
        assert (tmp_path / name).read_bytes() == (demo_run.outdir / "reference" / name).read_bytes(), name


def test_the_results_are_a_workflow_run_crate(demo_run):
    """What RO-Crate 1.1 and the profile Workflow Run Crate 0.5 ask for; every result is listed as it lies there."""
    crate = json.loads((demo_run.outdir / "ro-crate-metadata.json").read_text())
    entities = {entity["@id"]: entity for entity in crate["@graph"]}
    assert len(entities) == len(crate["@graph"]) and "https://w3id.org/ro/crate/1.1/context" in crate["@context"]
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert descriptor["about"] == {"@id": "./"} and {"@id": "https://w3id.org/ro/crate/1.1"} in descriptor["conformsTo"]
    assert {"name", "description", "datePublished", "license"} <= set(root)
    assert {"@id": "https://w3id.org/ro/wfrun/workflow/0.5"} in root["conformsTo"]
    workflow, action = entities[root["mainEntity"]["@id"]], entities[root["mentions"]["@id"]]
    assert set(workflow["@type"]) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert entities[workflow["programmingLanguage"]["@id"]]["name"] == "Nextflow"
    assert action["@type"] == "CreateAction" and action["instrument"] == root["mainEntity"]
    assert action["startTime"] < action["endTime"] and action["actionStatus"].endswith("CompletedActionStatus")
    assert all("additionalType" in e for e in entities.values() if e["@type"] == "FormalParameter")
    seed = entities["#value-seed"]
    assert seed["value"] == "1" and {"@id": "#value-seed"} in action["object"]

    manifest = json.loads((demo_run.outdir / "pipeline_info" / "manifest.json").read_text())
    used = {entities[ref["@id"]].get("sha256") for ref in action["object"]}
    assert {entry["sha256"] for entry in manifest["inputs"]} <= used
    assert manifest["code_digest"] == entities["#code-digest"]["value"]
    versions = pd.read_csv(demo_run.outdir / "pipeline_info" / "software_versions.tsv", sep="\t")
    tools = [entities[ref["@id"]] for ref in workflow["softwareRequirements"]]
    assert {(e["name"], e["softwareVersion"]) for e in tools} == set(
        zip(versions["tool"], versions["version"], strict=True)
    )

    listed = {ref["@id"] for ref in root["hasPart"] if ":" not in ref["@id"]}
    there = {str(path.relative_to(demo_run.outdir)) for path in demo_run.outdir.rglob("*") if path.is_file()}
    pages = {name for name in there if name.startswith("report/") and not name.startswith("report/notebooks/")}
    ours = {"ro-crate-metadata.json", "pipeline_info/execution_report.html"}
    assert listed == there - pages - ours | {"report/index.html", "report/report.zip"}
    for name in listed - {"pipeline_info/execution_trace.txt"}:
        content = (demo_run.outdir / name).read_bytes()
        assert entities[name]["sha256"] == hashlib.sha256(content).hexdigest(), name
        assert entities[name]["contentSize"] == str(len(content))
    assert str(demo_run.outdir.parent) not in json.dumps(crate)


def test_memory_stays_small(demo_run):
    units = {"KB": 1e-6, "MB": 1e-3, "GB": 1.0}
    peak = demo_run.trace["peak_rss"].str.split().map(lambda parts: float(parts[0]) * units[parts[1]])
    assert peak.max() < 4, demo_run.trace[["name", "peak_rss"]].to_string()


def seconds(text: str) -> float:
    """Of a time as Nextflow writes it, such as ``1m 5.3s``."""
    units = {"ms": 1e-3, "s": 1, "m": 60, "h": 3600}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|[smh])", text))


def test_the_workflow_itself_takes_a_small_part_of_the_critical_path(demo_run):
    """Backwards from the end of the run: the task that ended last, then the one that ended last before that began, ..."""
    trace = demo_run.trace
    start = pd.to_datetime(trace["submit"]).astype("int64") / 1e9
    work = trace["realtime"].map(seconds)
    tasks = pd.DataFrame({"start": start, "end": start + trace["duration"].map(seconds), "work": work})
    path = [tasks.loc[tasks["end"].idxmax()]]
    # a task may be submitted in the second in which the one before it ends
    while not (before := tasks[(tasks["end"] < path[-1]["start"] + 1) & (tasks["start"] < path[-1]["start"])]).empty:
        path.append(before.loc[before["end"].idxmax()])
    crate = json.loads((demo_run.outdir / "ro-crate-metadata.json").read_text())["@graph"]
    action = next(entity for entity in crate if entity["@type"] == "CreateAction")
    whole = (pd.Timestamp(action["endTime"]) - pd.Timestamp(action["startTime"])).total_seconds()
    share = 1 - sum(task["work"] for task in path) / whole
    print(f"{share:.1%} of {whole:.0f} s are not the work of the {len(path)} tasks on the critical path")
    # times are given to the second, so that the share can come out a little below 0
    assert len(path) > 8 and -0.05 < share <= 0.15


def test_the_report_opens_without_a_network(demo_run, check_report):
    assert check_report(demo_run.outdir / "report", of_a_kind=2) == []
    assert {"index.html", "dataset.demo.html", "population.demo.001.html", "report.zip", "notebooks"} <= {
        path.name for path in (demo_run.outdir / "report").iterdir()
    }


def test_the_second_run_is_all_cached(demo_run, run_pipeline):
    again = run_pipeline(demo_run.outdir.parent, "-profile", "test", "-resume")
    assert again.status == 0, again.said
    assert set(again.trace["status"]) == {"CACHED"}


def test_a_finished_library_is_not_built_again(demo_run, demo, make_project, run_pipeline):
    """The library of one run is a reference of the next, and gives the same scores; a changed shard is refused."""
    import shutil

    project = make_project()
    folder = project / "assets" / "demo"
    shutil.copytree(demo_run.outdir / "reference", folder / "lib")
    sheet = "reference,path,format,role\ndemo_l1000,lib/demo_l1000.library.json,library,both\n"
    (folder / "references.csv").write_text(sheet)
    headline = json.loads((demo_run.outdir / "validation" / "run.headline.json").read_text())["method"]
    run = run_pipeline(project, "-profile", "test", "--validation", "false", "--headline", headline)
    assert run.status == 0, run.said
    # the same inputs give the same ranking, byte for byte, to the last digit
    for table in ("demo.drugs.tsv", "demo.drugs.parquet", "demo.connections.parquet"):
        mine, theirs = ((r.outdir / "ranking" / table).read_bytes() for r in (run, demo_run))
        assert mine == theirs, table
    built, used = ((r.outdir / "reference" / "demo_l1000.library.json").read_text() for r in (run, demo_run))
    assert built == used
    shard = folder / "lib" / "demo_l1000.shard_0000.h5ad"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    broken = run_pipeline(project, "-profile", "test", "--validation", "false", "--headline", headline, "-resume")
    assert broken.status != 0
    assert "demo_l1000.shard_0000.h5ad: It has changed since the library was made" in broken.said
