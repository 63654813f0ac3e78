"""Bad input gets sentences, all problems at once; one wrong thing at a time is in tests/bad_input."""

import json
import shutil
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def folder(tmp_path, demo):
    """A copy of the demo data that a test may damage."""
    return Path(shutil.copytree(demo, tmp_path / "demo"))


@pytest.fixture
def check(folder, stage):
    """Run the stage on the copy."""

    def run(**paths) -> tuple[int, str]:
        names = {
            "input": "samples.csv",
            "references": "references.csv",
            "genes": "genes.tsv",
            "drugs": "drugs.tsv",
        } | paths
        options = [part for name, file in names.items() for part in (f"--{name}", folder / file)]
        return stage("check_inputs", *options, "--out", folder)

    return run


def edit(path, column, value, row=0):
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[row, column] = value
    table.to_csv(path, index=False)


def refused(result, *parts):
    status, said = result
    assert status == 1
    assert "Traceback" not in said
    for part in parts:
        assert part in said, said


def test_good_input_gives_the_manifest(folder, check):
    status, said = check()
    assert status == 0 and "WARNING" not in said and "problem" not in said
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {entry["role"] for entry in manifest["inputs"]} == {
        "input",
        "references",
        "genes",
        "drugs",
        "cells",
        "path",
        "siginfo",
    }
    assert all(len(entry["sha256"]) == 64 and entry["bytes"] > 0 for entry in manifest["inputs"])
    assert json.loads((folder / "demo.sample.json").read_text())["case"] == "disease"
    assert (folder / "demo_l1000.reference.json").is_file()


@pytest.mark.parametrize(
    ("column", "value", "more"),
    [("populations", "all cells", {}), ("donor_key", "none", {"covariates": "sex"}), ("layer", "X", {})],
)
def test_an_unusual_cell_that_is_right(folder, check, column, value, more):
    for name, content in ({column: value} | more).items():
        edit(folder / "samples.csv", name, content)
    status, said = check()
    assert status == 0, said


def test_a_reference_without_compounds(folder, check):
    siginfo = (folder / "siginfo.txt").read_text().replace("trt_cp", "trt_sh")
    (folder / "siginfo.txt").write_text(siginfo)
    refused(check(), "siginfo.txt, signatures: None of", "is left after the filter 'compound treatments'", "'trt_sh'")


def test_all_problems_at_once(folder, check):
    edit(folder / "samples.csv", "dataset", "my data")
    edit(folder / "samples.csv", "case", "ill")
    edit(folder / "references.csv", "role", "find")
    (folder / "genes.tsv").write_text("gene,name\n1,A\n")
    refused(
        check(),
        "The input has 5 problems",
        "my data",
        "'ill'",
        "'find'",
        "genes.tsv, column 'entrez_id'",
        "genes.tsv, column 'symbol'",
    )


def test_duplicated_names(folder, check):
    table = pd.read_csv(folder / "samples.csv", dtype=str, keep_default_na=False)
    for first, second in (("demo", "DEMO"), ("my.demo", "my_demo")):
        twice = pd.concat([table.assign(dataset=first), table.assign(dataset=second)])
        twice.to_csv(folder / "samples.csv", index=False)
        refused(check(), "lines 2, 3, column 'dataset'", "stands more than once")


def test_odd_h5ad_files(folder, check):
    """Foreign writers: no name of the index, no matrix of the right shape, no cell, a name that is taken."""
    path = folder / "cells.h5ad"
    cells = ad.read_h5ad(path)
    whole = path.read_bytes()
    with h5py.File(path, "a") as file:
        del file["var"][file["var"].attrs["_index"]]
    refused(check(), "cells.h5ad: It is damaged or in a layout that anndata does not know")
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file["X"].attrs["shape"] = (3, 4)
    refused(check(), "cells.h5ad, X: Its shape is 3 x 4")
    cells[:0].write_h5ad(path)
    refused(check(), "cells.h5ad, X: Its shape is 0 x")
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(str).replace("B cells", "all cells")
    cells.write_h5ad(path)
    refused(check(), "A population is called 'all cells'")


def test_a_covariate_that_differs_within_a_donor(folder, check):
    cells = ad.read_h5ad(folder / "cells.h5ad")
    cells.obs["lane"] = np.where(np.arange(cells.n_obs) % 2, "a", "b")
    cells.write_h5ad(folder / "cells.h5ad")
    edit(folder / "samples.csv", "covariates", "sex; lane")
    refused(check(), "obs column 'lane': As a covariate it must have one value per donor", "The input has 1 problem")


@pytest.mark.parametrize("where", ["everywhere", "in both arms"])
def test_no_donors(folder, check, where):
    cells = ad.read_h5ad(folder / "cells.h5ad")
    donors = cells.obs["donor"].astype(str).to_numpy()
    if where == "everywhere":
        donors = np.full(cells.n_obs, np.nan)
    else:
        other = np.arange(cells.n_obs) < 50
        cells.obs["condition"] = np.where(other, "mild", cells.obs["condition"].astype(str))
        donors = np.where(other, donors, "nan")
    cells.obs["donor"] = donors
    cells.write_h5ad(folder / "cells.h5ad")
    refused(check(), "obs column 'donor': No cell of the two arms has a donor", "write 'none'")


def test_ids_that_differ_in_capitals_only(folder, check):
    cells = ad.read_h5ad(folder / "cells.h5ad")
    donors = cells.obs["donor"].astype(str).to_numpy()
    first = np.flatnonzero(donors == donors[0])
    donors[first[::2]] = donors[0].upper()
    cells.obs["donor"] = donors
    cells.write_h5ad(folder / "cells.h5ad")
    assert donors[first[1]] != donors[0]
    refused(check(), "obs column 'donor':", "differ in capitals only: one donor or several?")


def test_conditions_may_be_called_none(folder, check):
    cells = ad.read_h5ad(folder / "cells.h5ad")
    cells.obs["condition"] = cells.obs["condition"].astype(str).replace({"healthy": "None", "disease": "NA"})
    cells.write_h5ad(folder / "cells.h5ad")
    edit(folder / "samples.csv", "case", "NA")
    edit(folder / "samples.csv", "control", "None")
    assert check()[0] == 0


def test_genes_are_checked_before_any_work(folder, check):
    """Both files against the gene table: all before a task runs."""
    table = (folder / "genes.tsv").read_text().splitlines()
    (folder / "genes.tsv").write_text("\n".join(table[:20]) + "\n")
    refused(check(), "cells.h5ad, gene ids: Only 14 of", "reference.gctx, gene ids: Only 19 of")
    (folder / "genes.tsv").write_text("entrez_id\tsymbol\nx1\tA\n")
    refused(check(), "genes.tsv")


def test_a_reference_whose_values_cannot_be_read(folder, check):
    with h5py.File(folder / "reference.gctx", "a") as file:
        shape = file["0/DATA/0/matrix"].shape
        del file["0/DATA/0/matrix"]
        file["0/DATA/0/matrix"] = np.full(shape, b"x")
    refused(check(), "reference.gctx")


@pytest.mark.parametrize(("pattern", "wrong"), [("B*; NK cells", ""), ("b*", "There is no population 'b*'")])
def test_populations_by_pattern(folder, check, pattern, wrong):
    edit(folder / "samples.csv", "populations", pattern)
    if wrong:
        refused(check(), wrong)
    else:
        assert check()[0] == 0


def test_metadata_of_another_matrix(folder, check):
    text = (folder / "siginfo.txt").read_text().splitlines()
    (folder / "siginfo.txt").write_text("\n".join([text[0]] + ["other_" + line for line in text[1:]]))
    refused(check(), "siginfo.txt, signature ids: None of them is in reference.gctx")


def test_signature_ids_that_stand_twice(folder, check):
    text = (folder / "siginfo.txt").read_text().splitlines()
    (folder / "siginfo.txt").write_text("\n".join([*text, text[1]]))
    refused(check(), "siginfo.txt, column 'sig_id': 1 signature ids stand more than once")


def test_hostile_labels_are_only_text(folder, check):
    """Names inside the files may hold anything; only names that become files are restricted."""
    cells = ad.read_h5ad(folder / "cells.h5ad")
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(str).replace("B cells", "$(touch x)'\"<b>")
    cells.write_h5ad(folder / "cells.h5ad")
    assert check()[0] == 0


def test_a_ready_made_signature_needs_a_path_only(folder, check):
    genes = [line.split("\t")[1] for line in (folder / "genes.tsv").read_text().splitlines()[1:41]]
    (folder / "sets.gmt").write_text(
        "x_UP\tna\t" + "\t".join(genes[:20]) + "\nx_DN\tna\t" + "\t".join(genes[20:]) + "\n"
    )
    (folder / "samples.csv").write_text("dataset,path\nmine,sets.gmt\n")
    assert check()[0] == 0
    inputs = json.loads((folder / "manifest.json").read_text())["inputs"]
    assert [entry["file"] for entry in inputs if entry["role"] == "signature"] == ["sets.gmt"]
    (folder / "samples.csv").write_text("dataset,path,layer,path_down\nmine,sets.gmt,counts,lost.gmt\n")
    refused(check(), "column 'layer': A ready-made signature has none", "There is no file 'lost.gmt'")
    (folder / "samples.csv").write_text("dataset,path\nmine,sets.gmt\ncells,cells.h5ad\n")
    refused(check(), "column 'donor_key': The column is missing")
