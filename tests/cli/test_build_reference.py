"""BUILD_REFERENCE as a command: every format gives the same library, twice the same bytes, and nothing half-written."""

import hashlib
import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.io.gctx import GeneMatrix

COLUMNS = ("role", "path_down", "siginfo", "geneinfo", "compoundinfo", "level", "filter", "control", "assay", "licence")


@pytest.fixture
def build(stage, demo, tmp_path):
    """Run the stage; returns status, what it said, and the folder of results."""

    def run(out="out", format="gctx", **row) -> tuple[int, str]:
        files = {key: value for key, value in row.items() if key in ("path", "path_down", "siginfo", "compoundinfo")}
        about = dict.fromkeys(COLUMNS, "") | {"reference": "lib", "format": format} | row
        about |= {key: path.name for key, path in files.items()}
        (tmp_path / out).mkdir(exist_ok=True)
        (tmp_path / "row.json").write_text(json.dumps(about))
        options = [part for key, path in files.items() for part in (f"--{key.replace('_', '-')}", path)]
        options += ["--genes", demo / "genes.tsv", "--reference", tmp_path / "row.json", "--shard-size", 200]
        status, said = stage("build_reference", *options, "--out", tmp_path / out)
        return status, said, tmp_path / out

    return run


def shards(folder) -> ad.AnnData:
    return ad.concat([ad.read_h5ad(path) for path in sorted(folder.glob("lib.shard_*.h5ad"))], merge="same")


def digests(folder) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture
def gctx(demo):
    return {"path": demo / "reference.gctx", "siginfo": demo / "siginfo.txt"}


def test_twice_the_same_bytes_and_a_complete_description(build, gctx):
    first, second = (build(out, **gctx, licence="CC BY 4.0; cite me") for out in ("one", "two"))
    assert first[0] == second[0] == 0, first[1]
    assert digests(first[2]) == digests(second[2])
    about = json.loads((first[2] / "lib.library.json").read_text())
    assert about["licence"] == "CC BY 4.0; cite me" and about["effect"] == "modz"
    assert {entry["file"]: entry["sha256"] for entry in about["files"]} == {
        name: digest for name, digest in digests(first[2]).items() if name != "lib.library.json"
    }
    assert {entry["file"] for entry in about["sources"]} == {"reference.gctx", "siginfo.txt"}
    assert all(len(entry["sha256"]) == 64 for entry in about["sources"])
    obs = shards(first[2]).obs
    assert (obs["pert_type"] == "ctl_vehicle").sum() == about["n_vehicles"] == 6
    assert len(obs) == about["n_signatures"] + 6 and about["n_shards"] == len(list(first[2].glob("*.shard_*.h5ad"))) > 1
    queries = ad.read_h5ad(first[2] / "lib.reference_queries.h5ad")
    assert queries.n_obs == about["n_reference_queries"] == 250 and queries.obs["compound_id"].nunique() == 160
    np.testing.assert_array_equal(queries.X, shards(first[2])[queries.obs_names].X)


def test_a_finished_library_is_passed_on_as_often_as_asked(build, gctx, stage, tmp_path):
    made = build("made", **gctx)[2]
    files, before = [path for path in made.iterdir() if path.name != "lib.library.json"], digests(made)
    (tmp_path / "row.json").write_text(json.dumps(
        json.loads((tmp_path / "row.json").read_text()) | {"format": "library", "path": "lib.library.json"}))  # fmt: skip
    options = ["--reference", tmp_path / "row.json", "--path", made / "lib.library.json", "--library-files", *files]
    (tmp_path / "out").mkdir()
    for out in ("out", "out", "made"):  # at last into its own folder
        status, said = stage("build_reference", *options, "--genes", tmp_path / "none.tsv", "--out", tmp_path / out)
        assert status == 0, said
        assert digests(tmp_path / out) == before
    assert not any(path.is_symlink() for path in made.iterdir())


@pytest.mark.parametrize("kind", ["signatures", "table", "parquet", "gct"])
def test_other_formats_give_the_same_library(build, gctx, tmp_path, kind):
    source = GeneMatrix(gctx["path"], "gctx")
    values = source.read(np.arange(len(source.signatures)))
    frame = pd.DataFrame(values.T, index=pd.Index(source.genes, name="gene"), columns=source.signatures)
    path = tmp_path / {"signatures": "a.h5ad", "table": "a.tsv", "parquet": "a.parquet", "gct": "a.gct"}[kind]
    if kind == "signatures":
        var = pd.DataFrame(index=source.genes)
        ad.AnnData(values, obs=pd.DataFrame(index=source.signatures), var=var).write_h5ad(path)
    elif kind == "table":
        frame.to_csv(path, sep="\t")
    elif kind == "parquet":
        frame.to_parquet(path)
    else:
        body = frame.reset_index().to_csv(sep="\t", index=False).replace("gene\t", "id\t", 1)
        path.write_text(f"#1.3\n{len(frame)}\t{frame.shape[1]}\t0\t0\n{body}")
    expected = build("expected", **gctx)
    found = build(format="table" if kind == "parquet" else kind, path=path, siginfo=gctx["siginfo"])
    assert found[0] == 0, found[1]
    mine, theirs = shards(found[2]), shards(expected[2])
    pd.testing.assert_frame_equal(mine.obs, theirs.obs)
    np.testing.assert_array_equal(mine.X, theirs.X)


def test_a_filter_and_its_counts(build, gctx):
    status, said, out = build(**gctx, filter="time_h=24; dose_um>=10")
    assert status == 0, said
    funnel = pd.read_csv(out / "lib.funnel.tsv", sep="\t")
    assert funnel["step"].tolist()[-2:] == ["time_h=24", "dose_um>=10"]
    obs = shards(out).obs
    assert (obs["pert_type"] == "ctl_vehicle").sum() == 6  # no filter is for vehicles
    obs = obs[obs["pert_type"] != "ctl_vehicle"]
    compounds = pd.read_csv(out / "lib.compounds.tsv", sep="\t").set_index("compound_id")["n_signatures"]
    assert compounds.sort_index().equals(
        obs["compound_id"].astype(str).value_counts().sort_index().rename("n_signatures")
    )
    assert len(obs) == funnel["n_signatures"].iloc[-1] and (obs["time_h"] == 24).all() and (obs["dose_um"] >= 10).all()


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "lost metadata"])
def test_what_is_damaged_leaves_no_library(build, gctx, tmp_path, damage):
    whole = gctx["path"].read_bytes()
    broken = tmp_path / "reference.gctx"
    broken.write_bytes(
        {"truncated": whole[: len(whole) // 2], "text": b"gene\ta\n1\t2\n", "empty": b""}.get(damage, whole)
    )
    siginfo = tmp_path / "siginfo.txt"
    text = gctx["siginfo"].read_text()
    siginfo.write_text(text.replace("\nDEMO", "\nX") if damage != "lost metadata" else text.replace("_", "-"))
    status, said, out = build(path=broken, siginfo=siginfo if damage == "lost metadata" else gctx["siginfo"])
    assert status == 1 and "Traceback" not in said, said
    assert ("siginfo.txt" if damage == "lost metadata" else "reference.gctx") in said
    assert not list(out.iterdir())


def test_cells_that_are_in_no_signature_are_listed(build, demo, tmp_path):
    """An atlas of two batches, one of which has no controls."""
    rng = np.random.default_rng(0)
    genes = pd.read_csv(demo / "genes.tsv", sep="\t", dtype=str)["symbol"].head(600)
    obs = pd.DataFrame({"perturbation": ["control"] * 20 + ["a"] * 40, "batch": ["1"] * 40 + ["2"] * 20}, dtype=object)
    counts = rng.poisson(5, (60, len(genes))).astype(np.float32)
    ad.AnnData(counts, obs=obs.rename(str), var=pd.DataFrame(index=genes)).write_h5ad(tmp_path / "atlas.h5ad")
    status, said, out = build(format="cells", path=tmp_path / "atlas.h5ad")
    assert status == 0, said
    left = pd.read_csv(out / "lib.left_out.tsv", sep="\t", dtype=str, keep_default_na=False)
    assert left[["perturbation", "batch", "n_cells", "n_signatures"]].to_numpy().tolist() == [["a", "2", "20", "1"]]
    assert left["reason"].item() == "no controls of the same cell line, batch and time"
    assert "lib.left_out.tsv" in {e["file"] for e in json.loads((out / "lib.library.json").read_text())["files"]}
