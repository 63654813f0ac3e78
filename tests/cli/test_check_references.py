"""What BUILD_REFERENCE would refuse hours later is refused by CHECK_INPUTS, from labels and sizes alone."""

import json
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.io.gctx import GeneMatrix


@pytest.fixture
def check(stage, demo, tmp_path):
    """Check one row of the reference sheet beside the demo's samples; gives status and what was said."""
    folder = Path(shutil.copytree(demo, tmp_path / "demo"))

    def run(**row) -> tuple[int, str]:
        pd.DataFrame([{"reference": "r", "role": "search"} | row]).to_csv(folder / "references.csv", index=False)
        files = {"input": "samples.csv", "references": "references.csv", "genes": "genes.tsv"}
        options = [part for name, file in files.items() for part in (f"--{name}", folder / file)]
        return stage("check_inputs", *options, "--out", folder)

    run.folder = folder
    return run


def refused(result, *parts):
    status, said = result
    assert status == 1 and "Traceback" not in said, said
    for part in parts:
        assert part in said, said


@pytest.fixture
def plate(check):
    """The demo's matrix taken for wells; its siginfo gets plates of the sizes asked for."""
    ids = GeneMatrix(check.folder / "reference.gctx", "gctx").signatures

    def describe(sizes: dict[str, int]) -> dict[str, str]:
        plates = np.repeat(list(sizes), list(sizes.values()))[: len(ids)]
        plates = [*plates, *["last"] * (len(ids) - len(plates))]
        info = pd.read_csv(check.folder / "siginfo.txt", sep="\t", dtype=str).set_index("sig_id").loc[ids]
        info.assign(det_plate=plates).rename_axis("sig_id").to_csv(check.folder / "instinfo.txt", sep="\t")
        return {"format": "gctx", "path": "reference.gctx", "siginfo": "instinfo.txt"}

    return describe


def test_plates_of_level_3(check, plate):
    status, said = check(**plate({"one": 50}), level="3")
    assert status == 0, said
    refused(
        check(**plate({"one": 50, "": 3, "two": 4, "three": 9}), level="3"),
        "instinfo.txt, plates: 3 wells have no plate", "The plate 'three' has 9 wells, and 1 more plates have fewer than 10",
    )  # fmt: skip
    assert check(**plate({"one": 50, "two": 4}), level="4")[0] == 0  # z is there already


def test_filters_that_wells_and_cells_never_have(check, plate):
    row = plate({"one": 50})
    assert check(**row, level="4", filter="tas>=0.1; cc_q75>=0.1; replicates>=2; dose_um<=10; pert_type=trt_cp")[0] == 0
    refused(
        check(**row, level="4", filter="exemplar; gold; tas>=0.2"),
        "The filter 'exemplar' needs exemplar, which signatures made of wells do not have",
        "The filter 'gold' needs self_rank, which signatures made of wells do not have",
    )
    refused(
        check(**atlas(check.folder), filter="tas>=0.2; qc_pass"),
        "The filter 'tas>=0.2' needs tas, which signatures made of cells do not have", "The filter 'qc_pass' needs qc_pass",
    )  # fmt: skip


def atlas(folder, batches=("1", "1")) -> dict[str, str]:
    genes = pd.read_csv(folder / "genes.tsv", sep="\t", dtype=str)["symbol"].head(600)
    obs = pd.DataFrame({"perturbation": np.repeat(["control", "a"], 20), "batch": np.repeat(batches, 20)}, dtype=object)
    counts = np.random.default_rng(0).poisson(5, (40, len(genes))).astype(np.float32)
    ad.AnnData(counts, obs=obs.rename(str), var=pd.DataFrame(index=genes)).write_h5ad(folder / "atlas.h5ad")
    return {"format": "cells", "path": "atlas.h5ad"}


def test_cells_without_matched_controls(check):
    assert check(**atlas(check.folder), filter="replicates>=1")[0] == 0
    refused(
        check(**atlas(check.folder, batches=("1", "2"))),
        "atlas.h5ad, obs: No perturbation can be compared with controls", "no controls of the same cell line, batch and time",
    )  # fmt: skip


def test_a_library_that_is_not_whole(check):
    folder, kind = check.folder, "scPerturb-CMap library 1"
    files = {"r.shard_0000.h5ad": b"shard", "r.genes.tsv": b"genes", "r.reference_queries.h5ad": b"queries"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    entries = [{"file": name, "sha256": "0", "bytes": len(content)} for name, content in files.items()]

    def library(entries) -> dict[str, str]:
        about = {"kind": kind, "reference": "r", "files": entries}
        (folder / "r.library.json").write_text(json.dumps(about))
        return {"format": "library", "path": "r.library.json"}

    assert check(**library(entries))[0] == 0
    for without in ([], entries[1:2]):
        refused(check(**library(without)), "r.library.json: It does not describe a library")
    refused(check(**library(entries[:2])), "r.library.json, files: It was made by an earlier version", "Build it again")
    (folder / "r.shard_0000.h5ad").write_bytes(b"sha")
    (folder / "r.genes.tsv").unlink()
    refused(
        check(**library(entries)),
        "r.shard_0000.h5ad: It has 3 bytes, and had 5 when the library was made",
        "r.genes.tsv: It is not beside the library file",
    )
