"""Leading edges and pairs as commands: several shards and data sets, nothing to find, damaged files."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
from tests.conftest import make_sets

from scperturb_cmap.io.signature_set import read_rows, read_signature_set, write_signature_set
from scperturb_cmap.scoring.leading_edge import find_leading_edges
from scperturb_cmap.utils.ranks import descending_ranks


@pytest.fixture
def folder(tmp_path):
    """Two data sets, one with a skipped population and a hostile name, against two shards; drugs reverse B."""
    rng = np.random.default_rng(8)
    ill = np.linspace(4, -4, 90)
    reference, queries = make_sets(-ill + rng.normal(0, 2, (6, 90)), np.stack([ill, ill[::-1], np.full(90, np.nan)]))
    reference.obs["reference"] = "lib"
    queries.obs["population"] = ["B\n1", "NA", "gone"]
    queries.obs["status"] = ["ok", "ok", "skipped"]
    for number, rows in enumerate((slice(0, 4), slice(4, 6))):
        shard = reference[rows].copy()
        shard.layers["rank"] = descending_ranks(np.asarray(shard.X))
        write_signature_set(shard, tmp_path / f"lib.shard_000{number}.h5ad", compression=None)
    for name in ("d", "second"):
        queries.obs["dataset"] = name
        write_signature_set(queries, tmp_path / f"{name}.signatures.h5ad")
        table = pd.DataFrame({"best_signature": [f"sig{n}" for n in range(6)], "score": np.linspace(-0.9, -0.1, 6)})
        table = table.assign(rank=range(1, 7), compound=[f"Drug {n}" for n in range(6)], reason="", dataset=name)
        table = table.assign(compound_id=table["compound"], best_reference="lib")
        gone = pd.DataFrame({"dataset": [name], "population": "gone", "reason": "Too few donors."})
        tables = [table.assign(population="B\n1"), table.assign(population="NA", score=-table["score"]), gone]
        pd.concat(tables).to_parquet(tmp_path / f"{name}.drugs.parquet")
    return tmp_path


def find(stage, folder, shard):
    both = [folder / f"{name}.{{}}" for name in ("d", "second")]
    return stage(
        "find_leading_edges", "--shard", folder / f"{shard}.h5ad", "--signatures",
        *(str(path).format("signatures.h5ad") for path in both), "--drugs",
        *(str(path).format("drugs.parquet") for path in both), "--n-genes", 20, "--out", folder,
    )  # fmt: skip


def pair(stage, folder, name="d"):
    edges, genes = (sorted(folder.glob(f"*.{what}.parquet")) for what in ("leading_edges", "query_genes"))
    return stage(
        "pair_drugs", "--drugs", folder / f"{name}.drugs.parquet", "--edges", *edges, "--genes", *genes, "--out", folder
    )  # fmt: skip


def read(path):
    return pd.read_csv(path, sep="\t", keep_default_na=False)


def test_shards_together_give_the_tables_of_a_data_set(stage, folder):
    for shard in ("lib.shard_0000", "lib.shard_0001"):
        status, said = find(stage, folder, shard)
        assert status == 0, said
    assert json.loads((folder / "lib.shard_0001.find_leading_edges.metrics.json").read_text())["n_pairs"] == 8
    status, said = pair(stage, folder)
    assert status == 0, said
    edges, pairs = read(folder / "d.leading_edges.tsv"), read(folder / "d.pairs.tsv")
    assert set(edges["dataset"]) == {"d"} and set(edges["population"]) == {"B 1", "NA"}
    assert set(edges["signature"]) == {f"sig{n}" for n in range(6)}
    assert edges[edges["population"] == "NA"]["compound"].drop_duplicates().tolist() == [f"Drug {n}" for n in range(6)]
    whole = pd.read_parquet(folder / "d.drugs.parquet").dropna(subset="rank")
    queries = read_signature_set(folder / "d.signatures.h5ad")
    expected = sum(
        len(find_leading_edges(whole, [queries], read_signature_set(path), n_genes=20)[0])
        for path in folder.glob("lib.shard*.h5ad")
    )
    assert len(edges) == expected > 100
    assert pairs["status"].tolist() == ["ok"] * 6 + ["not_paired"] * 7
    assert pairs["reason"].tolist()[-1] == "Too few donors."
    mine = edges[(edges["population"] == "B 1") & (edges["compound"] == "Drug 0")]
    first = pairs.iloc[0]
    sizes = np.linspace(4, -4, 90)
    total = np.abs(np.r_[sizes[:20], sizes[-20:]]).sum()
    assert float(first["covered_by_first"]) == pytest.approx(mine["disease_z"].abs().sum() / total, rel=1e-5)
    assert int(first["n_leading_genes"]) == len(mine)


def test_a_shard_without_a_reported_drug_and_a_data_set_without_any(stage, folder):
    for name in ("d", "second"):
        path = folder / f"{name}.drugs.parquet"
        table = pd.read_parquet(path)
        # Another reference has signatures of the same names.
        table.loc[table["best_signature"].isin(["sig4", "sig5"]), "best_reference"] = "other"
        (table[table["rank"].isna()] if name == "second" else table).to_parquet(path)
    for shard in ("lib.shard_0000", "lib.shard_0001"):
        status, said = find(stage, folder, shard)
        assert status == 0, said
    assert pd.read_parquet(folder / "lib.shard_0001.leading_edges.parquet").empty
    for name in ("d", "second"):
        status, said = pair(stage, folder, name)
        assert status == 0, said
    assert read(folder / "d.leading_edges.tsv")["signature"].nunique() == 4
    assert read(folder / "second.leading_edges.tsv").empty
    assert read(folder / "second.pairs.tsv")["reason"].tolist() == ["Too few donors."]


def test_only_the_rows_asked_for_are_read(folder):
    path = folder / "lib.shard_0000.h5ad"
    whole, part = read_signature_set(path), read_rows(path, ["sig3", "sig1", "nowhere"])
    assert part.obs_names.tolist() == ["sig1", "sig3"] and part.uns["effect"] == whole.uns["effect"]
    np.testing.assert_array_equal(part.X, whole["sig1 sig3".split()].X)
    np.testing.assert_array_equal(part.layers["rank"], whole["sig1 sig3".split()].layers["rank"])
    pd.testing.assert_frame_equal(part.var, whole.var)
    assert read_rows(path, []).shape == (0, 90)


@pytest.mark.parametrize("harm", ["cut", "other"])
def test_a_damaged_shard_is_named(stage, folder, harm):
    path = folder / "lib.shard_0000.h5ad"
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:3000])
    else:
        with h5py.File(path, "w") as file:
            file["x"] = 1
    status, said = find(stage, folder, "lib.shard_0000")
    assert status == 1 and "lib.shard_0000.h5ad" in said and "Traceback" not in said
    assert not list(folder.glob("*.leading_edges.parquet"))
